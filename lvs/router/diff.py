"""From what a kernel holds to what it should: the smallest list of changes, in an order without a gap.
Pure.

Order: kernel modules; sysctls and timeouts; services and real servers added and changed; netfilter; sync
daemon; addresses; announcements; then what goes: addresses, sync daemon, netfilter, real servers, services.
So a floating address never receives what the table does not serve yet, every connection through it is told to
the other router, and a real server (or sorry server) that goes is gone only after what takes its place
has come. A module comes first, since only connections that begin after it are its own; none ever goes.

Weights, schedulers, forwarding methods and persistence are edited in place: a service or real server is
removed only if nothing under its key is wanted any more, since removing cuts its connections. Taking a
service out takes its real servers along and is one change.

What is neither wanted nor owned is foreign and is left alone. Something foreign that is wanted is
adopted: no change if it is as wanted. Real servers behind a wanted service are all ours to arrange, and so
are both halves of the sync daemon where one is wanted, and what is `floating`, on the standby too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lvs.router import sentences, sync
from lvs.router.sentences import Names
from lvs.router.state import (
    Change,
    InterfaceAddress,
    KernelState,
    Owned,
    Part,
    ServiceKey,
    SyncState,
    Timeouts,
    Verb,
)

NO_NAMES = Names()


def differences(
    actual: KernelState, wanted: KernelState, owned: Owned, names: Names = NO_NAMES
) -> tuple[Change, ...]:
    """The changes that lead from actual to wanted, in the order in which to carry them out."""
    gone = [key for key in actual.services if key in owned.services and key not in wanted.services]
    return (
        *_modules(actual, wanted),
        *_sysctls(actual, wanted),
        *_timeouts(actual.timeouts, wanted.timeouts),
        *_additions(actual, wanted, names),
        *_netfilter(actual, wanted),
        *_sync(actual, wanted),
        *_addresses(actual.addresses, wanted.addresses, owned.addresses | wanted.floating),
        *_sync_removals(actual, wanted, owned.sync | claimed_sync(wanted)),
        *_netfilter_removal(actual, wanted),
        *_destination_removals(actual, wanted, names),
        *_service_removals(actual, gone, names),
    )


def _modules(actual: KernelState, wanted: KernelState) -> Iterator[Change]:
    for name in sorted(wanted.modules - actual.modules):
        yield Change(Part.MODULE, Verb.ADD, sentences.load_module(name), module=name)


def _sysctls(actual: KernelState, wanted: KernelState) -> Iterator[Change]:
    for path, value in wanted.sysctls.items():
        if actual.sysctls.get(path) != value:
            yield Change(Part.SYSCTL, Verb.CHANGE, sentences.set_sysctl(path, value), sysctl=(path, value))


def _timeouts(actual: Timeouts, wanted: Timeouts) -> Iterator[Change]:
    changed = Timeouts(
        wanted.tcp if wanted.tcp != actual.tcp else 0,
        wanted.tcp_fin if wanted.tcp_fin != actual.tcp_fin else 0,
        wanted.udp if wanted.udp != actual.udp else 0,
    )
    if changed != Timeouts():
        yield Change(Part.TIMEOUTS, Verb.CHANGE, sentences.set_timeouts(changed), timeouts=changed)


def _additions(actual: KernelState, wanted: KernelState, names: Names) -> Iterator[Change]:
    for key, service in wanted.services.items():
        present = actual.services.get(key)
        if present is None:
            text = sentences.add_service(names, key, service)
            yield Change(Part.SERVICE, Verb.ADD, text, service_key=key, service=service)
        elif present is not service and present != service:
            text = sentences.change_service(names, key, present, service)
            yield Change(Part.SERVICE, Verb.CHANGE, text, service_key=key, service=service)
        if actual.destinations.get(key) is not wanted.destinations.get(key):  # else: what was left there last
            yield from _destination_additions(actual, wanted, key, names)


def _destination_additions(
    actual: KernelState, wanted: KernelState, service: ServiceKey, names: Names
) -> Iterator[Change]:
    present = actual.destinations.get(service, {})
    for key, destination in wanted.destinations.get(service, {}).items():
        old = present.get(key)
        if old is None:
            verb, text = Verb.ADD, sentences.add_destination(names, service, key, destination)
        elif old != destination:
            verb = Verb.CHANGE
            text = sentences.change_destination(names, service, key, old, destination)
        else:
            continue
        yield Change(
            Part.DESTINATION,
            verb,
            text,
            service_key=service,
            destination_key=key,
            destination=destination,
        )


def _netfilter(actual: KernelState, wanted: KernelState) -> Iterator[Change]:
    if wanted.netfilter is not None and actual.netfilter != wanted.netfilter:
        verb = Verb.CHANGE if actual.netfilter else Verb.ADD
        drift = actual.netfilter.drift if actual.netfilter else ()
        text = sentences.replace_netfilter(wanted.netfilter, drift)
        yield Change(Part.NETFILTER, verb, text, netfilter=wanted.netfilter)


def _netfilter_removal(actual: KernelState, wanted: KernelState) -> Iterator[Change]:
    if actual.netfilter is not None and wanted.netfilter is None:
        yield Change(Part.NETFILTER, Verb.REMOVE, sentences.remove_netfilter())


def claimed_sync(wanted: KernelState) -> frozenset[SyncState]:
    """The halves of the sync daemon that are ours to arrange: both, where any is wanted."""
    return frozenset(SyncState) if wanted.sync else frozenset()


def _sync(actual: KernelState, wanted: KernelState) -> Iterator[Change]:
    running = {each.state: each for each in actual.sync}
    for half in sorted(wanted.sync, key=lambda half: half.state):
        present = running.get(half.state)
        if present is None:
            yield Change(Part.SYNC, Verb.ADD, sentences.start_sync(half), sync=half)
        elif not sync.agrees(present, half):
            yield Change(Part.SYNC, Verb.CHANGE, sentences.change_sync(present, half), sync=half)


def _sync_removals(actual: KernelState, wanted: KernelState, owned: frozenset[SyncState]) -> Iterator[Change]:
    kept = {each.state for each in wanted.sync}
    for half in sorted(actual.sync, key=lambda half: half.state):
        if half.state in owned - kept:
            yield Change(Part.SYNC, Verb.REMOVE, sentences.stop_sync(half), sync=half)


def _addresses(
    actual: frozenset[InterfaceAddress],
    wanted: frozenset[InterfaceAddress],
    owned: frozenset[InterfaceAddress],
) -> Iterator[Change]:
    added = sorted(wanted - actual, key=_place)
    for address in added:
        yield Change(Part.ADDRESS, Verb.ADD, sentences.add_address(address), address=address)
    for address in added:
        yield Change(Part.ADDRESS, Verb.ANNOUNCE, sentences.announce_address(address), address=address)
    for address in sorted((owned & actual) - wanted, key=_place):
        if not any(replaces(new, address) for new in added):
            yield Change(Part.ADDRESS, Verb.REMOVE, sentences.remove_address(address), address=address)


def replaces(new: InterfaceAddress, old: InterfaceAddress) -> bool:
    """Whether adding new takes old off by itself: another label, or another prefix of an IPv6 address."""
    if (new.address, new.interface) != (old.address, old.interface):
        return False
    return new.address.version == 6 or new.prefix == old.prefix


def _destination_removals(actual: KernelState, wanted: KernelState, names: Names) -> Iterator[Change]:
    for service, kept in wanted.destinations.items():
        present = actual.destinations.get(service)
        if not present or present is kept:
            continue
        for key in present:
            if key not in kept:
                text = sentences.remove_destination(names, service, key)
                yield Change(Part.DESTINATION, Verb.REMOVE, text, service_key=service, destination_key=key)


def _service_removals(actual: KernelState, gone: Iterable[ServiceKey], names: Names) -> Iterator[Change]:
    for key in gone:
        text = sentences.remove_service(names, key, len(actual.destinations.get(key, {})))
        yield Change(Part.SERVICE, Verb.REMOVE, text, service_key=key)


def _place(address: InterfaceAddress) -> tuple[int, int, str]:
    """An order for addresses of both families, which do not compare with each other."""
    return address.address.version, int(address.address), address.interface
