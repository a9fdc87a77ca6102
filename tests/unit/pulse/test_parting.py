"""What pulse still tells the other router when it gives the active role away."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lvs.errors import KernelError
from lvs.pulse import keys
from lvs.router.memory import MemoryKernel
from lvs.router.state import KernelState, SyncDaemon, SyncState
from tests.unit.pulse.scripted_heart import heart
from tests.unit.pulse.world import KEY, TWO, World, installed, lvs_cf, play, until

COPYING = TWO + "syncdaemon = 1\nsyncd_iface = eth0\nsyncd_maxlen = 80\n"
ALL = ["wlc", "wlc", "half-open", "half-open"]  # before the addresses go down, and after


class Talking(MemoryKernel):
    """Writes down what it is asked to tell, and what was in it then."""

    def __init__(self, refusal: str | None = None) -> None:
        super().__init__()
        self.refusal = refusal
        self.told: list[tuple[str, SyncDaemon, bool]] = []
        self.listed = threading.Event()  # let it end looking for half-open connections

    def push_out(self, master: SyncDaemon, scheduler: str) -> None:
        self.told.append((scheduler, master, bool(self.addresses)))
        if self.refusal:
            raise KernelError("push", self.refusal)

    def tell_half_open(self, master: SyncDaemon, state: KernelState, seconds: float) -> int:
        self.listed.wait(30)
        self.told.append(("half-open", master, bool(self.addresses)))
        assert state.services.keys() == self.services.keys()
        return 0


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    keys.save(tmp_path, [KEY])
    return made


def test_the_youngest_connections_are_told_before_the_addresses_go_down_and_after(world: World) -> None:
    kernel = world.kernel = Talking()

    async def story() -> None:
        installed(world, lvs_cf(pair=COPYING))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            assert kernel.told == []
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered")
            # What takes long, looking through the whole table, holds nobody up.
            assert [(what, up) for what, _, up in kernel.told] == [("wlc", True), ("wlc", False)]
            kernel.listed.set()
            await until(lambda: [what for what, _, _ in kernel.told] == ALL)
            assert {(half.state, half.maxlen) for _, half, _ in kernel.told} == {(SyncState.MASTER, 80)}

    play(story())


def test_pulse_ends_only_when_it_has_told_all(world: World) -> None:
    kernel = world.kernel = Talking()

    async def story() -> None:
        installed(world, lvs_cf(pair=COPYING))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered")
            threading.Timer(0.05, kernel.listed.set).start()
        assert [what for what, _, _ in kernel.told] == ALL

    play(story())


def test_a_kernel_that_cannot_be_pushed_is_no_reason_to_keep_the_role(world: World) -> None:
    kernel = world.kernel = Talking("no such thing")
    kernel.listed.set()

    async def story() -> None:
        installed(world, lvs_cf(pair=COPYING))
        async with heart(world.state, "active") as scripted, world.pulse():
            await scripted.told("raised")
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered")
            await until(lambda: sorted(what for what, _, _ in kernel.told) == sorted(ALL))

    play(story())


def test_a_standby_that_stays_one_and_a_pair_that_copies_nothing_tell_nothing(world: World) -> None:
    kernel = world.kernel = Talking()

    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "standby") as scripted, world.pulse():
            await scripted.told("lowered")
            scripted.say("role", role="active", reason="partner dead", soft=False)
            await scripted.told("raised")
            scripted.say("role", role="standby", reason="partner active", soft=False)
            await scripted.told("lowered", 2)
        assert kernel.told == []

    play(story())


def test_a_router_that_hands_over_announces_no_more_unless_it_stays(world: World) -> None:
    kernel = world.kernel = Talking()

    async def story() -> None:
        installed(world, lvs_cf(pair=TWO))
        async with heart(world.state, "active") as scripted, world.pulse() as lvsd:
            await scripted.told("raised")
            scripted.say("status", redundancy={"stage": "yielding"})
            await until(lvsd.pair.yields)
            announced = len(kernel.announced)
            await lvsd.keeper._announce(lvsd.keeper.held_addresses())
            assert len(kernel.announced) == announced
            scripted.say("status", redundancy={"stage": "active"})
            scripted.say("announce", reason="the other router did not take over")
            await until(lambda: len(kernel.announced) > announced)

    play(story())
