"""What a line of a weight agent says."""

from __future__ import annotations

import pytest

from lvs.nanny.agent_words import merged, said
from lvs.nanny.loads import Load, Word


@pytest.mark.parametrize(
    ("line", "factor", "word"),
    [
        (b"75%", 0.75, None),
        (b"0%", 0.0, None),
        (b"150%", 1.5, None),
        (b"99999999%", 256.0, None),
        (b"up", None, Word.UP),
        (b"ready", None, Word.UP),
        (b"READY\t40%", 0.4, Word.UP),
        (b"drain", None, Word.DRAIN),
        (b"maint", None, Word.DRAIN),
        (b"down", None, Word.DOWN),
        (b"fail", None, Word.DOWN),
        (b"failed", None, Word.DOWN),
        (b"stopped # for the new disk, 100%", None, Word.DOWN),
        (b" up, 10% ,maxconn:30 ", 0.1, Word.UP),
        (b"ready down", None, Word.DOWN),
        (b"up drain", None, Word.DRAIN),
    ],
)
def test_words_are_those_of_haproxys_agent_check(
    line: bytes, factor: float | None, word: Word | None
) -> None:
    load = said(line)
    assert (load.factor, load.word) == (factor, word)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "neither a percentage nor a state"),
        (b"# up", "neither a percentage nor a state"),
        (b"maxconn:5", "neither a percentage nor a state"),
        (b"up 75", "'75' is no word of an agent"),
        (b"-5%", "'-5%' is no word of an agent"),
        (b"HTTP/1.1 200 OK", "'http/1.1' is no word of an agent"),
        ("50٪".encode(), r"'50\xd9\xaa' is no word of an agent"),
        ("٥%".encode(), r"'\xd9\xa5%' is no word of an agent"),
        (b"\x00\xff", r"'\x00\xff' is no word of an agent"),
    ],
)
def test_anything_else_is_no_answer_of_an_agent(line: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as raised:
        said(line)
    assert str(raised.value) == reason


def test_the_reason_is_the_line_with_its_comment() -> None:
    assert said(b" down # disk\x1b full ").reason == r"down # disk\x1b full"


def test_what_a_line_leaves_unsaid_is_as_it_was() -> None:
    half = merged(None, said(b"50%"))
    drained = merged(half, said(b"drain"))
    assert drained == Load(factor=0.5, word=Word.DRAIN, reason="drain")
    assert merged(drained, said(b"60%")) == Load(factor=0.6, word=Word.DRAIN, reason="60%")
    assert merged(None, said(b"up")).factor is None
