"""Netlink messages read by the layout of the first of their kind.

A dump of real servers is thousands of messages whose attributes all have a fixed size, so they lie
where they lay in the message before; only the kernel's version and, where 64-bit values are kept
aligned, the message's place in the buffer move them. Walking the attributes of each costs more than
everything else a dump costs. So the first message is walked, and its layout kept: where the values are,
and the skeleton (the attribute headers at their places) that a message must show to be read by it. A
message with another skeleton is walked, and kept, in turn.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lvs.router.genetlink import ATTRIBUTE, TYPE_MASK

Path = tuple[int, ...]  # attribute kinds, from the outermost nest inwards


@dataclass(frozen=True, slots=True)
class Field:
    """A value to read: the struct format it has at the first of these paths that the message holds."""

    places: tuple[tuple[Path, str], ...]


def at(path: Path, kind: str) -> Field:
    """A value that has one place."""
    return Field(((path, kind),))


@dataclass(frozen=True, slots=True)
class Layout:
    mask: int
    skeleton: int
    values: struct.Struct
    order: tuple[int, ...] | None  # how to bring the values into the fields' order; None: they are in it


class Layouts:
    """Reads the values of some fields, in the fields' order, out of messages of one kind.

    Raises LookupError when a message lacks a field.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = tuple(fields)
        self._nests = {
            path[:depth] for each in fields for path, _ in each.places for depth in range(1, len(path))
        }
        self._known: dict[int, list[Layout]] = {}

    def read(self, buffer: bytearray, start: int, end: int) -> tuple[Any, ...]:
        bits = int.from_bytes(buffer[start:end], "little")
        for layout in self._known.get(end - start, ()):
            if bits & layout.mask == layout.skeleton:
                break
        else:
            layout = self._learn(buffer, start, end)
            self._known.setdefault(end - start, []).append(layout)
        values = layout.values.unpack_from(buffer, start)
        return values if layout.order is None else tuple(values[index] for index in layout.order)

    def _learn(self, buffer: bytearray, start: int, end: int) -> Layout:
        offsets: dict[Path, int] = {}
        mask = bytearray(end - start)
        self._walk(buffer, start, start, end, (), offsets, mask)
        found = []
        for index, each in enumerate(self._fields):
            path, kind = next(((path, kind) for path, kind in each.places if path in offsets), (None, ""))
            if path is None:
                raise LookupError(f"the kernel's message has no attribute {each.places[-1][0]}")
            found.append((offsets[path], kind, index))
        found.sort()
        text, place = "=", 0
        for offset, kind, _ in found:
            text += f"{offset - place}x{kind}"
            place = offset + struct.calcsize(f"={kind}")
        order = [index for _, _, index in found]
        positions = (
            None if order == sorted(order) else tuple(order.index(index) for index in range(len(order)))
        )
        bits = int.from_bytes(mask, "little")
        skeleton = int.from_bytes(buffer[start:end], "little") & bits
        return Layout(bits, skeleton, struct.Struct(text), positions)

    def _walk(
        self,
        buffer: bytearray,
        origin: int,
        start: int,
        end: int,
        nest: Path,
        offsets: dict[Path, int],
        mask: bytearray,
    ) -> None:
        """Note the offset of every attribute from start to end, and of those in the nests that matter."""
        while start < end:
            length, kind = ATTRIBUTE.unpack_from(buffer, start)
            path = (*nest, kind & TYPE_MASK)
            offsets.setdefault(path, start + 4 - origin)
            mask[start - origin : start - origin + 4] = b"\xff" * 4
            if path in self._nests:
                self._walk(buffer, origin, start + 4, start + length, path, offsets, mask)
            start += (length + 3) & ~3
