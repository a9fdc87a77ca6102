"""Which lines of two texts are the same, in time that does not grow with the square of their length.

difflib looks for the longest common run again between any two changes: seconds for ten thousand lines with
changes all over. Here lines that occur once in both texts are taken for the same line, as many as keep their
order (Bram Cohen's patience diff); only what is left between two of them goes to difflib.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

Lines = Sequence[str]
Span = tuple[int, int, int, int]  # from and to in the old text, from and to in the new one
Pair = tuple[int, int]

AROUND = 3  # lines that a hunk shows before and behind a change, as diff -u
SMALL = 250_000  # pairs of lines that difflib may compare


def unified(old: Lines, new: Lines) -> Iterator[str]:
    """The hunks of a unified difference, without the names of files; nothing where both are the same."""
    hunk: list[Span] = []
    for change in _changes(old, new):
        if hunk and change[0] - hunk[-1][1] > 2 * AROUND:
            yield from _hunk(hunk, old, new)
            hunk = []
        hunk.append(change)
    if hunk:
        yield from _hunk(hunk, old, new)


def _hunk(changes: list[Span], old: Lines, new: Lines) -> Iterator[str]:
    before = min(AROUND, changes[0][0])
    behind = min(AROUND, len(old) - changes[-1][1])
    begin, end = changes[0][0] - before, changes[-1][1] + behind
    places = _place(begin, end), _place(changes[0][2] - before, changes[-1][3] + behind)
    yield f"@@ -{places[0]} +{places[1]} @@"
    for old_from, old_to, new_from, new_to in changes:
        yield from (f" {line}" for line in old[begin:old_from])
        yield from (f"-{line}" for line in old[old_from:old_to])
        yield from (f"+{line}" for line in new[new_from:new_to])
        begin = old_to
    yield from (f" {line}" for line in old[begin:end])


def _place(begin: int, end: int) -> str:
    """A range as diff -u writes it: counted from 1, an empty one by the line before it."""
    if end - begin == 1:
        return str(begin + 1)
    return f"{begin + 1 if end > begin else begin},{end - begin}"


def _changes(old: Lines, new: Lines) -> Iterator[Span]:
    """What is between the lines that are the same."""
    i = j = 0
    for same_i, same_j in [*sorted(_same(old, new)), (len(old), len(new))]:
        if same_i > i or same_j > j:
            yield i, same_i, j, same_j
        i, j = same_i + 1, same_j + 1


def _same(old: Lines, new: Lines) -> Iterator[Pair]:
    """Pairs of lines that are the same, in no order; those of any two keep it."""
    left: list[Span] = [(0, len(old), 0, len(new))]
    while left:
        i, i_end, j, j_end = left.pop()
        while i < i_end and j < j_end and old[i] == new[j]:
            yield i, j
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and old[i_end - 1] == new[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
            yield i_end, j_end
        if i == i_end or j == j_end:
            continue
        span = (i, i_end, j, j_end)
        anchors = _in_order(_single(old, new, span))
        if anchors:
            yield from anchors
            left += _between(anchors, span)
        elif (i_end - i) * (j_end - j) <= SMALL:
            yield from _by_difflib(old, new, span)


def _between(anchors: list[Pair], span: Span) -> Iterator[Span]:
    i, i_end, j, j_end = span
    for next_i, next_j in [*anchors, (i_end, j_end)]:
        if next_i > i and next_j > j:
            yield i, next_i, j, next_j
        i, j = next_i + 1, next_j + 1


def _single(old: Lines, new: Lines, span: Span) -> list[Pair]:
    """The lines that occur once in both parts, in the order of the old one."""
    i, i_end, j, j_end = span
    here, there = Counter(old[i:i_end]), Counter(new[j:j_end])
    places = {new[at]: at for at in range(j, j_end) if there[new[at]] == 1}
    return [(at, places[old[at]]) for at in range(i, i_end) if here[old[at]] == 1 and old[at] in places]


def _in_order(pairs: list[Pair]) -> list[Pair]:
    """The longest part of pairs, rising in their first, that rises in their second as well."""
    ends: list[int] = []  # the least end of a rising part of each length
    at: list[int] = []  # and which pair that is
    before: list[int] = []  # for each pair the one before it
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        at[length : length + 1] = [number]
    found = []
    number = at[-1] if at else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _by_difflib(old: Lines, new: Lines, span: Span) -> Iterator[Pair]:
    i, i_end, j, j_end = span
    matcher = SequenceMatcher(None, old[i:i_end], new[j:j_end], autojunk=False)
    for block in matcher.get_matching_blocks():
        yield from ((i + block.a + step, j + block.b + step) for step in range(block.size))
