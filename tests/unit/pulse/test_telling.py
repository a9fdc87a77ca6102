"""The status in parts: what has to be asked for, and that it is what the whole one says."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse import telling
from lvs.pulse.calls import names_in
from lvs.pulse.lvsd import Lvsd
from lvs.router.state import Health
from tests.unit.pulse.world import World, lvs_cf, play, until

SECOND = """virtual mail {
    active = 1
    address = 192.0.2.20 eth0:2
    port = 25
    scheduler = wlc
    timeout = 1
    reentry = 1
    server one {
        address = 10.0.0.3
        active = 1
        weight = 1
    }
}
"""


async def marks(lvsd: Lvsd) -> dict[str, int]:
    said: dict[str, int] = (await lvsd.status(frozenset()))["marks"]
    return said


def without_times(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The checks go on meanwhile."""
    for part in parts:
        for one in part["real_servers"]:
            one.pop("checked_at")
    return parts


def test_a_part_is_what_the_whole_status_says_of_that_virtual_server(tmp_path: Path):
    async def story() -> None:
        world = World(tmp_path)
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf() + SECOND)
            whole = await lvsd.status()
            names = [one["name"] for one in whole["virtual_servers"]]
            assert names == ["web", "mail"]
            part = await lvsd.status({"mail"})
            assert without_times(part["virtual_servers"]) == without_times(whole["virtual_servers"][1:])
            assert part.keys() == {"problems", "virtual_servers"}
            assert (await lvsd.status({"nobody"}))["virtual_servers"] == []

    play(story())


def test_without_virtual_servers_no_table_is_read_and_each_has_a_mark(tmp_path: Path):
    async def story() -> None:
        world = World(tmp_path)
        async with world.pulse() as lvsd:
            assert await marks(lvsd) == {}
            await lvsd.install(lvs_cf() + SECOND)
            said = await lvsd.status(frozenset())
            assert list(said["marks"]) == ["web", "mail"]
            assert not {"virtual_servers", "foreign"} & said.keys()
            assert said["serial"] == 1

    play(story())


def test_a_mark_changes_when_something_happens_and_else_stays(tmp_path: Path):
    async def story() -> None:
        world = World(tmp_path)
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf() + SECOND)
            before = await marks(lvsd)
            world.network.down = {ip_address("10.0.0.3")}
            await until(lambda: Health.FAILED in lvsd.keeper.checker.health.values())
            after = await marks(lvsd)
            assert before["web"] == after["web"]
            assert before["mail"] != after["mail"]

    play(story())


def test_counters_are_told_of_each_virtual_server(tmp_path: Path):
    async def story() -> None:
        world = World(tmp_path)
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf() + SECOND)
            told = await telling.counters(lvsd.keeper)
            assert told["virtual_servers"] == {"web": [0, 0, 0, 0, 0], "mail": [0, 0, 0, 0, 0]}

    play(story())


@pytest.mark.parametrize("names", ["web", {}, [1], 1])
def test_names_that_are_none_are_refused_in_words(names: object):
    with pytest.raises(RouterError, match="must be a list of names"):
        names_in({"servers": names})


def test_a_request_that_names_none_asks_for_all():
    assert names_in({}) is None
    assert names_in({"servers": []}) == frozenset()
