"""Values are found wherever a kernel puts its attributes."""

from __future__ import annotations

import struct

import pytest

from lvs.router.genetlink import attribute
from lvs.router.layout import Field, Layouts, at


def nest(*parts: bytes) -> bytearray:
    return bytearray(attribute(1, b"".join(parts)))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


@pytest.fixture
def layouts() -> Layouts:
    return Layouts((at((1, 2), "I"), at((1, 3), "I"), Field((((1, 9, 1), "Q"), ((1, 8, 1), "I")))))


def test_values_come_in_the_order_that_was_asked_for(layouts):
    forward = nest(number(2, 20), number(3, 30), attribute(8, number(1, 7)))
    backward = nest(attribute(8, number(1, 7)), number(3, 30), number(2, 20))
    for message in (forward, backward, forward):
        assert layouts.read(message, 0, len(message)) == (20, 30, 7)


def test_the_wide_value_is_taken_where_there_is_one(layouts):
    message = nest(
        number(2, 1),
        number(3, 2),
        attribute(8, number(1, 7)),
        attribute(9, attribute(1, struct.pack("=Q", 1 << 40))),
    )
    assert layouts.read(message, 0, len(message)) == (1, 2, 1 << 40)


def test_padding_that_comes_and_goes_does_not_matter(layouts):
    wide = attribute(1, struct.pack("=Q", 5))
    pad = attribute(11, b"")
    for padded in (attribute(9, pad + wide), attribute(9, wide + pad), attribute(9, wide)):
        message = nest(number(2, 1), number(3, 2), padded)
        assert layouts.read(message, 0, len(message)) == (1, 2, 5)


def test_a_message_is_read_where_it_lies_among_others(layouts):
    message = nest(number(2, 1), number(3, 2), attribute(8, number(1, 3)))
    buffer = bytearray(12) + message + bytearray(b"\xff" * 8)
    assert layouts.read(buffer, 12, 12 + len(message)) == (1, 2, 3)


def test_values_of_the_first_message_are_not_taken_for_the_seconds(layouts):
    for value in (1, 2, 0xFFFFFFFF):
        message = nest(number(2, value), number(3, value), attribute(8, number(1, value)))
        assert layouts.read(message, 0, len(message)) == (value, value, value)


def test_a_message_without_a_value_is_an_error(layouts):
    message = nest(number(2, 1))
    with pytest.raises(LookupError, match="no attribute"):
        layouts.read(message, 0, len(message))
