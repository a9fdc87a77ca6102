"""Random faults on two real routers, several at a time: what is done, who could serve, the way back."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from lvs.errors import LvsError
from tests.kernel.failover_clients import Clients
from tests.kernel.failover_faults import addresses, served
from tests.kernel.failover_lab import OTHER, PRIVATE, Pair, crash
from tests.kernel.failover_owners import Owning
from tests.kernel.failover_switch import cables
from tests.kernel.traffic import until

MOST_STEPS = 4
SPREAD = 1.0  # seconds over which the steps of a schedule are spread
LINGER = 0.4  # seconds between the last step and the healing


@dataclass(frozen=True, slots=True)
class Step:
    """after: seconds since the step before."""

    after: float
    what: str
    router: str

    def __str__(self) -> str:
        return f"+{self.after:.2f} {self.what} {self.router}"


@dataclass
class Machine:
    """What was done to one router since it was well. able_until: None: nothing that hinders it."""

    able_until: float | None = None
    crashed: bool = False  # the whole machine
    counts_out: bool = False  # it is no owner
    hangs: bool = False
    stops: bool = False
    pulled: set[str] = field(default_factory=set)

    def hit(self) -> None:
        self.able_until = self.able_until or monotonic()


class Schedule:
    """One schedule on a pair that is well."""

    def __init__(self, pair: Pair, clients: Clients, pool: ThreadPoolExecutor) -> None:
        self.pair = pair
        self.clients = clients
        self.pool = pool
        self.machines = {router: Machine() for router in OTHER}

    def run(self, steps: tuple[Step, ...]) -> tuple[Owning, float]:
        """Does the steps, then heals; how the addresses were owned, and the seconds until all was well.

        `none` of it counts only while one router was hindered by nothing.
        """
        begin = due = monotonic()
        for step in steps:
            due += step.after
            self._wait(due)
            ACTS[step.what](self, step.router)
        self._wait(monotonic() + LINGER)
        healing = monotonic()
        self._heal()
        until(self.pair.well, "the pair is well again", self.pair.told)
        served(self.clients, monotonic())
        end = monotonic()
        stretches = [(begin, machine.able_until or end) for machine in self.machines.values()]
        none = max(self.pair.owners.between(*stretch).none for stretch in stretches)
        return Owning(self.pair.owners.between(begin, end).both, none), end - healing

    def _wait(self, due: float) -> None:
        self._until(lambda: monotonic() >= due, "the next step is due")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits, and looks meanwhile which machine owns nothing any more."""

        def met() -> bool:
            self._excuse()
            return condition()

        until(met, what, self.pair.told)

    def _excuse(self) -> None:
        """A machine out of reach owns nothing as long as no heart runs there that could decide so."""
        for router, machine in self.machines.items():
            if machine.pulled != {"eth0", "eth1"}:
                continue
            helpless = not self.pair.machines[router].heart_decides()
            if helpless is not machine.counts_out:
                machine.counts_out = helpless
                (self.pair.owners.died if helpless else self.pair.owners.revived)(router)

    def _heal(self) -> None:
        """Programs first: a machine that comes back to the network is one whose service manager runs."""
        for router, machine in self.machines.items():
            if machine.hangs and self.pair.machines[router].runs():
                self.pair.machines[router].signal(signal.SIGCONT)
            if machine.stops:
                self._until(partial(self._has_ended, router), f"{router} has stopped")
            if not self.pair.machines[router].runs():
                if machine.crashed:
                    self.pair.forget(router)
                self.pair.start(router)
        for router in self.machines:
            self._until(self.pair.machines[router].heart_decides, f"the heart of {router} decides")
        self._excuse()
        self.pair.switch.mend()

    def _has_ended(self, router: str) -> bool:
        return not self.pair.machines[router].runs()

    # The steps.

    def crash(self, router: str) -> None:
        machine = self.machines[router]
        machine.hit()
        crash(self.pair, router)
        machine.crashed = machine.counts_out = True
        machine.pulled = {"eth0", "eth1"}

    def kill_pulse(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill_pulse(router)

    def kill_heart(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill_heart(router)  # a pulse that runs starts it again

    def kill_both(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill(router)

    def stop(self, router: str) -> None:
        self.machines[router].hit()
        if self.pair.machines[router].runs():
            self.pair.machines[router].signal(signal.SIGTERM)
            self.machines[router].stops = True

    def hang(self, router: str) -> None:
        machine = self.machines[router]
        machine.hit()
        if self.pair.machines[router].runs():
            self.pair.machines[router].signal(signal.SIGSTOP)
            machine.hangs = True

    def restart(self, router: str) -> None:
        machine = self.machines[router]
        if not machine.crashed and not self.pair.machines[router].runs():
            self.pair.start(router)
            machine.hangs = machine.stops = False

    def pull(self, router: str, *interfaces: str) -> None:
        self.machines[router].hit()
        self.machines[router].pulled |= set(interfaces)
        self.pair.switch.pull(*(f"{router}-{interface}" for interface in interfaces))

    def silence(self, router: str) -> None:
        self.machines[router].hit()
        self.machines[router].pulled |= {"eth0", "eth1"}
        self.pair.switch.silence(*cables(router))

    def hand_over(self, router: str) -> None:
        self.pool.submit(self._hand_over, router)

    def _hand_over(self, router: str) -> None:
        with suppress(LvsError):  # it may well be refused, or never be answered
            self.pair.machines[router].client.hand_over()


ACTS: dict[str, Callable[[Schedule, str], None]] = {
    "machine dies": Schedule.crash,
    "kill -9 pulse": Schedule.kill_pulse,
    "kill -9 heart": Schedule.kill_heart,
    "kill -9 both": Schedule.kill_both,
    "stop": Schedule.stop,
    "hang": Schedule.hang,
    "restart": Schedule.restart,
    "pull both": lambda schedule, router: schedule.pull(router, "eth0", "eth1"),
    "pull public": lambda schedule, router: schedule.pull(router, "eth0"),
    "pull private": lambda schedule, router: schedule.pull(router, "eth1"),
    "cut off silently": Schedule.silence,
    "hand over": Schedule.hand_over,
    "mute": lambda schedule, router: schedule.pair.switch.deafen(*addresses(router)),
    "mute both": lambda schedule, router: schedule.pair.switch.deafen(*addresses("r1", "r2")),
    "mute private": lambda schedule, router: schedule.pair.switch.deafen(*PRIVATE.values()),
    "lose a third": lambda schedule, router: schedule.pair.switch.lose(33),
}


def steps(dice: random.Random) -> tuple[Step, ...]:
    """One to four faults, on either router."""
    count = dice.randint(1, MOST_STEPS)
    return tuple(
        Step(dice.uniform(0, SPREAD / count), dice.choice(tuple(ACTS)), dice.choice(tuple(OTHER)))
        for _ in range(count)
    )
