"""What a weight agent or a load monitor says of a real server, and what weight follows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Word(StrEnum):
    """What an agent says besides a percentage: that it serves, takes nothing new, or does not serve."""

    UP = "up"
    DRAIN = "drain"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Load:
    """What was said last.

    factor: of the configured weight (1.0: all of it), floor and ceiling not yet applied; None: it said none
    yet, which means all of it. word: None when the agent said none yet. reason: its own words. at: seconds
    since the epoch. What one line of an agent leaves unsaid is as it was (`lvs.nanny.agent_words.merged`).
    """

    factor: float | None = None
    word: Word | None = None
    reason: str = ""
    at: float = 0.0
