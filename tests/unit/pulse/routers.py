"""One router of the pair at a time, moved only by the test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lvs.pulse.election.alarms import alarms
from lvs.pulse.election.failover import Action, Failover, Fitness, Order, Own, Rules, Stage, Step, Verb
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.state import Node, Role

HASH, OTHER_HASH = bytes([1] * 32), bytes([2] * 32)
OWN = Own(serial=7, sha256=HASH, healthy=4, total=4)
UNFIT = replace(OWN, fitness=Fitness(reasons=("The checks do not run.",)))
CUT_OFF = replace(OWN, fitness=Fitness(reasons=("eth0 is down.",), cut_off=True))
NO_GATEWAY = replace(OWN, fitness=Fitness(reasons=("10.0.0.1 does not answer.",), gateway_lost=True))
WAITING = (Stage.LISTENING, Stage.STANDBY)


def rules(node: Node = Node.BACKUP, **more: Any) -> Rules:
    return Rules(**{"node": node, "keepalive": 1.0, "deadtime": 3.0, **more})


class Router:
    """One router at a time that only the test moves; keeps all that it was told to do."""

    def __init__(self, given: Rules, own: Own = OWN, *, held: bool = False, forced: bool = False) -> None:
        self.now = 100.0
        self.failover = Failover.start(given, own, self.now, held=held, forced=forced)
        self.actions: list[Action] = []
        self.take(self.failover.tick(self.now))

    def take(self, step: Step) -> list[Action]:
        self.failover = step.failover
        self.actions += step.actions
        return list(step.actions)

    @property
    def stage(self) -> Stage:
        return self.failover.stage

    @property
    def verbs(self) -> list[Verb]:
        return [action.verb for action in self.actions]

    def reasons(self, verb: Verb) -> list[str]:
        return [action.reason for action in self.actions if action.verb is verb]

    def alarms(self) -> tuple[str, ...]:
        """What it says is wrong with the pair."""
        return tuple(alarm.text for alarm in alarms(self.failover, self.now))

    def forget(self) -> None:
        self.actions = []

    def says(self, **more: Any) -> Heartbeat:
        """What the other router says: standby, fit, hears us, the same lvs.cf."""
        said = {"hears": True, "serial": 7, "sha256": HASH, "healthy": 4, "total": 4, "keepalive": 1.0}
        role = more.pop("role", Role.STANDBY)
        node = Node.PRIMARY if self.failover.rules.node is Node.BACKUP else Node.BACKUP
        defaults = {"node": node, "released": role is Role.STANDBY, "deadtime": 3.0}
        return Heartbeat(role=role, **{**said, **defaults, **more})

    def hear(self, **more: Any) -> list[Action]:
        return self.take(self.failover.heard(self.now, Link.PUBLIC, self.says(**more)))

    def wait(self, seconds: float, **heard: Any) -> None:
        """Ticks as next_at asks; with heard, a heartbeat comes each half second as well."""
        end, next_word = self.now + seconds, self.now + 0.5
        while self.now < end:
            due = min(self.failover.next_at(self.now), end)
            self.now = min(due, next_word) if heard else due
            if heard and self.now == next_word:
                next_word += 0.5
                self.hear(**heard)
            self.take(self.failover.tick(self.now))

    def order(self, order: Order) -> list[Action]:
        return self.take(self.failover.ordered(self.now, order))

    def judge(self, own: Own) -> list[Action]:
        return self.take(self.failover.judged(self.now, own))


def standby(node: Node = Node.BACKUP, own: Own = OWN, **more: Any) -> Router:
    """Beside an active router."""
    router = Router(rules(node, **more), own)
    router.hear(role=Role.ACTIVE)
    router.forget()
    assert router.stage is Stage.STANDBY
    return router


def active(node: Node = Node.PRIMARY, own: Own = OWN, **more: Any) -> Router:
    """Beside a fit standby, its addresses up."""
    router = Router(rules(node, **more), own, held=True)
    router.hear()
    router.wait(5.0, role=Role.STANDBY)
    router.forget()
    assert router.stage is Stage.ACTIVE
    return router


ACTIVE: dict[str, Any] = {"role": Role.ACTIVE}
