"""The election, proved on two routers and a faulty network: many schedules, each within the stated bounds."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvs.pulse.heartbeat import Link
from lvs.router.state import Node
from tests.unit.pulse.simulation import World
from tests.unit.pulse.simulation_judge import Judge
from tests.unit.pulse.simulation_parts import PAIR, Fault, Kind, Setting

SCHEDULES = int(os.environ.get("PIRANHA_SCHEDULES", "800"))  # more for a longer look
BOTH_LINKS = frozenset({Link.PUBLIC, Link.PRIVATE})
FAULTY = 8.0  # dead times in which faults begin
LONGEST = 6.0  # dead times that a fault lasts at most


def judged_world(setting: Setting, seed: int, faults: tuple[Fault, ...]) -> World:
    world = World(setting, seed, faults)
    kinds = {fault.kind for fault in faults}
    world.watch = Judge.of(
        world, slow=Kind.DELAY in kinds, forced=Kind.FORCE in kinds, hangs=Kind.HANG in kinds
    )
    return world


def settle(world: World, faults: tuple[Fault, ...]) -> None:
    """Runs the faults to their end and the time to recover; then one router is active and stays so."""
    rules = world.setting.rules(Node.BACKUP)
    ends = max((fault.at + fault.lasts for fault in faults), default=0.0) * world.setting.deadtime
    recovered = ends + 3.5 * rules.deadtime + rules.patience + max(world.setting.boots)
    world.run(recovered)
    owners, changes = world.owners(), world.changes()
    assert len(owners) == 1, f"after all faults: owners {owners}\n{world.story()}"
    assert sorted(map(str, world.roles())) == ["active", "standby"], world.story()
    world.run(recovered + 1.5 * rules.deadtime)
    assert (world.owners(), world.changes()) == (owners, changes), (
        f"restless without a fault\n{world.story()}"
    )


def a_setting(chance: random.Random) -> Setting:
    keepalive = chance.choice((0.03, 0.3, 0.5, 0.5, 1.0, 1.0, 6.0, 60.0))
    return Setting(
        keepalive=keepalive,
        deadtime=keepalive * chance.choice((3.0, 3.0, 5.0)),
        witness=chance.random() < 0.7,
        links=BOTH_LINKS if chance.random() < 0.5 else frozenset({Link.PUBLIC}),
        delay=keepalive * chance.choice((0.01, 0.1, 0.5)),
        late=keepalive * 0.05,
        raising=keepalive * chance.choice((0.02, 0.3)),
        lowering=keepalive * chance.choice((0.02, 0.3)),
        boots=(0.0, keepalive * chance.choice((0.0, 0.4, 4.0))),
        slower=chance.choice((1.0, 1.0, 1.0, 1.0, 4.0)),
    )


def some_faults(chance: random.Random) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            chance.uniform(0.0, FAULTY),
            chance.choice(list(Kind)),
            chance.choice(PAIR),
            chance.choice((0.1, 0.6, 1.2, 2.0, LONGEST)),
        )
        for _ in range(chance.randrange(1, 8))
    )


def prove(seed: int) -> None:
    chance = random.Random(seed)
    setting, faults = a_setting(chance), some_faults(chance)
    settle(judged_world(setting, seed, faults), faults)


@pytest.mark.thorough
@pytest.mark.parametrize("hundred", range(SCHEDULES // 100))
def test_no_schedule_of_faults_breaks_a_bound(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        prove(seed)


FAULTS = st.lists(
    st.builds(
        Fault,
        st.floats(0.0, FAULTY),
        st.sampled_from(Kind),
        st.sampled_from(PAIR),
        st.floats(0.05, LONGEST),
    ),
    max_size=6,
).map(tuple)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), FAULTS)
def test_no_schedule_that_hypothesis_finds_breaks_a_bound(seed: int, faults: tuple[Fault, ...]) -> None:
    settle(judged_world(a_setting(random.Random(seed)), seed, faults), faults)


@pytest.mark.parametrize("seed", range(12))
def test_in_a_healthy_network_nothing_ever_moves(seed: int) -> None:
    world = judged_world(a_setting(random.Random(seed)), seed, ())
    deadtime = world.setting.rules(Node.BACKUP).deadtime
    world.run(3 * deadtime + max(world.setting.boots))
    before = world.changes()
    world.run(30 * deadtime)
    assert world.changes() == before, world.story()


@pytest.mark.parametrize("seed", range(24))
def test_handing_over_never_leaves_the_addresses_without_an_owner(seed: int) -> None:
    """Also with three heartbeats in ten lost, sent twice or overtaken; two owners only within the bound."""
    chance = random.Random(seed)
    kinds = [Kind.HAND_OVER, Kind.TAKE, Kind.FORCE, Kind.RESTART, Kind.UNFIT]
    orders = tuple(
        Fault(9.0 + 5.0 * number, chance.choice(kinds), chance.choice(PAIR), 1.5) for number in range(4)
    )
    orders = (Fault(4.0, Kind.HAND_OVER, Node.PRIMARY, 0.0), *orders)
    trouble = chance.choice(((), (Kind.LOSS,), (Kind.DELAY, Kind.TWICE)))
    faults = (*orders, *(Fault(3.0, kind, Node.PRIMARY, 32.0) for kind in trouble))
    setting = replace(a_setting(chance), links=BOTH_LINKS, failback=0.0, slower=1.0, boots=(0.0, 0.0))
    setting = replace(setting, deadtime=setting.keepalive * 6)
    world = judged_world(setting, seed, faults)
    world.run(3.9 * setting.deadtime)
    judge, moments = world.watch, list[float]()

    def watch(world: World) -> None:
        judge(world)
        if not world.owners():
            moments.append(world.now)

    world.watch = watch
    world.run(34 * setting.deadtime)
    assert not moments, world.story()
    assert world.changes() >= 3, "handed over at least once"


@pytest.mark.parametrize("seed", range(10))
def test_a_primary_that_is_well_again_gets_its_role_back_once(seed: int) -> None:
    setting = Setting(failback=7.5, delay=0.05, late=0.02)
    faults = (Fault(2.0, Kind.DIE, Node.PRIMARY, 3.0),)
    world = judged_world(setting, seed, faults)
    world.run(5 * 3 + 5.0)
    assert world.owners() == (Node.BACKUP,), "the primary is back, and has to prove itself"
    world.run(5 * 3 + 10.0)
    assert world.owners() == (Node.PRIMARY,), world.story()
    before = world.changes()
    world.run(150.0)
    assert world.changes() == before, world.story()


@pytest.mark.parametrize("keepalive", [0.03, 0.1, 1.0, 60.0])
@pytest.mark.parametrize("witness", [True, False])
def test_a_crash_costs_no_more_than_a_dead_time(keepalive: float, witness: bool) -> None:
    for seed in range(5):
        setting = Setting(
            keepalive=keepalive,
            deadtime=3 * keepalive,
            witness=witness,
            delay=keepalive / 20,
            late=keepalive / 100,
            raising=keepalive / 20,
        )
        crash = Fault(3.0 + seed / 7, Kind.DIE, Node.PRIMARY, 20.0)
        world = World(setting, seed, (crash,))
        world.run(crash.at * setting.deadtime + 1e-9)
        assert world.owners() == ()
        bound = setting.deadtime + setting.delay + setting.late + setting.raising
        world.run(crash.at * setting.deadtime + bound)
        assert world.owners() == (Node.BACKUP,), world.story()


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        pytest.param(Kind.CUT_BOTH, Node.PRIMARY, id="only the heartbeat is cut"),
        pytest.param(Kind.CUT, Node.PRIMARY, id="the standby does not hear the active one"),
        pytest.param(Kind.CUT, Node.BACKUP, id="the active one does not hear the standby"),
        pytest.param(Kind.LINK, Node.PRIMARY, id="one link is lost"),
        pytest.param(Kind.KILL, Node.PRIMARY, id="all processes die and come back, the kernel balances on"),
        pytest.param(Kind.STOP, Node.PRIMARY, id="all processes stand still, the kernel balances on"),
        pytest.param(Kind.SUSPEND, Node.BACKUP, id="the standby's machine stands still"),
        pytest.param(Kind.GATEWAY, Node.BACKUP, id="the standby loses the gateway"),
    ],
)
def test_what_does_not_stop_the_active_router_moves_nothing(kind: Kind, who: Node) -> None:
    for lasts in (0.3, 0.9, 1.1, 5.0, 30.0):
        world = judged_world(Setting(), 1, (Fault(3.0, kind, who, lasts),))
        world.run((6.0 + lasts) * 3.0)
        assert world.owners() == (Node.PRIMARY,)
        raised = [(node, what) for _, node, what, _ in world.log if what in ("raised", "lowered")]
        assert raised == [(Node.PRIMARY, "raised")], world.story()


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (Kind.HAND_OVER, {}),
        (Kind.UNFIT, {}),
        (Kind.RESTART, {}),
        (Kind.RESTART, {"witness": False, "deadtime": 9.0}),
        (Kind.HAND_OVER, {"keepalive": 0.03, "deadtime": 0.09, "delay": 0.001, "late": 0.001}),
    ],
)
@pytest.mark.parametrize("hangs", [2.0, 60.0])
def test_a_pulse_that_hangs_is_handed_nothing(kind: Kind, setting: dict[str, Any], hangs: float) -> None:
    for seed in range(5):
        faults = (Fault(3.9, Kind.HANG, Node.BACKUP, hangs), Fault(4.0, kind, Node.PRIMARY, 1.0))
        world = judged_world(replace(Setting(), **setting), seed, faults)
        world.run(4.0 * world.setting.deadtime)
        judge, gaps = world.watch, list[float]()

        def watch(world: World, judge: Any = judge, gaps: list[float] = gaps) -> None:
            judge(world)
            if Node.PRIMARY not in world.owners() and Node.BACKUP not in world.owners():
                gaps.append(world.now)

        world.watch = watch
        world.run(30.0 * world.setting.deadtime + 5.0)
        assert not gaps, world.story()


@pytest.mark.parametrize("keepalive", [0.03, 0.1, 1.0])
@pytest.mark.parametrize("kind", [Kind.CUT_BOTH, Kind.KILL])
def test_a_standby_that_is_scheduled_late_still_hears_the_witness(kind: Kind, keepalive: float) -> None:
    for seed in range(5):
        setting = Setting(keepalive=keepalive, deadtime=3 * keepalive, delay=keepalive / 50, late=0.0)
        faults = (Fault(3.0, Kind.STALL, Node.BACKUP, 100.0), Fault(3.5, kind, Node.PRIMARY, 90.0))
        world = judged_world(setting, seed, faults)
        world.run(90.0 * setting.deadtime)
        assert (world.owners(), world.changes()) == ((Node.PRIMARY,), 1), world.story()


P, B = Node.PRIMARY, Node.BACKUP
BLIND: dict[str, Any] = {"witness": False}
HANDED = Fault(2.0, Kind.HAND_OVER, P, 0.0)


@pytest.mark.parametrize(
    ("setting", "faults", "when", "owners"),
    [
        pytest.param(
            BLIND, [Fault(3.0, Kind.CUT, P, 9.0)], 6.0, {B}, id="one that is not heard stands down, blind"
        ),
        pytest.param(
            {}, [Fault(3.0, Kind.CUT, P, 9.0)], 6.0, {P}, id="one that is not heard, but seen, stays"
        ),
        pytest.param(BLIND, [Fault(3.0, Kind.CUT_BOTH, P, 9.0)], 6.0, {P, B}, id="blind and deaf: both"),
        pytest.param({}, [Fault(3.0, Kind.PART, P, 9.0)], 6.0, {P, B}, id="nothing passes: both"),
        pytest.param(
            {},
            [Fault(3.0, Kind.PART, P, 3.0), Fault(3.0, Kind.CUT_BOTH, P, 9.0)],
            7.5,
            {P},
            id="after a partition the witness alone parts them",
        ),
        pytest.param(
            {},
            [HANDED, Fault(4.0, Kind.KILL, B, 20.0), Fault(5.0, Kind.PART, P, 3.0)],
            12.0,
            {B},
            id="a primary gives way to a kernel that nobody can tell to",
        ),
        pytest.param({}, [Fault(3.0, Kind.CABLE, P, 9.0)], 6.0, {B}, id="one without links stands down"),
        pytest.param(
            {},
            [Fault(3.0, Kind.PART, P, 9.0), Fault(3.0, Kind.GATEWAY, P, 9.0)],
            6.0,
            {B},
            id="one that hears neither the other nor the gateway stands down",
        ),
        pytest.param({}, [Fault(3.0, Kind.UNFIT, P, 9.0)], 3.3, {B}, id="an unfit one hands over"),
        pytest.param({}, [Fault(3.0, Kind.UNFIT, P, 2.0)], 9.0, {B}, id="and does not take it back"),
        pytest.param({}, [Fault(3.0, Kind.FENCE, P, 9.0)], 3.3, {B}, id="a fenced one is followed at once"),
        pytest.param(
            {},
            [Fault(3.0, Kind.UNFIT, B, 9.0), Fault(4.0, Kind.DIE, P, 9.0)],
            8.0,
            set(),
            id="an unfit one takes nothing over",
        ),
        pytest.param(
            {},
            [Fault(3.0, Kind.KILL, P, 20.0), Fault(6.0, Kind.UNFIT, P, 1.0)],
            9.0,
            {P},
            id="a kernel that balances on is left alone",
        ),
        pytest.param(
            {**BLIND, "slower": 4.0}, [HANDED], 30.0, {B}, id="a slower router is given its own dead time"
        ),
        pytest.param(
            {},
            [Fault(3.0, Kind.HANG, B, 30.0), Fault(4.0, Kind.DIE, P, 2.0)],
            7.5,
            {P},
            id="one whose pulse hangs hands its role back",
        ),
        pytest.param(
            {},
            [Fault(3.0, Kind.HANG, B, 4.0), Fault(4.0, Kind.DIE, P, 30.0)],
            7.5,
            {B},
            id="and stays, trying, where nobody else can serve",
        ),
        pytest.param({}, [Fault(3.0, Kind.RESTART, P, 0.0)], 3.3, {B}, id="a stop hands over at once"),
        pytest.param(
            {"boots": (30.0, 0.0)}, [], 20.0, {B}, id="a primary that comes late finds the backup active"
        ),
        pytest.param(
            {},
            [Fault(3.0, Kind.SUSPEND, P, 4.0)],
            8.5,
            {P},
            id="one that stood still too long gives way or goes first",
        ),
    ],
)
def test_a_schedule_ends_as_the_theory_says(
    setting: dict[str, Any], faults: list[Fault], when: float, owners: set[Node]
) -> None:
    for seed in range(3):
        world = judged_world(replace(Setting(), **setting), seed, tuple(faults))
        world.run(when * world.setting.deadtime)
        assert set(world.owners()) == owners, world.story()
