"""The difference of two texts: as diff -u has it, and quick for long ones."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.config.matching import unified

LINES = st.lists(st.sampled_from(["a", "b", "c", "one", "two", "}"]), max_size=30)


def patched(old: list[str], hunks: list[str]) -> list[str]:
    """The old text after the hunks, which must fit what they say of it."""
    found, at = [], 0
    for line in hunks:
        if line.startswith("@@"):
            begin, _, count = line.split()[1].lstrip("-").partition(",")
            start = int(begin) - (count != "0")
            found += old[at:start]
            at = start
        elif line[0] == "+":
            found.append(line[1:])
        else:
            assert old[at] == line[1:]
            found += [line[1:]] if line[0] == " " else []
            at += 1
    return found + old[at:]


@settings(max_examples=60)
@given(LINES, LINES)
def test_the_hunks_make_the_new_text_of_the_old_one(old: list[str], new: list[str]) -> None:
    assert patched(old, list(unified(old, new))) == new
    assert (old == new) == (not list(unified(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", "a"),
        ("a", ""),
        ("a b c d e f g h i j k l", "a b X d e f g h i j k l m"),
        ("a b c d e f g h i j k l m n o", "A b c d e f g h i j k l m n O"),
    ],
)
def test_small_ones_are_written_as_difflib_does(old: str, new: str) -> None:
    before, after = old.split(), new.split()
    expected = list(difflib.unified_diff(before, after, lineterm=""))[2:]
    assert list(unified(before, after)) == expected


def test_what_is_moved_goes_at_one_place_and_comes_at_another() -> None:
    assert list(unified(["x", "a", "b", "c"], ["a", "b", "c", "x"])) == [
        "@@ -1,4 +1,4 @@", "-x", " a", " b", " c", "+x",
    ]  # fmt: skip


def test_long_texts_with_changes_all_over_are_compared_line_by_line_of_what_is_unique() -> None:
    old = [f"address = {number}" if number % 5 else "active = 1" for number in range(50_000)]
    new = [f"{line}0" if number % 7 == 3 else line for number, line in enumerate(old)]
    hunks = list(unified(old, new))
    changed = sum(a != b for a, b in zip(old, new, strict=True))
    assert sum(line.startswith("-") for line in hunks) == changed
    assert sum(line.startswith("+") for line in hunks) == changed
