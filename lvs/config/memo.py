"""What was worked out once and still holds. Pure.

A cluster of a thousand virtual servers is edited one virtual server at a time, and a router's programs live
for months. So all results that are kept here are kept by what they were made of, which is frozen: an
unchanged virtual server costs a look into a dictionary, and nothing ever has to be declared out of date.

* `Turns`, for those who make virtual servers out of text or JSON: what the last turn made, by its source. So
  the same source gives the same object again.
* `Memo`, for those who go on from there: what follows from one virtual server, for as long as it exists.
* `Last`, for what follows from all of them together and seldom changes.

Neither grows beyond the configurations that are in use, and both may be used by several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import ReferenceType, ref

from lvs.config.model import VirtualServer

Made = TypeVar("Made")
Given = TypeVar("Given")


class Turn(Generic[Made]):
    """One pass over a whole configuration: `recall` what was made last time, `keep` what is made now."""

    def __init__(self, before: dict[Hashable, Made]) -> None:
        self._before = before
        self.kept: dict[Hashable, Made] = {}

    def recall(self, source: Hashable) -> Made | None:
        """What was made of source in the turn before, or in this one; None: nothing was kept."""
        made = self.kept.get(source)
        if made is None:
            made = self._before.get(source)
            if made is not None:
                self.kept[source] = made
        return made

    def keep(self, source: Hashable, made: Made) -> None:
        self.kept[source] = made


class Turns(Generic[Made]):
    """Remembers the turn that ended last, and nothing older."""

    def __init__(self) -> None:
        self._last: dict[Hashable, Made] = {}

    def begin(self) -> Turn[Made]:
        return Turn(self._last)

    def end(self, turn: Turn[Made]) -> None:
        self._last = turn.kept


class Memo(Generic[Made]):
    """work(virtual_server, *more), which only computes, with its last result for each living virtual server.

    What work gives must not be changed by anybody, and must not refer to the virtual server, which would then
    live for ever. Told apart by identity: comparing a virtual server would cost more than most of the work.
    """

    def __init__(self, work: Callable[..., Made]) -> None:
        self._work = work
        self._kept: dict[int, tuple[ReferenceType[VirtualServer], tuple[Any, ...], Made]] = {}

    def __call__(self, virtual_server: VirtualServer, *more: Any) -> Made:
        number = id(virtual_server)
        known = self._kept.get(number)
        if known is not None and known[0]() is virtual_server and known[1] == more:
            return known[2]
        made = self._work(virtual_server, *more)

        def forget(_: ReferenceType[VirtualServer]) -> None:
            self._kept.pop(number, None)

        self._kept[number] = (ref(virtual_server, forget), more, made)
        return made

    def __len__(self) -> int:
        """For how many virtual servers a result is kept."""
        return len(self._kept)


class Last(Generic[Given, Made]):
    """work(given), which only computes, with its last result: found again for whatever equals that given."""

    def __init__(self, work: Callable[[Given], Made]) -> None:
        self._work = work
        self._known: tuple[Given, Made] | None = None

    def __call__(self, given: Given) -> Made:
        known = self._known
        if known is None or known[0] != given:
            known = self._known = (given, self._work(given))
        return known[1]
