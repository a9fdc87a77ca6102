"""Where in a file everything stands, kept block by block, so that a block that moved is not counted anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Place = tuple[str, ...]  # as in Problem.place
Spot = tuple[Place, str | None]  # a place and a field of it; None: the block's own line
Numbers = dict[Spot, int]


@dataclass(frozen=True, slots=True)
class BlockLines:
    """The lines of an outermost block, and of what is inside it, as it was read at line `first`."""

    place: Place
    first: int
    numbers: Numbers = field(default_factory=dict)


class Lines(Mapping[Spot, int]):
    """The line, counted from 1, of each spot of a file."""

    def __init__(self) -> None:
        self.top: Numbers = {}  # what stands outside of all blocks
        self._blocks: dict[Place, tuple[BlockLines, int]] = {}  # with the distance from where it was read

    @property
    def blocks(self) -> int:
        """How many blocks were added."""
        return len(self._blocks)

    def begin(self, place: Place, line: int) -> Numbers:
        """Where to note the lines of a new block, which begins at this one."""
        block = BlockLines(place, line)
        self.add(block, line)
        return block.numbers

    def add(self, block: BlockLines, line: int) -> None:
        """A block that was read before, and now begins at this line."""
        self._blocks[block.place] = block, line - block.first

    def newest(self) -> BlockLines:
        """The block that was added last."""
        return next(reversed(self._blocks.values()))[0]

    def __getitem__(self, spot: Spot) -> int:
        found = self._blocks.get(spot[0][:2])
        return self.top[spot] if found is None else found[0].numbers[spot] + found[1]

    def __iter__(self) -> Iterator[Spot]:
        yield from self.top
        for block, _ in self._blocks.values():
            yield from block.numbers

    def __len__(self) -> int:
        return len(self.top) + sum(len(block.numbers) for block, _ in self._blocks.values())
