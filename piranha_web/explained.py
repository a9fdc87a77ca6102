"""What a router answers to `explain` (ARCHITECTURE.md), with times that a page can print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lvs import models
from lvs.sent.asking import Told
from lvs.sent.orders import Explained
from piranha_web.pair import moment
from piranha_web.servers import Hand, hand_of, hand_words

# An escaped line feed: an odd number of backslashes, then n. Two backslashes stand for one of the text's own.
_LINE_FEED = re.compile(r"(?<!\\)(?:\\\\)*\\n")
SIGNS = {"sent": "→", "received": "←", "note": "·"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Equal results in a row, newest first on the page. slowest: milliseconds."""

    ok: bool
    reason: str
    first: datetime | None
    last: datetime | None
    count: int
    slowest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a transcript. at: milliseconds since the check began."""

    at: float
    sign: str
    what: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What *Test this check now* found. duration: milliseconds."""

    ok: bool
    reason: str
    warning: str
    duration: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a router found with a check that need not be in force; problem: why it found nothing."""

    router: models.Router
    problem: str | None = None
    check: str = ""
    trial: Trial | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One router's view of a real server; problem: why there is none, and then nothing else holds.

    held: seconds since `since`, by this machine's clock.
    """

    router: models.Router
    problem: str | None = None
    check: str = ""
    interval: float | None = None
    health: str = "unknown"
    reason: str = ""
    since: datetime | None = None
    held: float | None = None
    checked_at: datetime | None = None
    streak: int = 0
    flapping: bool = False
    warning: str = ""
    runs: tuple[Run, ...] = ()
    hand: Hand | None = None
    load: Mapping[str, Any] | None = None
    weight: Mapping[str, Any] | None = None
    trial: Trial | None = None

    @property
    def hand_words(self) -> str:
        """By whom, until when and why."""
        return hand_words(self.hand) if self.hand else ""


def sight_of(said: Explained, now: float) -> Sight:
    """A router's answer for the page. now: seconds since the epoch."""
    if said.document is None:
        return Sight(router=said.router, problem=said.problem)
    document = said.document
    verdict = document["verdict"]
    return Sight(
        router=said.router,
        check=document["check"],
        interval=document["interval"],
        health=verdict["health"],
        reason=verdict["reason"] or "",
        since=moment(verdict["since"]),
        held=None if verdict["since"] is None else max(0.0, now - verdict["since"]),
        checked_at=moment(verdict["checked_at"]),
        streak=verdict["streak"],
        flapping=verdict["flapping"],
        warning=verdict["warning"] or "",
        runs=tuple(runs_of(document)),
        hand=hand_of(document["hand"]),
        load=document["load"],
        weight=document["weight"],
        trial=trial_of(document["test"]),
    )


def runs_of(document: Mapping[str, Any]) -> Iterator[Run]:
    """The history, newest first."""
    for one in document["history"]:
        yield Run(
            ok=one["ok"],
            reason=one["reason"],
            first=moment(one["first"]),
            last=moment(one["last"]),
            count=one["count"],
            slowest=1000 * one["slowest"],
        )


def trial_of(document: Mapping[str, Any] | None) -> Trial | None:
    """The test, when there was one."""
    if document is None:
        return None
    return Trial(
        ok=document["ok"],
        reason=document["reason"],
        warning=document["warning"] or "",
        duration=1000 * document["duration"],
        lines=tuple(
            Line(
                at=1000 * one["at"],
                sign=SIGNS.get(one["what"], "·"),
                what=one["what"],
                text=in_lines(one["text"]),
            )
            for one in document["transcript"]
        ),
    )


def tried_of(router: models.Router, told: Told) -> Tried:
    """A router's answer to `try_check` for the page."""
    if told.document is None:
        return Tried(router=router, problem=told.problem)
    return Tried(router=router, check=told.document["check"], trial=trial_of(told.document["test"]))


def in_lines(text: str) -> str:
    r"""Escaped bytes with a line break of the page's own behind each \n that stands for a line feed."""
    return _LINE_FEED.sub(r"\g<0>" + "\n", text).rstrip("\n")
