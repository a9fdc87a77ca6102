"""Times and lengths of time as they are typed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from lvs.errors import RouterError
from lvs.pulse.moments import length, moment

NOON = datetime(2030, 1, 31, 12, 0, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5m", 90),
        ("30 min", 1800),
        ("2h", 7200),
        ("1d", 86_400),
        (" 2H ", 7200),
    ],
)
def test_lengths(text: str, seconds: float) -> None:
    assert length(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "0", "1w", "1e3", "nan", "1h30m", "٣"])
def test_what_is_no_length_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RouterError, match="is no length of time: write 90, 30m, 2h or 1d"):
        length(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("14:30", NOON + timedelta(hours=2, minutes=30)),
        ("9:05", NOON + timedelta(hours=21, minutes=5)),
        ("12:00", NOON + timedelta(days=1)),
        ("tomorrow 08:00", NOON + timedelta(hours=20)),
        ("Tomorrow 14:30", NOON + timedelta(hours=26, minutes=30)),
        ("2030-02-01 08:00", NOON + timedelta(hours=20)),
        ("2030-02-01T08:00:30", NOON + timedelta(hours=20, seconds=30)),
    ],
)
def test_times_are_of_this_machine_and_to_come(text: str, at: datetime) -> None:
    assert moment(text, NOON.timestamp()) == at.timestamp()


def test_a_time_may_name_its_zone() -> None:
    assert moment("2030-06-01T08:00:00+00:00", NOON.timestamp()) == 1_906_531_200


@pytest.mark.parametrize("text", ["", "25:00", "tomorrow", "2030-13-01", "9"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RouterError, match="is no time: write 14:30"):
        moment(text, NOON.timestamp())


def test_a_time_that_has_gone_by_is_refused() -> None:
    with pytest.raises(RouterError, match="has gone by"):
        moment("2030-01-31 11:59", NOON.timestamp())
