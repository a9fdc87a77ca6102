"""Where in a file everything stands, kept block by block, so that a block that moved is not counted anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

Place = tuple[str, ...]  # as in Problem.place
Spot = tuple[Place, str | None]  # a place and a field of it; None: the block's own line
Numbers = dict[Spot, int]


@dataclass(frozen=True, slots=True)
class BlockLines:
    """The lines of one block outside of all others, and of what is inside it.

    numbers: as they were when it was read, its first line being `first`; shift: how far it stands from there.
    """

    place: Place
    first: int
    numbers: Numbers = field(default_factory=dict)
    shift: int = 0

    def moved_to(self, line: int) -> BlockLines:
        """The same lines for a block that begins at this one."""
        return replace(self, shift=line - self.first)


class Lines(Mapping[Spot, int]):
    """The line, counted from 1, of each spot of a file."""

    def __init__(self) -> None:
        self.top: Numbers = {}  # what stands outside of all blocks
        self._blocks: dict[Place, BlockLines] = {}

    def begin(self, place: Place, line: int) -> Numbers:
        """Where to note the lines of a new block, which begins at this one."""
        self.add(BlockLines(place, line))
        return self._blocks[place].numbers

    def add(self, block: BlockLines) -> None:
        self._blocks[block.place] = block

    @property
    def blocks(self) -> int:
        """How many blocks were added."""
        return len(self._blocks)

    def newest(self) -> BlockLines:
        """The block that was added last."""
        return next(reversed(self._blocks.values()))

    def __getitem__(self, spot: Spot) -> int:
        block = self._blocks.get(spot[0][:2])
        return self.top[spot] if block is None else block.numbers[spot] + block.shift

    def __iter__(self) -> Iterator[Spot]:
        yield from self.top
        for block in self._blocks.values():
            yield from block.numbers

    def __len__(self) -> int:
        return len(self.top) + sum(len(block.numbers) for block in self._blocks.values())
