"""What weight follows from a load average, and what of a load counts as a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvs.nanny.loads import LEAST, MOST, Load, Word, following, steadied, weighed
from lvs.nanny.uptime import load_average


@pytest.mark.parametrize(
    ("factor", "average", "after"),
    [
        (1.0, 0.0, 1.5),  # idle: half of the weight more
        (1.0, 0.488, 1.4),  # cbrt(1 - 0.488) = 0.8
        (1.0, 0.9, 1.0),  # 23 %: less than a quarter
        (2.0, 1.0, 2.0),
        (2.0, 1.1, 2.0),
        (2.0, 1.512, 1.6),
        (2.0, 2.0, 1.5),
        (5.0, 9.0, 4.0),  # twice the quarters, by a cube root
    ],
)
def test_an_idle_real_server_gets_more_by_a_cube_root_and_a_busy_one_less(
    factor: float, average: float, after: float
) -> None:
    assert following(factor, average) == pytest.approx(after)


def test_the_weight_stays_between_once_and_ten_times_the_configured_one_and_reaches_both() -> None:
    factor = LEAST
    for _ in range(30):
        factor = following(factor, 0.0)
    assert factor == MOST
    for _ in range(30):
        factor = following(factor, 3.0)
    assert factor == LEAST
    assert following(LEAST, 400.0) == LEAST
    assert following(1.2, 2.0) == LEAST  # the step counts, not what the bound leaves of it


def test_a_load_monitors_share_follows_from_the_one_before() -> None:
    idle = Load(reason="load average 0", average=0.0)
    first = weighed(None, idle)
    assert first.factor == 1.5
    assert weighed(first, idle).factor == 2.0
    assert weighed(first, replace(idle, average=1.0)).factor == 1.5
    by_agent = Load(factor=0.3, word=Word.UP)
    assert weighed(first, by_agent) is by_agent


def test_less_than_one_percent_of_the_weight_is_no_change_however_often_it_is_said() -> None:
    held = Load(factor=0.5, word=Word.UP, reason="50%", at=100.0)
    for factor in (0.506, 0.494, 0.509):
        after = steadied(held, Load(factor=factor, word=Word.UP, reason="about", at=200.0))
        assert (after.factor, after.at, after.reason) == (0.5, 100.0, "about")
    moved = Load(factor=0.51, word=Word.UP, reason="51%", at=200.0)
    assert steadied(held, moved) is moved


def test_none_at_all_and_all_of_the_weight_are_always_a_change() -> None:
    assert steadied(Load(factor=0.004), Load(factor=0.0)).factor == 0.0
    assert steadied(Load(factor=0.996), Load(factor=1.0)).factor == 1.0
    assert steadied(Load(), Load(factor=1.0)).factor == 1.0


def test_a_load_keeps_the_time_since_when_it_is_said() -> None:
    down = Load(word=Word.DOWN, at=100.0)
    assert steadied(down, Load(word=Word.DOWN, at=200.0)).at == 100.0
    assert steadied(down, Load(word=Word.UP, at=200.0)).at == 200.0
    assert steadied(None, down) is down


@pytest.mark.parametrize(
    ("printed", "load"),
    [
        (b" 10:02:11 up 3 days,  2:01,  1 user,  load average: 0.52, 0.58, 0.59\n", 0.52),
        (b"web1    up   3 days,  2:01,    load average: 12.00 0.00 0.00\n", 12.0),
        (b"web1          up   3+02:01,     2 users,  load 0.07, 0.10, 0.06\n", 0.07),
        (b"11:02  up 3 days, 2 users, load averages: 1.75 1.86 1.90", 1.75),
        (b"10:02:11 up 1 min, load average: 0,52, 0,58, 0,59\n", 0.52),
        (b"load average: 3, 2, 1", 3.0),
        (b"Welcome to load1\nup, load average: 0.25, 0.1, 0.1", 0.25),
    ],
)
def test_the_first_load_average_is_read_as_uptime_and_its_relatives_print_it(
    printed: bytes, load: float
) -> None:
    assert load_average(printed) == load


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (b"", "expected a load average, got nothing"),
        (b"Permission denied\n", "expected a load average, got 'Permission denied'"),
        (b"load average: -1, 2, 3", "expected a load average, got 'load average: -1, 2, 3'"),
        (b"load average: nan", "expected a load average, got 'load average: nan'"),
        (b"load average: 1e9", "expected a load average, got 'load average: 1e9'"),
    ],
)
def test_anything_else_is_no_load_average(printed: bytes, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        load_average(printed)
    assert str(refused.value) == reason
