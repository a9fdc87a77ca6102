"""Values and columns."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings

from lvs.config.model import LvsConfig, RealServer, VirtualServer
from lvs.rows.candidate import VirtualServer as Row
from lvs.rows.columns import from_columns, to_columns
from tests.unit.config.strategies import configs


@pytest.mark.thorough
@settings(max_examples=25, deadline=None)
@given(configs())
def test_columns_are_json_and_say_all_of_the_value(config: LvsConfig) -> None:
    for value in config.virtual_servers:
        columns = json.loads(json.dumps(to_columns(value, leave_out=Row.IN_ROWS)))
        row = SimpleNamespace(**columns)
        others = {"check": value.check, "real_servers": value.real_servers}
        assert from_columns(VirtualServer, row, **others) == value


def test_an_address_takes_two_columns_and_none_takes_them_too() -> None:
    columns = to_columns(VirtualServer(name="shop"), leave_out=Row.IN_ROWS)

    assert (columns["address"], columns["device"]) == (None, "")


def test_every_column_is_an_attribute_of_its_row() -> None:
    names = set(to_columns(RealServer(name="web1")))

    assert names == {
        "name",
        "address",
        "active",
        "port",
        "weight",
        "upper_threshold",
        "lower_threshold",
        "comments",
    }
