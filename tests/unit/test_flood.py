"""Of what comes by the thousand a few lines are written, and the rest is counted."""

from __future__ import annotations

from lvs.flood import Flood


def test_the_first_few_are_written_and_the_others_counted() -> None:
    flood = Flood(most=3, seconds=60)

    assert [flood.heard(float(at)) for at in range(10)] == [0, 0, 0, *[None] * 7]
    assert flood.heard(60.0) == 7
    assert flood.heard(61.0) == 0


def test_a_number_is_told_once() -> None:
    flood = Flood(most=1, seconds=60)
    for at in (0.0, 1.0, 2.0):
        flood.heard(at)

    assert flood.taken() == 2
    assert flood.taken() == 0
    assert flood.heard(60.0) == 0


def test_the_time_counts_from_the_first_line_and_not_from_the_last() -> None:
    flood = Flood(most=2, seconds=10)

    assert [flood.heard(at) for at in (0.0, 9.0, 9.5, 10.0, 11.0, 12.0)] == [0, 0, None, 1, 0, None]
