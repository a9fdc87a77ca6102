"""What a weight agent or a load monitor says of a real server, and what weight follows. Pure.

The formula for load monitors is that of Piranha's nanny (PIRANHA.md 4.6), in shares of the configured weight
W. With w the share that it had before (1 at first) and L the load average over a minute:

- L < 1: w grows by cbrt(1 - L) / 2. An idle real server gets half of its weight more each time.
- L > 1: w shrinks by cbrt(L - 1) / 2.
- A change of less than a quarter of W is left out.
- w stays between 1 and 10: an idle one gets up to ten times its weight, a busy one never less than W.

So it only tells the idle from the busy, and by steps: loads of 7/8 to 9/8 leave everything as it is. L is
not divided by the number of processors. The quarter is measured before the bounds, so that 1 and 10 are
reached (Piranha's nanny could stay beside them).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

LEAST, MOST = 1.0, 10.0
SMALLEST_STEP = 0.25

# What a load says is another than before from this change on, of the configured weight.
SMALLEST_CHANGE = 0.01


class Word(StrEnum):
    """What an agent says besides a percentage: that it serves, takes nothing new, or does not serve."""

    UP = "up"
    DRAIN = "drain"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Load:
    """What was said last.

    factor: of the configured weight (1.0: all of it), floor and ceiling not yet applied; None: it said none
    yet, which means all of it. word: None when the agent said none yet. reason: its own words. at: since when
    it says so, seconds since the epoch. What one line of an agent leaves unsaid is as it was
    (`lvs.nanny.agent_words.merged`). average: what a load monitor printed, from which the factor follows
    (`weighed`); None: an agent's load.
    """

    factor: float | None = None
    word: Word | None = None
    reason: str = ""
    at: float = 0.0
    average: float | None = None


def weighed(before: Load | None, load: Load) -> Load:
    """The load of a load monitor with the factor that follows from its average and from what was before."""
    if load.average is None:
        return load
    factor = before.factor if before is not None and before.factor is not None else LEAST
    return replace(load, factor=following(factor, load.average))


def following(factor: float, average: float) -> float:
    """The share of the configured weight after this load average; factor: that before."""
    step = math.cbrt(1 - average) / 2
    return min(MOST, max(LEAST, factor + step)) if abs(step) >= SMALLEST_STEP else factor


def steadied(before: Load | None, load: Load) -> Load:
    """load, with what differs from before by too little to count as before, and so since when it is said."""
    if before is None or load.word is not before.word or _differ(before.factor, load.factor):
        return load
    return replace(load, factor=before.factor, at=before.at)


def _differ(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is not second
    # None at all is something else than nearly none, and so is all of it.
    return first != second and (abs(first - second) >= SMALLEST_CHANGE or second in (0.0, LEAST))
