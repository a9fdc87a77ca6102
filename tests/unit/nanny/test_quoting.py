"""How a server's bytes are repeated."""

from __future__ import annotations

from lvs.nanny.quoting import printable, quote


def test_long_text_is_cut_and_shows_it() -> None:
    assert quote(b"x" * 40) == f"'{'x' * 40}'"
    assert quote(b"x" * 41) == f"'{'x' * 40}…'"


def test_nothing_unprintable_is_repeated() -> None:
    assert quote("é\r\n\x1b[31m".encode() + b"\xff") == r"'é\r\n\x1b[31m\xff'"
    assert printable("a\u202eb\u2028".encode()) == r"a\u202eb\u2028"
