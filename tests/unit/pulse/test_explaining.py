"""What pulse says of one real server, and its check made now."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import ConfigError, RouterError
from lvs.nanny.checks import Check
from lvs.nanny.hand import Order
from lvs.nanny.probes.finding import Finding, Record
from lvs.pulse.explaining import escaped, try_check
from lvs.pulse.lvsd import Lvsd
from tests.unit.pulse.busy_kernel import BusyKernel
from tests.unit.pulse.world import Network, World, lvs_cf, play, until


class Talkative(Network):
    """Real servers that say something."""

    async def __call__(self, check: Check, record: Record) -> Finding:
        found = await super().__call__(check, record)
        record.note("connected")
        record.sent(b"GET / HTTP/1.0\r\n\r\n")
        record.received(b"HTTP/1.0 200 OK\r\n\xff\x00" if found.ok else b"")
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("lvs.pulse.weighing.LOOK_SECONDS", 0.01)
    world = World(tmp_path, BusyKernel())
    world.network = Talkative()
    return world


async def explained(lvsd: Lvsd, name: str = "s2", *, test: bool = False) -> dict[str, Any]:
    found = await lvsd.explain("web", name, test=test)
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_real_server_is_explained_by_verdict_history_weight_and_hand(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            found = await explained(lvsd)
            assert (found["check"], found["interval"]) == ("connect to port 443", 1)
            assert (found["verdict"]["health"], found["verdict"]["reason"]) == ("healthy", "connected")
            (run,) = found["history"]
            assert (run["ok"], run["reason"], run["first"]) == (True, "connected", world.wall)
            assert found["weight"] == {"configured": 1, "wanted": 1, "why": ""}
            assert (found["hand"], found["load"], found["test"]) == (None, None, None)
            await lvsd.server([("web", "s2")], Order.DOWN, by="anna", reason="disk", until=None)
            found = await explained(lvsd)
            assert found["weight"] == {"configured": 1, "wanted": None, "why": "forced down"}
            assert (found["hand"]["order"], found["hand"]["reason"]) == ("down", "disk")

    play(story())


def test_a_test_shows_what_was_said_and_changes_no_verdict(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            before = await explained(lvsd)
            test = (await explained(lvsd, test=True))["test"]
            assert (test["ok"], test["reason"], test["warning"]) == (True, "connected", "")
            assert [(one["what"], one["text"]) for one in test["transcript"]] == [
                ("note", "begins: 10.0.0.2, port 443"),
                ("note", "connected"),
                ("sent", "GET / HTTP/1.0\\r\\n\\r\\n"),
                ("received", "HTTP/1.0 200 OK\\r\\n\\xff\\x00"),
            ]
            assert test["transcript"][0]["at"] == 0
            assert (await explained(lvsd))["verdict"] == before["verdict"]

    play(story())


def test_a_check_that_is_not_in_force_is_tried_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            candidate = lvs_cf(2, more='  check = http\n  http_path = "/new"\n')
            found = await try_check(lvsd.keeper, candidate, "web", "s2")  # before any is in force as well
            assert found["check"] == "http GET /new on port 443"
            assert (found["test"]["ok"], found["test"]["transcript"][0]["text"]) == (
                True,
                "begins: 10.0.0.2, port 443",
            )
            await lvsd.install(lvs_cf(1))
            world.network.down = {ip_address("10.0.0.2")}
            assert not (await try_check(lvsd.keeper, candidate, "web", "s2"))["test"]["ok"]
            assert (await explained(lvsd))["check"] == "connect to port 443"
            with pytest.raises(RouterError, match="no real server web/s9"):
                await try_check(lvsd.keeper, candidate, "web", "s9")
            with pytest.raises(ConfigError):
                await try_check(lvsd.keeper, "virtual", "web", "s2")

    play(story())


def test_drained_deactivated_and_departing_ones_are_tested_as_well(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            kernel = world.kernel
            assert isinstance(kernel, BusyKernel)
            await lvsd.install(lvs_cf(1))
            await lvsd.server([("web", "s2")], Order.DRAIN, by="", reason="", until=None)
            await until(lambda: len(kernel.weights()) == 1)
            assert (await explained(lvsd, test=True))["test"]["ok"]
            await lvsd.server([("web", "s2")], Order.AUTO, by="", reason="", until=None)
            kernel.open = {"10.0.0.2": 1}
            await lvsd.install(lvs_cf(2, reals=("10.0.0.1",)))
            found = await explained(lvsd, test=True)
            assert found["test"]["ok"]
            assert (found["weight"]["wanted"], found["weight"]["why"][:7]) == (0, "deleted")
            off = lvs_cf(3).replace("10.0.0.1\n    active = 1", "10.0.0.1\n    active = 0")
            await lvsd.install(off)
            found = await explained(lvsd, "s1", test=True)
            assert found["test"]["ok"]
            assert (found["verdict"]["health"], found["history"]) == ("unknown", [])

    play(story())


def test_who_is_not_there_cannot_be_explained(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            with pytest.raises(RouterError, match="No configuration"):
                await explained(lvsd)
            await lvsd.install(lvs_cf())
            with pytest.raises(RouterError, match="no real server web/s9"):
                await explained(lvsd, "s9")

    play(story())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        ("größer 𝔄".encode(), "größer 𝔄"),
        (b"\r\n\t", "\\r\\n\\t"),
        (b"\x00\x1b[31m", "\\x00\\x1b[31m"),
        (b"\xff\xc3", "\\xff\\xc3"),
        (b"C:\\n", "C:\\\\n"),
        ("\u202e\ufeff".encode(), "\\u202e\\ufeff"),
    ],
)
def test_bytes_are_shown_so_that_nothing_is_hidden(data: bytes, text: str) -> None:
    assert escaped(data) == text
