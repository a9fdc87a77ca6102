"""Random faults on two real routers, several at a time: what is done, who could serve, the way back.

Who counts as an owner
----------------------
Two figures come of each schedule. `Owning.holders` counts every machine that runs and holds an address.
`Owning.both` leaves out a machine while all its cables are pulled or silent and no heart decides on it.

That is fair for one reason only: nobody can reach such a machine, so its address harms nobody. It would not
be fair as a claim that the address is down: the kernel there holds it. No rule of the election can change
that, since nothing that could apply a rule runs. What ends it is the service manager, so each machine has one
here, which starts a killed pulse again as systemd would. What is left is the time until pulse and heart are
loaded, and the times in which nobody is to start anything: a service that was stopped, a pulse that hangs
beside a dead heart (`Seen.powerless`). That time is measured (`Seen.helpless`), and what comes after it has a
bound of its own (test_failover_schedules.py). And every second schedule gets its network back before its
programs, which is when everybody would find such an address.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic

from lvs.errors import LvsError
from tests.kernel.failover_clients import Clients
from tests.kernel.failover_faults import addresses, served
from tests.kernel.failover_lab import OTHER, PRIVATE, Pair, crash
from tests.kernel.failover_owners import Owning
from tests.kernel.failover_switch import cables
from tests.kernel.lateness import Lateness
from tests.kernel.traffic import until

MOST_STEPS = 4
SPREAD = 1.0  # seconds over which the steps of a schedule are spread
LINGER = 0.4  # seconds between the last step and the healing
RESTART = 0.1  # seconds until a killed pulse is started again (RestartSec=, systemd.service(5))


@dataclass(frozen=True, slots=True)
class Step:
    """after: seconds since the step before."""

    after: float
    what: str
    router: str

    def __str__(self) -> str:
        return f"+{self.after:.2f} {self.what} {self.router}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a schedule came to. healing: seconds until all was well.

    owning: its `none` counts only while one router was hindered by nothing. helpless: the longest time in
    which a machine was cut off with addresses and no heart decided on it. powerless: how much of that nobody
    was to start one. late: how long the processor was not to be had, at the worst.
    """

    owning: Owning
    healing: float
    helpless: float
    powerless: float
    late: float


@dataclass
class Stretch:
    """A condition that comes and goes. longest: seconds."""

    since: float | None = None
    longest: float = 0.0

    def note(self, now: float, holds: bool) -> None:
        if holds:
            self.since = now if self.since is None else self.since
            self.longest = max(self.longest, now - self.since)
        else:
            self.since = None


@dataclass
class Machine:
    """What was done to one router since it was well. able_until: None: nothing that hinders it."""

    able_until: float | None = None
    crashed: bool = False  # the whole machine
    hangs: bool = False
    stops: bool = False  # its service was stopped: nobody starts pulse again
    died_at: float | None = None  # since when there is no pulse, though there should be one
    pulled: set[str] = field(default_factory=set)
    set_apart: bool = False
    helpless: Stretch = field(default_factory=Stretch)
    powerless: Stretch = field(default_factory=Stretch)

    def hit(self) -> None:
        self.able_until = self.able_until or monotonic()

    @property
    def cut_off(self) -> bool:
        return self.pulled == {"eth0", "eth1"}


