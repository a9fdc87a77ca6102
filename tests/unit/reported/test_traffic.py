"""Rates, rings and curves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.reported import traffic
from lvs.reported.traffic import SERVERS, SERVICES, Reading, Value

COUNTERS = st.lists(st.integers(0, 2**64), min_size=5, max_size=5).map(tuple)
VALUES = st.none() | st.floats(0, 1e13)
SERIES = st.lists(VALUES, min_size=1, max_size=80)


@given(st.floats(0, 3e13))
@settings(max_examples=60)
def test_a_value_comes_back_nearly_as_it_was(value: float):
    found = traffic.value_of(traffic.word_of(value))
    assert found == pytest.approx(value, rel=0.0004, abs=0.0006)


@pytest.mark.parametrize(
    ("value", "found"),
    [(0.0, 0.0), (-5.0, 0.0), (math.inf, 2**45 - 1), (1e300, 2**45 - 1)],
)
def test_what_is_outside_the_scale_is_at_its_end(value: float, found: float):
    assert traffic.value_of(traffic.word_of(value)) == pytest.approx(found, rel=0.001)


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_no_number_is_not_known(value: Value):
    assert traffic.value_of(traffic.word_of(value)) is None


@given(COUNTERS, COUNTERS, st.floats(0, 100))
@settings(max_examples=60)
def test_no_rate_is_below_nothing_or_above_what_was_counted(
    before: tuple[int, ...], after: tuple[int, ...], seconds: float
):
    found = traffic.rates(Reading(50.0, before), Reading(50.0 + seconds, after), 25.0)
    for old, new, rate in zip(before, after, found, strict=True):
        assert rate is None or 0 <= rate <= max(0, new - old) + 1e-9 * new


def test_a_rate_is_what_came_by_the_seconds():
    found = traffic.rates(Reading(50.0, (10, 100)), Reading(60.0, (30, 100)), 25.0)
    assert found == (2.0, 0.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, Reading(60.0, (5,))),  # new
        (Reading(50.0, (10,)), Reading(60.0, (3,))),  # reset
        (Reading(50.0, (2**32 - 1,)), Reading(60.0, (4,))),  # gone round
        (Reading(50.0, (10,), "tcp a:80"), Reading(60.0, (300,), "tcp b:80")),  # another of the same name
        (Reading(50.0, (10,)), Reading(50.5, (300,))),  # too near
        (Reading(50.0, (10,)), Reading(80.0, (300,))),  # the worker was away
        (Reading(60.0, (10,)), Reading(50.0, (300,))),
    ],
)
def test_where_nothing_can_be_known_nothing_is_said(before: Reading | None, after: Reading):
    assert traffic.rates(before, after, 25.0) == (None,)


def test_one_counter_that_went_down_leaves_the_others_unknown_too():
    found = traffic.rates(Reading(50.0, (10, 10)), Reading(60.0, (3, 90)), 25.0)
    assert found == (None, None)


@pytest.mark.parametrize("ring", [SERVICES, SERVERS])
def test_a_ring_gives_its_samples_back_in_their_order(ring: traffic.Ring):
    raw = bytearray(ring.length)
    last = 123_456
    for tick in range(last - ring.places + 1, last + 1):
        offset = ring.offset(tick)
        raw[offset : offset + ring.size] = ring.pack(tick, [float(tick % 100)] * len(ring.values))
    for name in ring.values:
        found = ring.series(bytes(raw), last, name)
        expected = [float(tick % 100) for tick in range(last - ring.places + 1, last + 1)]
        assert found == pytest.approx(expected, rel=0.001)


def test_samples_of_the_hour_before_and_gaps_are_not_shown():
    raw, last = bytearray(SERVICES.length), 65_536 * 3 + 5  # the stamps have just begun anew
    for tick, value in ((last - 360, 7.0), (last - 2, 8.0), (last - 8, 9.0)):
        offset = SERVICES.offset(tick)
        raw[offset : offset + SERVICES.size] = SERVICES.pack(tick, [value, None, *[0.0] * 5])
    found = SERVICES.series(bytes(raw), last, "connections")
    known = {place: value for place, value in enumerate(found) if value is not None}
    assert known.keys() == {359 - 8, 359 - 2}, "what is at the place of the newest is an hour old"
    assert SERVICES.series(bytes(raw), last, "packets_in") == [None] * 360
    later = SERVICES.series(bytes(raw), last + 361, "connections")
    assert later == [None] * 360


@given(st.binary(max_size=7000), st.integers(0, 2**40))
@settings(max_examples=30)
def test_whatever_is_in_redis_is_read_as_a_curve(raw: bytes, last: int):
    found = SERVICES.series(raw, last, "active")
    assert len(found) == 360
    assert all(value is None or 0 <= value <= 2**45 for value in found)


@given(st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=1, max_size=3))
@settings(max_examples=40)
def test_routers_are_added_up_and_what_none_knows_is_not_known(samples: list[list[Value]]):
    for place, value in enumerate(traffic.added(samples)):
        known = [one for sample in samples if (one := sample[place]) is not None]
        assert value == (sum(known) if known else None)


@given(SERIES, st.integers(1, 40))
@settings(max_examples=40)
def test_a_thinned_curve_stays_within_what_it_was(series: list[Value], most: int):
    found = traffic.thinned(series, most)
    known = [value for value in series if value is not None]
    assert len(found) == min(most, len(series))
    assert all(value is None or min(known) * 0.999 <= value <= max(known) * 1.001 for value in found)
    assert any(value is not None for value in found) == bool(known)


@given(SERIES, st.floats(0, 1e13))
@settings(max_examples=40)
def test_a_curve_is_drawn_within_its_picture_and_has_a_line_for_each_stretch(series: list[Value], top: float):
    found = traffic.lines(series, 100, 20, top)
    gone = [one is None for one in series]
    stretches = sum(not now and before for now, before in zip(gone, [True, *gone], strict=False))
    assert len(found) == stretches
    for line in found:
        assert len(line) >= 2
        assert all(0 <= x <= 100.001 and -0.001 <= y <= 20 for x, y in line)


def test_figures_are_of_what_is_known_and_now_is_not_long_ago():
    assert traffic.figures([1.0, None, 3.0, None]) == traffic.Figures(3.0, 2.0, 3.0)
    assert traffic.figures([4.0, None, None, None]) == traffic.Figures(None, 4.0, 4.0)
    assert traffic.figures([None]) == traffic.Figures(None, None, None)
    assert traffic.figures([0.0]) == traffic.Figures(0.0, 0.0, 0.0)


def test_keys_of_odd_names_are_apart():
    keys = {
        traffic.key("r1"),
        traffic.key("r1", "a"),
        traffic.key("r1", "a", "b"),
        traffic.key("r1", "a/b"),
        traffic.key("r1", "a:b"),
        traffic.key("r1", "a%2Fb"),
    }
    assert len(keys) == 6
    assert all(one == "piranha:traffic:r1" or one.startswith("piranha:traffic:r1:") for one in keys)
