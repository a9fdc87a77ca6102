"""Bringing a kernel to the wanted state: read, diff, note what will be ours, change, read again.

The only way in which this project writes to a kernel, and pulse is the only caller. Nothing is flushed;
every change that is refused is reported with its reason and does not keep the others from being made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router import addresses, announce, modules, netfilter, parting, single, sysctl
from lvs.router.diff import NO_NAMES, claimed_sync, differences
from lvs.router.ipvs import Ipvs, Table
from lvs.router.netfilter.counts import Counts
from lvs.router.sentences import Names
from lvs.router.state import (
    Change,
    Counters,
    InterfaceAddress,
    KernelState,
    Netfilter,
    Owned,
    Part,
    ServiceKey,
    SyncDaemon,
    Verb,
)
from lvs.router.untried import addresses_not_added, pointless, services_not_added, unheard


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that the kernel would not make, and why, with what to do next."""

    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a reconciliation did.

    changes: those that were made. refused: those that were not. remaining: what still differs from the
    wanted state, read back from the kernel; after a refusal that is what it left undone, else somebody else
    is writing.
    """

    changes: tuple[Change, ...] = ()
    refused: tuple[Refusal, ...] = ()
    remaining: tuple[Change, ...] = ()


class NotToBeRaised(Exception):
    """Stops a reconciliation before it raises an address; made: the changes of before that."""

    def __init__(self, made: tuple[Change, ...]) -> None:
        super().__init__("the floating addresses are not to be raised any more")
        self.made = made


class Kernel(Protocol):
    """What can be reconciled: `LinuxKernel`, or `lvs.router.memory.MemoryKernel`."""

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        """The actual state; of modules and sysctls those that wanted names. Raises KernelError.

        only: the services whose real servers to read; None: all.
        """

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        """These services, as far as they exist, and their real servers. Raises KernelError."""

    def read_counters(self, keys: Collection[ServiceKey]) -> Table:
        """The same with the counters, theirs and those of their real servers."""

    def read_service_counters(self) -> Mapping[ServiceKey, Counters]:
        """The counters of all services alone. Raises KernelError."""

    def read_addresses(self) -> frozenset[InterfaceAddress]:
        """Every address of this machine. Raises KernelError."""

    def read_sysctls(self, paths: Iterable[str]) -> dict[str, str]:
        """The values at these paths, as far as they exist."""

    def read_sync(self) -> frozenset[SyncDaemon]:
        """The halves of the sync daemon that run. Raises KernelError."""

    def read_netfilter(self) -> Netfilter | None:
        """What the table `inet piranha` does; None without one, and where it cannot be read."""

    def read_counted(self) -> tuple[Netfilter, Counts] | None:
        """The same with what its rules have counted."""

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        """Make the changes in order; the ones that were refused.

        Not tried, and not in the answer: real servers of a service that could not be added, and the
        announcement of an address that could not.
        """

    def table(self) -> Table:
        """The IPVS table with its counters. Raises KernelError."""

    def announce(self, floating: Collection[InterfaceAddress]) -> None:
        """Tell the neighbours once more where these addresses are. Raises KernelError."""

    def hold_resets(self, floating: Collection[Address], real_servers: Collection[Address] = ()) -> None:
        """Reset no connection to these addresses for some seconds; see `netfilter.hold_resets`.

        Raises KernelError where this kernel cannot, which is no reason not to take over.
        """

    def let_resets_out(self) -> None:
        """End that. Raises KernelError where this kernel cannot."""

    def push_out(self, master: SyncDaemon, scheduler: str) -> None:
        """Tell the other router at once of connections that wait for a full message; see `parting`."""

    def tell_half_open(self, master: SyncDaemon, state: KernelState, seconds: float) -> int:
        """Tell it of half-open connections, and how many. Both raise KernelError."""


class Ledger(Protocol):
    """Where pulse notes what is its own: `lvs.router.files.Ledger`, or `lvs.router.memory.MemoryLedger`."""

    def load(self) -> Owned: ...

    def save(self, owned: Owned) -> None: ...


def reconcile(
    kernel: Kernel,
    wanted: KernelState,
    ledger: Ledger,
    names: Names = NO_NAMES,
    *,
    may_raise: Callable[[], bool] = lambda: True,
) -> Report:
    """Bring kernel to wanted; names are for the sentences of the report.

    The ledger is written before the kernel is: a pulse that dies between the two owns something that is not
    there, never the reverse. Raises KernelError when the kernel cannot be read. may_raise is asked right
    before addresses are added: where it says no, they and all that would follow are left, and NotToBeRaised
    is raised.
    """
    owned = ledger.load()
    actual = kernel.read(wanted)
    changes = differences(actual, wanted, owned, names)
    # What a pair's routers may have to raise is noted on both, so that a takeover has nothing to write down.
    ours = Owned(frozenset(wanted.services), wanted.addresses | wanted.floating, claimed_sync(wanted))
    claimed = _both(owned, ours)
    _save(ledger, owned, claimed)
    if changes:
        refused = _carried_out(kernel, changes, may_raise)
        actual = _read_back(kernel, wanted, actual, changes)
        report = Report(made(changes, refused), refused, differences(actual, wanted, claimed, names))
    else:
        report = Report()
    left = Owned(
        owned.services & actual.services.keys(),
        owned.addresses & actual.addresses,
        owned.sync & {each.state for each in actual.sync},
    )
    _save(ledger, claimed, _both(ours, left))
    return report


def _carried_out(
    kernel: Kernel, changes: tuple[Change, ...], may_raise: Callable[[], bool]
) -> tuple[Refusal, ...]:
    raises = [each.part is Part.ADDRESS and each.verb is Verb.ADD for each in changes]
    if True not in raises:
        return kernel.carry_out(changes)
    first = raises.index(True)
    refused = kernel.carry_out(changes[:first])
    if not may_raise():
        raise NotToBeRaised(made(changes[:first], refused))
    return refused + kernel.carry_out(changes[first:])


def _both(one: Owned, other: Owned) -> Owned:
    return Owned(one.services | other.services, one.addresses | other.addresses, one.sync | other.sync)


def _read_back(
    kernel: Kernel, wanted: KernelState, before: KernelState, changes: Iterable[Change]
) -> KernelState:
    """The state after changes; the real servers of services that they did not touch are as before."""
    touched = {change.service_key for change in changes if change.service_key}
    after = kernel.read(wanted, touched)
    kept = {
        key: before.destinations[key] for key in (after.services.keys() & before.services.keys()) - touched
    }
    return replace(after, destinations={**kept, **after.destinations})


def made(changes: Iterable[Change], refused: Iterable[Refusal]) -> tuple[Change, ...]:
    """The changes that were neither refused nor left untried because of a refusal."""
    changes, not_made = tuple(changes), [refusal.change for refusal in refused]
    if not not_made:
        return changes
    texts = {id(change) for change in not_made}
    services = services_not_added(not_made)
    lost = addresses_not_added(not_made)
    return tuple(
        change
        for change in changes
        if id(change) not in texts and not pointless(change, services) and not unheard(change, lost)
    )


def _save(ledger: Ledger, before: Owned, after: Owned) -> None:
    if before != after:
        ledger.save(after)


class LinuxKernel:
    """The kernel under us, in the network namespace of the calling thread."""

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        with Ipvs() as ipvs:  # first: this may load the module that brings net/ipv4/vs
            table, timeouts, sync = ipvs.table(only=only), ipvs.timeouts(), ipvs.sync()
        return KernelState(
            modules=modules.read(wanted.modules),
            services=table.services,
            destinations=table.destinations,
            addresses=addresses.read(None),
            netfilter=self.read_netfilter(),
            sysctls=self.read_sysctls(wanted.sysctls),
            timeouts=timeouts,
            sync=sync,
        )

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        with Ipvs() as ipvs:
            return ipvs.services(keys)

    def read_counters(self, keys: Collection[ServiceKey]) -> Table:
        with Ipvs() as ipvs:
            return ipvs.services(keys, counters=True)

    def read_service_counters(self) -> Mapping[ServiceKey, Counters]:
        with Ipvs() as ipvs:
            return ipvs.service_counters()

    def read_addresses(self) -> frozenset[InterfaceAddress]:
        return addresses.read(None)

    def read_sysctls(self, paths: Iterable[str]) -> dict[str, str]:
        found = {}
        for path in paths:
            with suppress(KernelError):  # absent: setting it will say so
                found.update(sysctl.read([path]))
        return found

    def read_sync(self) -> frozenset[SyncDaemon]:
        with Ipvs() as ipvs:
            return ipvs.sync()

    def read_netfilter(self) -> Netfilter | None:
        # Unreadable nftables hold no table of ours; if one is wanted, writing it says what is wrong.
        with suppress(KernelError):
            return netfilter.read()
        return None

    def read_counted(self) -> tuple[Netfilter, Counts] | None:
        with suppress(KernelError):
            return netfilter.read_counted()
        return None

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        refused: list[Refusal] = []
        for (part, _), run in groupby(changes, _kind):
            if part is Part.SERVICE:
                refused += _change_table(list(run))
            elif part is Part.ADDRESS:
                lost = addresses_not_added(refusal.change for refusal in refused)
                refused += _change_addresses([change for change in run if not unheard(change, lost)])
            else:
                refused += _one_by_one(run)
        return tuple(refused)

    def table(self) -> Table:
        with Ipvs() as ipvs:
            return ipvs.table(counters=True)

    def recover(self) -> None:
        """Undoes what a pulse that was killed in the middle of a change may have left."""
        with suppress(KernelError):  # without nftables it can have left nothing
            netfilter.let_refusals_out()
            netfilter.let_resets_out()
        parting.recover()

    def announce(self, floating: Collection[InterfaceAddress]) -> None:
        announce.announce(floating)

    def hold_resets(self, floating: Collection[Address], real_servers: Collection[Address] = ()) -> None:
        netfilter.hold_resets(floating, real_servers)

    def let_resets_out(self) -> None:
        netfilter.let_resets_out()

    def push_out(self, master: SyncDaemon, scheduler: str) -> None:
        parting.push_out(master.maxlen, scheduler)

    def tell_half_open(self, master: SyncDaemon, state: KernelState, seconds: float) -> int:
        return parting.tell_half_open(master, state, seconds)


def _change_table(changes: Sequence[Change]) -> list[Refusal]:
    """Services that come or change, then real servers, then services that go: three batches."""
    refused: list[Refusal] = []
    coming = [c for c in changes if c.part is Part.SERVICE and c.verb is not Verb.REMOVE]
    going = [c for c in changes if c.part is Part.SERVICE and c.verb is Verb.REMOVE]
    with Ipvs() as ipvs:
        with _unheard_refusals(coming):
            refused += _batch(ipvs, coming)
        not_added = services_not_added(refusal.change for refusal in refused)
        members = [c for c in changes if c.part is Part.DESTINATION and not pointless(c, not_added)]
        refused += _batch(ipvs, members)
        refused += _batch(ipvs, going)
    return refused


@contextmanager
def _unheard_refusals(changes: Iterable[Change]) -> Iterator[None]:
    """While a service is edited it may have no scheduler for a moment: no client is to hear of that."""
    with ExitStack() as stack:
        if any(change.verb is Verb.CHANGE for change in changes):
            # A kernel without nftables (User-Mode Linux) has one processor and no such moment.
            with suppress(KernelError):
                stack.enter_context(netfilter.no_refusals())
        yield


def _batch(ipvs: Ipvs, changes: Sequence[Change]) -> list[Refusal]:
    return [
        Refusal(changes[position], reason) for position, reason in sorted(ipvs.carry_out(changes).items())
    ]


def _kind(change: Change) -> tuple[Part, Verb | None]:
    """Neighbours of one kind are carried out together."""
    if change.part in (Part.SERVICE, Part.DESTINATION):
        return Part.SERVICE, None
    return change.part, change.verb if change.part is Part.ADDRESS else None


def _one_by_one(changes: Iterable[Change]) -> list[Refusal]:
    refused = []
    for change in changes:
        try:
            single.make(change)
        except KernelError as error:
            refused.append(Refusal(change, error.reason))
    return refused


def _change_addresses(changes: Sequence[Change]) -> list[Refusal]:
    """Changes of one verb."""
    of = {change.address: change for change in changes if change.address}
    if not of:
        return []
    if changes[0].verb is Verb.ANNOUNCE:
        return _announce(of)
    change_all = addresses.add_all if changes[0].verb is Verb.ADD else addresses.remove_all
    return [Refusal(of[address], reason) for address, reason in change_all(list(of)).items()]


def _announce(of: Mapping[InterfaceAddress, Change]) -> list[Refusal]:
    with suppress(KernelError):
        announce.announce(of)
        return []
    return _one_by_one(of.values())
