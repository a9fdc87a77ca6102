"""The regular expressions of use_regex."""

from __future__ import annotations

import pytest

from lvs.config.patterns import is_found, searcher


@pytest.mark.parametrize(
    ("pattern", "matches", "fails"),
    [
        ("[[:digit:]]+ OK", "200 OK", "x OK"),
        ("^[[:upper:]_]{3}$", "A_B", "a_b"),
        ("a[[:space:]]b", "a\tb", "ab"),
        ("^220 .*ESMTP", "220 first\n220 ESMTP", "250 ESMTP"),
        ("größe=(1|2)", "die größe=2", "grosse=2"),
    ],
)
def test_an_expression_means_what_posix_says(pattern: str, matches: str, fails: str) -> None:
    assert is_found(pattern.encode(), matches.encode())
    assert not is_found(pattern.encode(), fails.encode())


def test_a_hostile_answer_cannot_hold_a_search_up() -> None:
    # A backtracking engine would not end within the life of this test run.
    assert not is_found(b"(a+)+$", b"a" * 60_000 + b"!")


@pytest.mark.parametrize("pattern", ["(.?){1000}", "((x{0,100}){0,10})*y", "x.{999}(.{0,999}|q)z"])
def test_an_expression_that_is_large_enough_to_be_slow_is_refused_with_what_to_do(pattern: str) -> None:
    with pytest.raises(ValueError, match="too large to be searched for quickly: use smaller numbers"):
        searcher(pattern.encode())


@pytest.mark.parametrize("pattern", ["(", "[a", "(?=a)", r"(a)\1", "*"])
def test_what_is_no_expression_or_needs_backtracking_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(ValueError):
        searcher(pattern.encode())
