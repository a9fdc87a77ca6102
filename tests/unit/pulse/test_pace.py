"""How much time datagrams may take, by a clock that the test moves."""

from __future__ import annotations

import pytest

from lvs.pulse.heart.pace import AT_ONCE, RESTS, SHORTEST, Pace


def test_a_heartbeat_now_and_then_needs_no_rest() -> None:
    pace = Pace(0.0)
    for number in range(1, 100):
        pace.worked(number * 0.03, number * 0.03 + 0.0002)
        assert pace.rest(number * 0.03 + 0.0002) == 0


def test_a_flood_gets_its_share_of_the_processor_and_no_more() -> None:
    pace, now, worked = Pace(0.0), 0.0, 0.0
    while now < 10:
        pace.worked(now, now + AT_ONCE)
        now, worked = now + AT_ONCE, worked + AT_ONCE
        now += pace.rest(now)
    assert worked / now == pytest.approx(1 / (1 + RESTS), rel=0.01)


def test_many_short_turns_add_up_to_a_rest() -> None:
    pace, now = Pace(0.0), 0.0
    turn = SHORTEST / RESTS / 4
    while not pace.rest(now):
        pace.worked(now, now + turn)
        now += turn
    assert now < 10 * turn
    assert pace.rest(now + SHORTEST) == 0


def test_a_rest_that_was_cut_short_is_still_owed() -> None:
    pace = Pace(0.0)
    pace.worked(0.0, 0.01)
    assert pace.rest(0.011) == pytest.approx(RESTS * 0.01 - 0.001)
    pace.worked(0.011, 0.012)
    assert pace.rest(0.012) == pytest.approx(RESTS * 0.011 - 0.001)
