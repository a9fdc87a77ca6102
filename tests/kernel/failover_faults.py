"""What can befall the active router, and what a client and the owners' book then show."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from lvs.errors import RouterError
from tests.kernel.failover_clients import Clients
from tests.kernel.failover_lab import OTHER, PRIVATE, PUBLIC, Pair, Routers, boot, crash, start_machines
from tests.kernel.traffic import until

P = TypeVar("P", bound=Routers)
ENOUGH = 10  # requests answered in a row, or nearly: the service is back
QUIET = 5.0


@dataclass(frozen=True, slots=True)
class Fault(Generic[P]):
    """strike, then heal, with the name of the router that was active.

    moves: the other one must take over; False: nothing may move, for a second beyond twice the dead time.
    alone: the one that was active gives up by itself; False: it is watched for QUIET seconds.
    """

    name: str
    strike: Callable[[P, str], object]
    heal: Callable[[P, str], object]
    moves: bool = True
    orderly: bool = False  # so that no request may fail
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """In one phase: the longest times without an answer, with two owners, with none; the clients' errors.

    slowest: the seconds that a request took which began in this phase, and was answered or failed.
    """

    gap: float
    slowest: float
    both: float
    none: float
    failed: Counter[str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a fault did, and what the return to a well pair did."""

    fault: str
    struck: Seen
    healed: Seen


def measure(pair: P, clients: Clients, fault: Fault[P], deadtime: float) -> Measured:
    """Lets it happen to the active router of a pair that is well, and leaves the pair well."""
    until(pair.well, f"before {fault.name}, the pair is well", pair.told)
    served(clients, monotonic())
    active = pair.owners.owner()
    assert active is not None
    begin = monotonic()
    fault.strike(pair, active)
    if fault.moves:
        until(lambda: has_all(pair, OTHER[active]), f"{fault.name}: {OTHER[active]} takes over", pair.told)
        if fault.alone:
            until(lambda: pair.owners.owner() == OTHER[active], f"{fault.name}: {active} gives up", pair.told)
        else:
            passed(QUIET)
    else:
        passed(deadtime * 2 + 1)
        assert pair.owners.owner() == active, f"{fault.name}: {active} is not the owner\n{pair.told()}"
    served(clients, monotonic())
    middle = monotonic()
    fault.heal(pair, active)
    until(pair.well, f"after {fault.name}, the pair is well", pair.told)
    served(clients, monotonic())
    end = monotonic()
    until(lambda: clients.probe.is_done_with(end), "every request has ended")
    return Measured(fault.name, seen(pair, clients, begin, middle), seen(pair, clients, middle, end))


def passed(seconds: float) -> None:
    """Waits; only to see that something does not happen, or lasts."""
    end = monotonic() + seconds
    until(lambda: monotonic() > end, "time passes")


def served(clients: Clients, begin: float) -> None:
    until(lambda: clients.probe.answered_since(begin) >= ENOUGH, "clients are served")


def has_all(pair: Routers, router: str) -> bool:
    return all(router in pair.owners.now(address) for address in pair.owners.addresses)


def seen(pair: Routers, clients: Clients, begin: float, end: float) -> Seen:
    owning = pair.owners.between(begin, end)
    probe = clients.probe
    gap, slowest = probe.gap(begin, end), probe.slowest(begin, end)
    return Seen(gap, slowest, owning.both, owning.none, probe.failures(begin, end))


def nothing(pair: Any, router: str) -> None:
    """There is nothing to heal."""


def hand_over(pair: Pair, router: str) -> None:
    """On a very busy machine it may be refused at first: then this router stays, and nothing has happened."""

    def done() -> bool:
        try:
            pair.machines[router].client.hand_over()
        except RouterError as error:
            print(f"the hand-over was refused: {error}")
            return False
        return True

    until(done, f"{router} hands over", pair.told)


