"""The guard of the panel's port, kept by a pulse over a kernel in memory."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import KernelError, RouterError
from lvs.pulse import guard as guard_call
from lvs.pulse.calls import calls
from lvs.pulse.lvsd import Lvsd
from lvs.router.apply import Refusal
from lvs.router.guards import Connection
from lvs.router.memory import MemoryKernel
from lvs.router.state import Change, Guard, KernelState, Netfilter, Part
from tests.unit.pulse.world import World, installed, lvs_cf, play, texts

PANEL = Guard(3636, (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
WORDS = {"port": 3636, "networks": ["192.0.2.0/24", "2001:db8::/32"]}
NAT = lvs_cf().replace(
    "network = direct", "network = nat\nnat_router = 10.0.0.254 eth1:1\nnat_nmask = 255.255.255.0"
)


class NoTable(MemoryKernel):
    """A kernel that has netfilter, and no IPVS. refuses: nftables as well."""

    refuses = False

    def read(self, wanted: KernelState, only: Any = None) -> KernelState:
        raise KernelError("read the table", "this kernel has no IPVS")

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        if self.refuses:
            return tuple(Refusal(change, "this kernel has no netfilter") for change in changes)
        return super().carry_out(changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Who has a connection to the panel."""
    found: list[Connection] = []
    monkeypatch.setattr(guard_call, "connections", lambda port: tuple(found))
    return found


def from_client(address: str) -> Connection:
    return Connection(ip_address("192.0.2.1"), 3636, ip_address(address), 50_000)


async def ask(lvsd: Lvsd, **request: Any) -> Any:
    return await calls(lvsd, no_status, "r1")["guard"]({"call": "guard", **request})


async def no_status(request: Any) -> dict[str, Any]:
    return {}


def test_a_guard_holds_before_any_configuration_and_over_a_restart(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            assert (await lvsd.status())["guard"] is None
            answer = await ask(lvsd, **WORDS)
            assert answer["guard"] == WORDS
            assert len(answer["changes"]) == 1
            assert (await ask(lvsd, **WORDS))["changes"] == []
        assert world.kernel.netfilter == Netfilter(guard=PANEL)
        world.kernel.netfilter = None  # the machine was booted
        async with world.pulse() as lvsd:
            assert world.kernel.netfilter == Netfilter(guard=PANEL)
            assert (await lvsd.status())["guard"] == WORDS
            assert (await ask(lvsd, port=None))["guard"] is None
            assert world.kernel.netfilter is None

    play(story())
    path = world.state / "guard.json"
    assert json.loads(path.read_text())["guard"] is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_install_and_its_removal_leave_the_guard_where_it_is(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
            await lvsd.install(NAT)
            real_servers = (ip_address("10.0.0.1"), ip_address("10.0.0.2"))
            assert world.kernel.netfilter == Netfilter(masquerade=real_servers, guard=PANEL)
            await lvsd.install(lvs_cf(serial=2))
            assert world.kernel.netfilter == Netfilter(guard=PANEL)
            assert (await lvsd.plan(lvs_cf(serial=2)))["changes"] == []
            async with lvsd.keeper.changing:
                await lvsd.installer.take_out("a test")
            assert not world.kernel.services
            assert world.kernel.netfilter == Netfilter(guard=PANEL)

    play(story())


def test_it_is_there_before_an_address_comes_up(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
        world.kernel = MemoryKernel()
        installed(world, lvs_cf())
        async with world.pulse():
            parts = [change.part for change in world.kernel.written]
            assert parts.index(Part.NETFILTER) < parts.index(Part.ADDRESS)
            assert parts.count(Part.NETFILTER) == 1

    play(story())


@pytest.mark.parametrize("text", ["", NAT])
def test_a_guard_that_somebody_changed_is_put_back(world: World, text: str) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            if text:
                await lvsd.install(text)
            await ask(lvsd, **WORDS)
            meant = world.kernel.netfilter
            assert meant is not None
            for found in (None, replace(meant, guard=None), replace(meant, drift=("a rule is not pulse's",))):
                world.kernel.netfilter = found
                await lvsd.keeper._keep_once("look at the kernel", whole=True)
                assert world.kernel.netfilter == meant

    play(story())


def test_a_file_that_cannot_be_read_opens_nothing_and_is_said(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
            await lvsd.install(NAT)
        before = world.kernel.netfilter
        for text in ("{", '{"version": 2}', '{"version": 1, "guard": {"port": 0, "networks": []}}', "[]"):
            (world.state / "guard.json").write_text(text)
            async with world.pulse() as lvsd:
                found = await lvsd.status()
                assert found["guard"] == WORDS
                (problem,) = (one for one in found["problems"] if "guard.json" in one)
                assert "the one that is in the kernel stays" in problem
                assert "piranha guard" in problem
                assert world.kernel.netfilter == before
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
            assert not any("guard" in one for one in (await lvsd.status())["problems"])

    play(story())


def test_nobody_who_uses_the_port_is_locked_out_unasked(world: World, connected: list[Connection]) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            connected.extend([from_client("192.0.2.9"), from_client("198.51.100.7")])
            with pytest.raises(RouterError, match=r"198\.51\.100\.7 has a connection to port 3636"):
                await ask(lvsd, **WORDS)
            assert world.kernel.netfilter is None
            assert not (world.state / "guard.json").exists()
            assert (await ask(lvsd, **WORDS, anyway=True))["guard"] == WORDS

    play(story())


def test_a_port_of_the_cluster_is_refused_and_said_when_it_comes_later(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
            planned = (await lvsd.plan(lvs_cf(port=3636)))["problems"]
            assert any("port 3636 is one of virtual server web" in one["message"] for one in planned)
            await lvsd.install(lvs_cf(port=3636))
            assert any("one of virtual server web" in one for one in (await lvsd.status())["problems"])
            await ask(lvsd, port=None)
            with pytest.raises(RouterError, match="one of virtual server web"):
                await ask(lvsd, **WORDS)

    play(story())


def test_what_the_kernel_refuses_is_taken_back(world: World) -> None:
    async def story() -> None:
        world.kernel = kernel = NoTable()
        kernel.refuses = True
        async with world.pulse() as lvsd:
            with pytest.raises(KernelError, match="no netfilter"):
                await ask(lvsd, **WORDS)
            found = await lvsd.status()
            assert found["guard"] is None
            assert not any("guard" in one for one in found["problems"])

    play(story())


def test_a_disk_that_is_full_changes_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            (world.state / ".guard.json.new").mkdir()
            with pytest.raises(RouterError, match=r"guard\.json"):
                await ask(lvsd, **WORDS)
            assert world.kernel.netfilter is None
            assert (await lvsd.status())["guard"] is None

    play(story())


def test_a_guard_holds_where_the_table_cannot_be_read_and_says_when_it_does_not(world: World) -> None:
    async def story() -> None:
        world.kernel = kernel = NoTable()
        installed(world, lvs_cf())
        async with world.pulse() as lvsd:
            await ask(lvsd, **WORDS)
            assert kernel.netfilter == Netfilter(guard=PANEL)
            kernel.netfilter = None
            await lvsd.keeper._keep_once("look at the kernel", whole=True)
            assert kernel.netfilter == Netfilter(guard=PANEL)
            kernel.netfilter, kernel.refuses = None, True
            for _ in range(2):
                await lvsd.keeper._keep_once("look at the kernel", whole=True)
            assert any("is not guarded" in one for one in (await lvsd.status())["problems"])
            assert sum("is not guarded" in one for one in texts(lvsd)) == 1

    play(story())
