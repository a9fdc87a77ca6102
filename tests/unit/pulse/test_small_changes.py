"""What pulse looks at for a small change, and that it looks at everything when it has reason to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from lvs.errors import KernelError
from lvs.router.apply import Refusal
from lvs.router.ipvs import Table
from lvs.router.memory import MemoryKernel
from lvs.router.state import Change, KernelState, ServiceKey, Verb
from tests.unit.pulse.world import World, lvs_cf, until


class WatchedKernel(MemoryKernel):
    """Notes each look, and refuses changes while it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[str] = []
        self.refusing = False

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        self.looks.append("whole" if only is None else "rest")
        return super().read(wanted, only)

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        self.looks.append("service")
        return super().read_services(keys)

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        if self.refusing and any(change.verb is Verb.CHANGE for change in changes):
            return tuple(Refusal(change, "not today") for change in changes)
        return super().carry_out(changes)


@pytest.fixture
def kernel() -> WatchedKernel:
    return WatchedKernel()


@pytest.fixture
def world(tmp_path: Path, kernel: WatchedKernel) -> World:
    return World(tmp_path, kernel)


def test_a_changed_setting_is_a_look_at_its_service(world: World, kernel: WatchedKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.looks.clear()
            result = await lvsd.install(lvs_cf(2, scheduler="rr"))
            assert result["changes"] == ["change web: scheduler wlc → rr"]
            assert kernel.looks == ["service", "service"]

    asyncio.run(story())


def test_a_real_server_that_fails_is_a_look_at_its_service(world: World, kernel: WatchedKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.looks.clear()
            world.network.down = {next(iter(kernel.destinations[next(iter(kernel.services))])).address}
            await until(lambda: len(kernel.looks) == 2)
            assert kernel.looks == ["service", "service"]

    asyncio.run(story())


def test_a_refusal_makes_pulse_look_at_everything_and_put_it_back(
    world: World, kernel: WatchedKernel
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.looks.clear()
            kernel.refusing = True
            with pytest.raises(KernelError, match="not today"):
                await lvsd.install(lvs_cf(2, scheduler="rr"))
            assert "whole" in kernel.looks
            assert (await lvsd.running_text())["serial"] == 1
            kernel.looks.clear()
            kernel.refusing = False
            await lvsd.install(lvs_cf(3, scheduler="rr"))
            assert [service.scheduler for service in kernel.services.values()] == ["rr"]

    asyncio.run(story())


def test_the_same_file_installed_again_mends_what_others_changed(world: World, kernel: WatchedKernel) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            (key,) = kernel.services
            kernel.destinations[key].clear()
            result = await lvsd.install(lvs_cf())
            assert len(result["changes"]) == len(kernel.destinations[key]) == 2

    asyncio.run(story())


def test_everything_is_looked_at_now_and_then_however_much_is_installed_between(
    world: World, kernel: WatchedKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            kernel.looks.clear()
            serial = 1
            while "whole" not in kernel.looks:
                serial += 1
                await lvsd.install(lvs_cf(serial, scheduler=("rr", "wlc")[serial % 2]))
                lvsd.keeper.wake()  # as a change of health does

    monkeypatch.setattr("lvs.pulse.keeping.KEEP_SECONDS", 0.2)
    asyncio.run(asyncio.wait_for(story(), 20))