def mend(pair: Routers, router: str) -> None:
    pair.switch.mend()


def start_anew(pair: Routers, router: str) -> None:
    pair.start(router)


def stop_hard(pair: Routers, router: str) -> None:
    pair.kill(router)


def go_on(pair: Pair, router: str) -> None:
    pair.machines[router].signal(signal.SIGCONT)


def hang(pair: Pair, router: str) -> None:
    pair.machines[router].signal(signal.SIGSTOP)


def addresses(*routers: str) -> tuple[str, ...]:
    return tuple(book[router] for router in routers for book in (PUBLIC, PRIVATE))


# What can be done to any pair.
CRASH: Fault[Routers] = Fault("machine dies", crash, boot)
CABLES: Fault[Routers] = Fault("both cables pulled", lambda pair, router: pair.switch.pull_both(router), mend)
KILL: Fault[Routers] = Fault("kill -9 of all", stop_hard, start_anew, alone=False)
STOP: Fault[Routers] = Fault("clean stop", lambda pair, router: pair.stop(router), start_anew, orderly=True)

# What only pulse has.
HAND_OVER: Fault[Pair] = Fault("hand-over by hand", hand_over, nothing, orderly=True)
PULSE_KILLED: Fault[Pair] = Fault(
    "kill -9 of pulse", lambda pair, router: pair.kill_pulse(router), start_anew
)
HEART_KILLED: Fault[Pair] = Fault(
    "kill -9 of the heart", lambda pair, router: pair.kill_heart(router), nothing, moves=False
)
BOTH_KILLED: Fault[Pair] = Fault("kill -9 of both", stop_hard, start_anew, moves=False)
HANGS: Fault[Pair] = Fault("pulse hangs", hang, go_on)
PUBLIC_CABLE: Fault[Pair] = Fault(
    "public cable pulled", lambda pair, router: pair.switch.pull(f"{router}-eth0"), mend
)
PRIVATE_CABLE: Fault[Pair] = Fault(
    "private cable pulled", lambda pair, router: pair.switch.pull(f"{router}-eth1"), mend
)
DEAF: Fault[Pair] = Fault(
    "heartbeats lost, both ways",
    lambda pair, router: pair.switch.deafen(*addresses("r1", "r2")),
    mend,
    moves=False,
)
UNHEARD: Fault[Pair] = Fault(
    "heartbeats lost, from the active",
    lambda pair, router: pair.switch.deafen(*addresses(router)),
    mend,
    moves=False,
)
HEARS_NOTHING: Fault[Pair] = Fault(
    "heartbeats lost, to the active",
    lambda pair, router: pair.switch.deafen(*addresses(OTHER[router])),
    mend,
    moves=False,
)
ONE_LINK_DEAF: Fault[Pair] = Fault(
    "heartbeats lost on one link",
    lambda pair, router: pair.switch.deafen(PRIVATE["r1"], PRIVATE["r2"]),
    mend,
    moves=False,
)
EVERYWHERE = (CRASH, CABLES, KILL, STOP)
WITH_PULSE = (
    HAND_OVER,
    PULSE_KILLED,
    HEART_KILLED,
    BOTH_KILLED,
    PUBLIC_CABLE,
    PRIVATE_CABLE,
    DEAF,
    UNHEARD,
    HEARS_NOTHING,
    ONE_LINK_DEAF,
    HANGS,
)


def reboot_of_both(pair: Routers, clients: Clients) -> Seen:
    """Both machines die and begin from nothing at once: how long from there until clients are served."""
    for router in OTHER:
        crash(pair, router)
    for router in OTHER:
        pair.forget(router)
    begin = monotonic()
    start_machines(pair, *OTHER)
    until(pair.well, "after the reboot of both, the pair is well", pair.told)
    served(clients, monotonic())
    end = monotonic()
    until(lambda: clients.probe.is_done_with(end), "every request has ended")
    return seen(pair, clients, begin, end)
