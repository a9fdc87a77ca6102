"""The words of send_program."""

from __future__ import annotations

import pytest

from lvs.config.program import program_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("probe", ("probe",)),
        ("probe  %h\t%p ", ("probe", "%h", "%p")),
        ("probe 'a b' x'c d'y ''", ("probe", "a b", "xc dy", "")),
        (r"probe \d+ a\ b", ("probe", r"\d+", "a\\", "b")),
        ("probe #1 $(id) a;b >x", ("probe", "#1", "$(id)", "a;b", ">x")),
    ],
)
def test_words_are_divided_at_blanks_outside_of_quotes_and_mean_nothing_to_a_shell(
    text: str, words: tuple[str, ...]
) -> None:
    assert program_words(text) == words


def test_an_open_quote_and_a_missing_program_are_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="a quote is not closed: end the argument with the same quote"):
        program_words("probe 'a")
    for text in ("", "  ", "''"):
        with pytest.raises(ValueError, match="it names no program"):
            program_words(text)
