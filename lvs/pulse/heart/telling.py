"""What a heart has to tell the other router of the administrator's hand, and when. Pure.

pulse says what there is; the heart passes it on and keeps nothing of it but that. What is new goes out at
once, and everything again in rounds, since a datagram may get lost and the other router may have been away.
Never more than AT_ONCE datagrams a PAUSE: the heart has heartbeats to send, and links may be slow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lvs.pulse.gossip import Entry, packed

ROUND_EVERY = 5.0  # seconds between the beginnings of two rounds, if the first has ended by then
PAUSE = 0.1  # seconds between two portions
AT_ONCE = 4  # datagrams of a portion


class Telling:
    """The entries, and how far they are told."""

    def __init__(self) -> None:
        self._entries: tuple[Entry, ...] = ()
        self._news: list[Entry] = []
        self._told = 0  # of _entries, in this round
        self._round_at = math.inf
        self._next_at = math.inf

    def use(self, now: float, entries: Sequence[Entry]) -> None:
        """What there is to tell from now on: all of it."""
        known = {_about(entry): entry for entry in self._entries}
        news = [entry for entry in entries if known.get(_about(entry)) != entry]
        self._entries = tuple(entries)
        self._news = news
        self._told = len(self._entries)  # a round that was under way begins anew at its time
        if not entries:
            self._round_at = self._next_at = math.inf
            return
        self._round_at = min(self._round_at, now + ROUND_EVERY)
        self._next_at = min(self._next_at, now if news else self._round_at)

    def begin(self, now: float) -> None:
        """The other router has just begun to listen: tell it everything."""
        if self._entries:
            self._round_at = self._next_at = now

    def due(self, now: float) -> list[bytes]:
        """What the next datagrams say, if it is time."""
        if now < self._next_at:
            return []
        if now >= self._round_at and self._told >= len(self._entries):
            self._told, self._round_at = 0, now + ROUND_EVERY
        said: list[bytes] = []
        while len(said) < AT_ONCE and self._news:
            part, told = packed(self._news)
            del self._news[:told]
            said.append(part)
        while len(said) < AT_ONCE and self._told < len(self._entries):
            part, self._told = packed(self._entries, self._told)
            said.append(part)
        more = self._news or self._told < len(self._entries)
        self._next_at = now + PAUSE if more else max(self._round_at, now + PAUSE)
        return said

    @property
    def next_at(self) -> float:
        """When there is something to say; infinite: never."""
        return self._next_at


def _about(entry: Entry) -> tuple[object, object]:
    return entry.get("virtual_server"), entry.get("real_server")