class Schedule:
    """One schedule on a pair that is well. network_first: it is mended before the programs are."""

    def __init__(
        self,
        pair: Pair,
        clients: Clients,
        pool: ThreadPoolExecutor,
        lateness: Lateness,
        *,
        network_first: bool,
    ) -> None:
        self.pair = pair
        self.lateness = lateness
        self.clients = clients
        self.pool = pool
        self.network_first = network_first
        self.machines = {router: Machine() for router in OTHER}

    def run(self, steps: tuple[Step, ...]) -> Seen:
        """Does the steps, then heals."""
        begin = due = monotonic()
        for step in steps:
            due += step.after
            self._wait(due)
            ACTS[step.what](self, step.router)
        self._wait(monotonic() + LINGER)
        healing = monotonic()
        self._heal()
        self._until(self.pair.well, "the pair is well again")
        served(self.clients, monotonic())
        end = monotonic()
        machines, owners = self.machines.values(), self.pair.owners
        none = max(owners.between(begin, machine.able_until or end).none for machine in machines)
        return Seen(
            replace(owners.between(begin, end), none=none),
            healing=end - healing,
            helpless=max(machine.helpless.longest for machine in machines),
            powerless=max(machine.powerless.longest for machine in machines),
            late=self.lateness.worst(begin, end),
        )

    def _wait(self, due: float) -> None:
        self._until(lambda: monotonic() >= due, "the next step is due")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits; the service managers work meanwhile, and it is noted who is an owner."""

        def met() -> bool:
            for router, machine in self.machines.items():
                self._keep_running(router, machine)
                self._judge(router, machine)
            return condition()

        until(met, what, self.pair.told)

    def _keep_running(self, router: str, machine: Machine) -> None:
        """A machine's service manager; it knows nothing of the heart, which is pulse's."""
        if machine.crashed or machine.stops or self.pair.machines[router].runs():
            machine.died_at = None
            return
        machine.died_at = machine.died_at or monotonic()
        if monotonic() >= machine.died_at + RESTART:
            self._start(router)

    def _judge(self, router: str, machine: Machine) -> None:
        """Whether a machine is an owner of what it holds, as this module's head says."""
        helpless = machine.cut_off and not self.pair.machines[router].heart_decides()
        if helpless is not machine.set_apart:
            machine.set_apart = helpless
            (self.pair.owners.set_apart if helpless else self.pair.owners.count_again)(router)
        hangs = machine.hangs and self.pair.machines[router].runs()
        holds = helpless and not machine.crashed and self.pair.owners.holds(router)
        machine.helpless.note(monotonic(), holds)
        machine.powerless.note(monotonic(), holds and (machine.stops or hangs))

    def _start(self, router: str) -> None:
        machine = self.machines[router]
        self.pair.start(router)
        machine.hangs = machine.stops = False
        machine.died_at = None

    def _heal(self) -> None:
        for router, machine in self.machines.items():
            if machine.crashed:
                self._boot(router, machine)
        if self.network_first:
            self._mend()
        for router, machine in self.machines.items():
            if machine.hangs and self.pair.machines[router].runs():
                self.pair.machines[router].signal(signal.SIGCONT)
                machine.hangs = False
            if machine.stops:
                self._until(partial(self._has_ended, router), f"{router} has stopped")
            if not self.pair.machines[router].runs():
                self._start(router)
        for router in self.machines:
            self._until(self.pair.machines[router].heart_decides, f"the heart of {router} decides")
        if not self.network_first:
            self._mend()

    def _boot(self, router: str, machine: Machine) -> None:
        """A machine that had crashed has nothing in its kernel; its service manager starts pulse."""
        self.pair.forget(router)
        self.pair.owners.revived(router)
        machine.crashed = machine.set_apart = False

    def _mend(self) -> None:
        for router, machine in self.machines.items():
            machine.pulled.clear()
            self._judge(router, machine)
        self.pair.switch.mend()

    def _has_ended(self, router: str) -> bool:
        return not self.pair.machines[router].runs()

    # The steps.

    def crash(self, router: str) -> None:
        machine = self.machines[router]
        machine.hit()
        crash(self.pair, router)
        machine.crashed = True
        machine.pulled = {"eth0", "eth1"}

    def kill_pulse(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill_pulse(router)

    def kill_heart(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill_heart(router)  # a pulse that runs starts it again

    def kill_both(self, router: str) -> None:
        self.machines[router].hit()
        self.pair.kill(router)  # a killed pulse is started again

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
        if not self.machines[router].crashed and not self.pair.machines[router].runs():
            self._start(router)

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
