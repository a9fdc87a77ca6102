"""What was read of each virtual server, for as long as its rows stay as they are.

Each virtual server has a version: a random number, another one whenever its row, its check or one of its real
servers changes. Random, not counted: a change that was rolled back and a later one never have the same. So
what was read of one version holds for ever, and of 5,000 virtual servers only those are read again that
somebody has changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

BITS = 62  # what a column of every database takes
FEW = 500  # of which rows are asked for by number; beyond it, all of them are
Read = TypeVar("Read")
Numbers = Mapping[int, int]  # a virtual server's primary key: its version


def new_version() -> int:
    """A version that nothing ever had."""
    return secrets.randbits(BITS)


class Versions(Generic[Read]):
    """The last reading of each of some owners' virtual servers."""

    def __init__(self, owners: int = 8) -> None:
        self._owners = owners
        self._kept: dict[int, dict[tuple[int, int], Read]] = {}

    def of(
        self, owner: int, now: Numbers, read: Callable[[Collection[int] | None], Mapping[int, Read]]
    ) -> list[Read]:
        """What there is of each virtual server of now, in its order. read: of these (None: of all) by number.

        What changes in between is kept under the version before, which nobody asks for again; what is deleted
        in between is left out.
        """
        kept = self._kept.get(owner, {})
        missing = [pk for pk, version in now.items() if (pk, version) not in kept]
        if missing:
            fresh = read(missing if len(missing) <= FEW else None)
            kept = {
                key: kept[key] if key in kept else fresh[key[0]]
                for key in now.items()
                if key in kept or key[0] in fresh
            }
            self._keep(owner, kept)
        return [kept[key] for key in now.items() if key in kept]

    def _keep(self, owner: int, kept: dict[tuple[int, int], Read]) -> None:
        """Whole, so that threads see one reading or the other; the owner that was read first goes."""
        self._kept.pop(owner, None)
        self._kept[owner] = kept
        while len(self._kept) > self._owners:
            self._kept.pop(next(iter(self._kept)), None)
