"""What is kept of what routers wrote: the newest, and never more than there is room for."""

from __future__ import annotations

import pytest

from lvs.reported import reading, shape
from lvs.reported.shape import Misshapen


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BUDGET", 100)
    monkeypatch.setattr(reading, "_KEPT", reading.Kept())


def text(size: int, sign: str = "x") -> bytes:
    """A JSON text of so many bytes."""
    return b'"' + sign.encode() * (size - 2) + b'"'


def test_the_same_text_is_understood_once() -> None:
    first = reading.understood(b'["x"]', shape.listed(shape.text))
    kind = shape.listed(shape.text)
    assert reading.understood(b'["x"]', kind) is reading.understood(b'["x"]', kind)
    assert reading.understood(b'["x"]', kind) is not first  # which was asked for as another kind


def test_what_does_not_fit_is_not_kept() -> None:
    for _ in range(2):
        with pytest.raises(Misshapen):
            reading.understood(b"7", shape.text)
    assert reading._KEPT.texts == []


def test_no_more_is_kept_than_there_is_room_for_and_the_newest_stay() -> None:
    for sign in "abcdefghij":
        reading.understood(text(20, sign), shape.text)
        reading.understood(text(20, "a"), shape.text)

    assert sum(map(len, reading._KEPT.texts)) <= 100
    assert reading._KEPT.texts == [text(20, sign) for sign in "ghija"]


def test_one_large_text_pushes_out_nothing() -> None:
    reading.understood(text(20), shape.text)
    reading.understood(text(26), shape.text)

    assert list(map(len, reading._KEPT.texts)) == [20]
