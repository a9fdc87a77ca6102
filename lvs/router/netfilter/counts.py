"""What the table has counted: packets and bytes, headers included. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lvs.router.state import MarkRule


@dataclass(frozen=True, slots=True)
class Count:
    packets: int = 0
    bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.packets + other.packets, self.bytes + other.bytes)

    @classmethod
    def of(cls, statement: Any) -> Count | None:
        """From the `counter` of a listing (libnftables-json(5)); None when it is none."""
        if not isinstance(statement, dict):
            return None
        packets, size = statement.get("packets"), statement.get("bytes")
        return cls(packets, size) if type(packets) is int and type(size) is int else None

    def __str__(self) -> str:
        """As a statement of nft's language; it begins there."""
        return f"counter packets {self.packets} bytes {self.bytes}" if self.packets else "counter"


NOTHING = Count()


@dataclass(frozen=True, slots=True)
class Counts:
    """By what was counted.

    marks: packets that got the mark. masquerade: by IP version, and only the first packet of each connection,
    since the rest is connection tracking's. refused: what the guard of the panel's port dropped.
    """

    marks: Mapping[MarkRule, Count] = field(default_factory=dict)
    masquerade: Mapping[int, Count] = field(default_factory=dict)
    refused: Count = NOTHING


NONE = Counts()
