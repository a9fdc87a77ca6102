"""Two routers and the network between them, event by event: what the election is proved with.

A `World` has two `Machine`s, each with a `Failover` as its heart drives it: heartbeats on a schedule, ticks a
little late, addresses that take time to go up and down, a gate that refuses what is old. Faults are values
(`Fault`), so that a schedule can be made by a seed or by hypothesis, and shrinks. Nothing here knows a wall
clock, so none can step.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import replace

from lvs.pulse.election.failover import Failover, Fitness, Order, Own, Step, Verb
from lvs.pulse.heartbeat import Link
from lvs.router.state import Node
from tests.unit.pulse.simulation_parts import (
    NETWORK,
    ORDERS,
    PAIR,
    Datagram,
    Fault,
    Kind,
    Machine,
    Setting,
    Sight,
    other,
)


class World(Sight):
    """Runs until a time; `watch` is called after every event and judges."""

    def __init__(self, setting: Setting, seed: int, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(setting)
        self.random = random.Random(seed)
        self.own = {node: Own(serial=1, sha256=bytes([1] * 32), healthy=4, total=4) for node in PAIR}
        self.watch: Callable[[World], None] = lambda world: None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        for node, boot in zip(PAIR, setting.boots, strict=True):
            self.at(self.now + boot, lambda node=node: self.boot(node))  # type: ignore[misc]
        for fault in faults:
            start = self.now + fault.at * setting.deadtime
            self.at(start, lambda fault=fault: self.begin(fault))  # type: ignore[misc]

    # The clock.

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what))

    def run(self, until: float) -> None:
        """until: seconds since the beginning."""
        end = self.began + until
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
            self.watch(self)
        self.now = end
        self.watch(self)

    # Machines.

    def boot(self, node: Node) -> None:
        """The processes start."""
        machine = self.machines[node]
        machine.off = False
        machine.session = self.random.getrandbits(32) + 1
        machine.learned = machine.accepted = machine.number = 0
        machine.last, machine.queue = {}, []
        machine.answered = machine.fenced = False
        machine.work += 1
        machine.failover = Failover.start(
            self.setting.rules(node), self._own(node), self.now, held=machine.holds
        )
        self._note(node, "boot", "held" if machine.holds else "")
        self._beat(node, machine.session)
        self.tick(node)

    def _end(self, node: Node) -> None:
        machine = self.machines[node]
        machine.failover = None
        machine.work += 1
        machine.asleep = machine.frozen = False

    def _beat(self, node: Node, session: int) -> None:
        """A heartbeat each interval, as long as this run lasts; none while asleep."""
        machine = self.machines[node]
        if machine.failover is None or machine.session != session:
            return
        if not machine.asleep:
            self.send(node)
        self.at(self.now + self.setting.interval(node), lambda: self._beat(node, session))

    def send(self, node: Node) -> None:
        machine = self.machines[node]
        if machine.failover is None:
            return
        machine.number += 1
        word = machine.failover.heartbeat(self.now)
        for link in sorted(self.setting.links):
            datagram = Datagram(node, link, word, machine.session, machine.number, machine.learned)
            for _ in range(2 if self._has(Kind.TWICE) else 1):
                if not self._lost(node, link):
                    delay = self.random.uniform(0.1, 1.0) * self._delay(link)
                    self.at(self.now + delay, lambda datagram=datagram: self.arrive(datagram))  # type: ignore[misc]

    def arrive(self, datagram: Datagram) -> None:
        machine = self.machines[other(datagram.sender)]
        if machine.failover is None or machine.frozen:
            return
        if machine.asleep:
            if len(machine.queue) < 20:
                machine.queue.append(datagram)
            return
        self.accept(machine, datagram)

    def accept(self, machine: Machine, datagram: Datagram) -> None:
        """What the gate does (lvs.pulse.heartbeat.Gate), then the election."""
        assert machine.failover is not None
        machine.learned = datagram.session
        last = machine.last.get(datagram.link)
        if datagram.session != machine.accepted or last is None:
            if datagram.echo != machine.session:
                if self.now >= machine.answered_at + self.setting.keepalive / 4:
                    machine.answered_at = self.now
                    self.send(machine.node)
                return
            if datagram.session != machine.accepted:
                machine.last = {}
            machine.accepted = datagram.session
        elif datagram.number <= last:
            return
        machine.last[datagram.link] = datagram.number
        self.heard[machine.node].append(self.now)
        step = machine.failover.heard(
            self.now, datagram.link, datagram.word, session=datagram.session, number=datagram.number
        )
        self.carry_out(machine.node, step)

    def tick(self, node: Node) -> None:
        machine = self.machines[node]
        if machine.failover is not None and not machine.asleep:
            self.carry_out(node, machine.failover.tick(self.now))

    def _plan_tick(self, node: Node) -> None:
        machine = self.machines[node]
        if machine.failover is None:
            return
        machine.tick_no += 1
        number, session = machine.tick_no, machine.session
        late = self.random.random() * self.setting.late

        def due() -> None:
            if machine.tick_no == number and machine.session == session:
                self.tick(node)

        self.at(machine.failover.next_at(self.now) + late, due)

    # What the election wants.

    def carry_out(self, node: Node, step: Step) -> None:
        machine = self.machines[node]
        before = machine.failover
        machine.failover = step.failover
        if before is not None and before.stage is not step.failover.stage:
            self._note(node, step.failover.stage, step.failover.reason)
        for action in step.actions:
            if action.verb is Verb.SEND:
                self.send(node)
            elif action.verb is Verb.PROBE:
                self._probe(node)
            elif action.verb is Verb.TAKE_OVER:
                self._job(node, self.setting.raising, self._raised)
            elif action.verb is Verb.STAND_DOWN:
                self._job(node, self.setting.lowering, self._lowered)
                self._fence_later(node)
            elif action.verb is Verb.LEAVE:
                self._note(node, "leave", action.reason)
                self._end(node)
                if machine.returns:
                    machine.returns = False
                    self.at(self.now + self.setting.deadtime / 2, lambda: self._again(node))
                return
            elif action.verb in (Verb.REFUSE, Verb.DONE):
                self._note(node, action.verb, action.reason)
        self._plan_tick(node)

    def _again(self, node: Node) -> None:
        if self.machines[node].failover is None and not self.machines[node].off:
            self.boot(node)

    def _job(self, node: Node, takes: float, done: Callable[[Node], None]) -> None:
        machine = self.machines[node]
        machine.work += 1
        number = machine.work

        def end() -> None:
            if machine.work != number:
                return
            if machine.asleep or self._has(Kind.HANG, node):
                self.at(self.now + self.setting.deadtime / 10, end)
            else:
                machine.work += 1
                done(node)

        self.at(self.now + self.random.uniform(0.1, 1.0) * takes, end)

    def _fence_later(self, node: Node) -> None:
        """The heart lowers in place of a pulse that had its time (heart_duty)."""
        machine = self.machines[node]
        number = machine.work

        def due() -> None:
            if machine.work != number or machine.failover is None:
                return
            if machine.asleep:
                self.at(self.now + self.setting.deadtime / 10, due)
                return
            machine.fenced = True
            machine.work += 1
            self._judge(node)
            self._lowered(node)

        self.at(self.now + self.setting.rules(node).patience, due)

    def _raised(self, node: Node) -> None:
        machine = self.machines[node]
        assert machine.failover is not None
        machine.holds = True
        self._note(node, "raised", "")
        self.carry_out(node, machine.failover.raised(self.now))

    def _lowered(self, node: Node) -> None:
        machine = self.machines[node]
        assert machine.failover is not None
        machine.holds = False
        self._note(node, "lowered", "")
        self.carry_out(node, machine.failover.lowered(self.now))

    def _probe(self, node: Node) -> None:
        """A question and its answer on the network itself."""
        if self.reaches() and self.machines[other(node)].owns:
            most = min(self.setting.delay, self.setting.rules(node).probe_interval / 2)
            delay = self.random.uniform(0.2, 1.0) * most
            self.at(self.now + delay, lambda: self._witness(node))

    def _witness(self, node: Node) -> None:
        machine = self.machines[node]
        machine.answered = machine.asleep and not machine.frozen
        if machine.runs and machine.failover is not None:
            self.carry_out(node, machine.failover.witnessed(self.now))

    # The network.

    def _lost(self, sender: Node, link: Link) -> bool:
        if not self.reaches() or self._has(Kind.CUT, sender) or self._has(Kind.CUT_BOTH):
            return True
        if self._has(Kind.LINK) and link is Link.PUBLIC and len(self.setting.links) > 1:
            return True
        return self._has(Kind.LOSS) and self.random.random() < 0.3

    def _delay(self, link: Link) -> float:
        slow = self._has(Kind.DELAY) and link is Link.PUBLIC
        return self.setting.slow if slow else self.setting.delay

    # Faults.

    def begin(self, fault: Fault) -> None:
        machine = self.machines[fault.who]
        self._note(fault.who, "fault", fault.kind)
        if fault.kind in ORDERS or fault.kind is Kind.RESTART:
            self._order(fault)
            return
        if self._begins(fault, machine):
            self.active_faults.append(fault)
            self.at(self.now + fault.lasts * self.setting.deadtime, lambda: self.finish(fault))

    def _order(self, fault: Fault) -> None:
        machine = self.machines[fault.who]
        if not machine.runs or machine.failover is None:
            return
        machine.returns = machine.returns or fault.kind is Kind.RESTART
        order = ORDERS.get(fault.kind, Order.STOP)
        self.carry_out(fault.who, machine.failover.ordered(self.now, order))

    def _begins(self, fault: Fault, machine: Machine) -> bool:
        """Whether the fault takes place; one that needs running processes may find none."""
        kind = fault.kind
        if kind in NETWORK:
            return True
        if not machine.runs:
            return False
        if kind is Kind.DIE:
            self._end(fault.who)
            machine.holds, machine.off = False, True
        elif kind is Kind.KILL:
            self._end(fault.who)
        elif kind is Kind.STOP:
            machine.asleep = True
        elif kind is Kind.STALL:
            self._stall(fault)
        elif kind is Kind.HANG:
            pass  # `_job` looks for it
        elif kind is Kind.SUSPEND:
            machine.asleep = machine.frozen = True
        else:
            self.active_faults.append(fault)
            self._judge(fault.who)
            self.active_faults.remove(fault)
            if kind is Kind.FENCE and machine.failover is not None:
                machine.holds = False
                machine.work += 1
                self.carry_out(fault.who, machine.failover.fenced(self.now, "pulse is gone"))
        return True

    def _stall(self, fault: Fault) -> None:
        """Asleep for less than half a dead time, then awake for a moment, until the fault is over."""
        machine, session = self.machines[fault.who], self.machines[fault.who].session
        deadtime = self.setting.rules(fault.who).deadtime

        def sleeps() -> None:
            if fault in self.active_faults and machine.session == session and machine.runs:
                machine.asleep = True
                self.at(self.now + self.random.uniform(0.3, 0.45) * deadtime, wakes)

        def wakes() -> None:
            if machine.session == session and not machine.frozen and not self._has(Kind.STOP, fault.who):
                self._wake(machine)
                self.at(self.now + self.random.uniform(0.0, 0.1) * deadtime, sleeps)

        self.at(self.now, sleeps)

    def finish(self, fault: Fault) -> None:
        machine = self.machines[fault.who]
        self.active_faults.remove(fault)
        self._note(fault.who, "over", fault.kind)
        if fault.kind in (Kind.DIE, Kind.KILL):
            self.boot(fault.who)
        elif fault.kind in (Kind.STOP, Kind.SUSPEND, Kind.STALL):
            self._wake(machine)
        elif fault.kind is Kind.HANG:
            machine.fenced = False
            self._judge(fault.who)
        elif fault.kind not in NETWORK:
            self._judge(fault.who)

    def _wake(self, machine: Machine) -> None:
        if not machine.asleep:
            return  # its processes ended meanwhile
        machine.asleep = machine.frozen = False
        queue, machine.queue = machine.queue, []
        if self.random.random() < 0.5:
            self.tick(machine.node)
        answered, machine.answered = machine.answered, False
        for datagram in queue:
            if machine.runs:
                self.accept(machine, datagram)
        if answered:
            self._witness(machine.node)
        self._judge(machine.node)
        self.tick(machine.node)

    def _own(self, node: Node) -> Own:
        cut_off = self._has(Kind.CABLE, node)
        gateway = self._has(Kind.GATEWAY, node)
        reasons = tuple(
            kind for kind in (Kind.UNFIT, Kind.CABLE, Kind.GATEWAY, Kind.FENCE) if self._has(kind, node)
        ) + (("its pulse did not lower",) if self.machines[node].fenced else ())
        self.conditions[node] = Fitness(reasons=reasons, cut_off=cut_off, gateway_lost=gateway)
        return replace(self.own[node], fitness=self.conditions[node])

    def _judge(self, node: Node) -> None:
        machine = self.machines[node]
        if machine.runs and machine.failover is not None:
            self.carry_out(node, machine.failover.judged(self.now, self._own(node)))
