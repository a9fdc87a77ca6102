"""Holds a simulated world against the bounds of the election's theory (lvs.pulse.election.failover)."""

from __future__ import annotations

from dataclasses import dataclass, field

from lvs.router.state import Node
from tests.unit.pulse.simulation import World
from tests.unit.pulse.simulation_parts import PAIR


@dataclass
class Judge:
    """Called after every event; AssertionError, with the story, once a bound is broken."""

    world: World
    two: float  # longest time with two owners while heartbeats pass in one direction
    seen: float  # the same, while only the witness sees
    none: float  # longest time without an owner while a fit router runs
    two_from: float | None = None
    seen_from: float | None = None
    none_from: float | None = None
    able_from: dict[Node, float] = field(default_factory=dict)
    runs: dict[Node, tuple[float, float, int]] = field(default_factory=dict)  # first, last heard; how many

    @classmethod
    def of(cls, world: World, *, slow: bool, forced: bool, hangs: bool = False) -> Judge:
        setting = world.setting
        rules = setting.rules(Node.BACKUP)  # the longer times, where they differ
        keepalive, deadtime = rules.keepalive, rules.deadtime
        delay = setting.slow if slow else setting.delay
        probe = rules.probe_interval
        edge = setting.late + delay + 1e-6
        lowering = rules.patience if hangs else setting.lowering
        return cls(
            world,
            two=(deadtime + 2 * keepalive if forced else 4 * keepalive) + edge + lowering,
            seen=deadtime + rules.patience + 4 * max(probe, 0.25) + edge + lowering,
            none=1.5 * deadtime
            + keepalive
            + max(4 * (probe + setting.late), 0.1)
            + (rules.patience if hangs else 0.0)
            + edge
            + setting.raising,
        )

    def __call__(self, world: World) -> None:
        owners = world.owners()
        self._two_owners(len(owners) == 2)
        self._no_owner(not owners)

    def _two_owners(self, two: bool) -> None:
        world, now = self.world, self.world.now
        if not two:
            self.two_from, self.runs = None, {}
            self.seen_from = None
            return
        for node in PAIR:
            self._hearing(node)
        machines = world.machines.values()
        forced = any(machine.failover is not None and machine.failover.forced for machine in machines)
        witness = world.setting.witness and world.reaches() and not forced and not self.runs
        alone = [machine for machine in machines if machine.runs]
        if not witness or not alone or any(machine.asleep for machine in machines):
            self.seen_from = None
            return
        self.seen_from = now if self.seen_from is None else self.seen_from
        assert now - self.seen_from <= self.seen, f"two owners that see each other\n{world.story()}"

    def _hearing(self, node: Node) -> None:
        """A run of heartbeats that node heard since both own, with no gap of more than 2.5 intervals."""
        world, now = self.world, self.world.now
        first, last, count = self.runs.get(node, (now, now, len(world.heard[node])))
        if not world.machines[node].runs or now - last > 2.5 * world.setting.interval(Node.BACKUP):
            self.runs.pop(node, None)
            return
        if len(world.heard[node]) > count or node not in self.runs:
            if node not in self.runs and not (world.heard[node] and world.heard[node][-1] == now):
                return
            self.runs[node] = (first, now, len(world.heard[node]))
            assert now - first <= self.two, f"two owners, and {node} hears it\n{world.story()}"

    def _no_owner(self, none: bool) -> None:
        world, now = self.world, self.world.now
        for node in PAIR:
            machine = world.machines[node]
            able = machine.runs and world.fit(node) and not world.hangs(node)
            if able and machine.failover is not None and not machine.failover.leaving:
                self.able_from.setdefault(node, now)
            else:
                self.able_from.pop(node, None)
        if not none:
            self.none_from = None
            return
        self.none_from = now if self.none_from is None else self.none_from
        for node, able_from in self.able_from.items():
            since = max(able_from, self.none_from)
            assert now - since <= self.none, f"no owner, and {node} could be\n{world.story()}"
