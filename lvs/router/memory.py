"""A kernel in memory, with the real one's refusals: for planning mode, where nothing may be changed, and
for tests.

The same test suite runs against it and against `lvs.router.apply.LinuxKernel`, so that what holds here
holds there. It is made from a `KernelState` and can be read as one at any time.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from lvs.config.model import Address, Forwarding, Scheduler
from lvs.router import sync
from lvs.router.apply import Refusal
from lvs.router.diff import replaces
from lvs.router.ipvs import Table, refusal, sync_refusal
from lvs.router.netfilter.counts import Counts
from lvs.router.state import (
    Change,
    Counters,
    Destination,
    DestinationKey,
    Family,
    InterfaceAddress,
    KernelState,
    Netfilter,
    Owned,
    Part,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
    Verb,
)

SCHEDULERS = frozenset(scheduler.value for scheduler in Scheduler)
KERNEL_TIMEOUTS = Timeouts(900, 120, 300)  # seconds; net/netfilter/ipvs/ip_vs_proto_{tcp,udp}.c


class MemoryKernel:
    """Holds a KernelState and changes it as Linux would.

    interfaces: the names this machine has, None: any. schedulers: those that can be loaded; loadable: the
    other modules, None: any. announced: every address that was announced, in order. written: every change
    that was made.
    """

    def __init__(
        self,
        state: KernelState | None = None,
        *,
        interfaces: Collection[str] | None = None,
        schedulers: Collection[str] = SCHEDULERS,
        loadable: Collection[str] | None = None,
    ) -> None:
        state = state or KernelState(timeouts=KERNEL_TIMEOUTS)
        self.services: dict[ServiceKey, Service] = dict(state.services)
        self.destinations: dict[ServiceKey, dict[DestinationKey, Destination]] = {
            key: dict(state.destinations.get(key, {})) for key in state.services
        }
        self.addresses: set[InterfaceAddress] = set(state.addresses)
        self.netfilter: Netfilter | None = state.netfilter
        self.sysctls: dict[str, str] = dict(state.sysctls)
        self.modules: set[str] = set(state.modules)
        self.loadable = loadable
        self.timeouts: Timeouts = state.timeouts
        self.sync: dict[SyncState, SyncDaemon] = {each.state: each for each in state.sync}
        self.interfaces = interfaces
        self.schedulers = schedulers
        self.announced: list[InterfaceAddress] = []
        self.written: list[Change] = []
        self.pushed: list[SyncDaemon] = []

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        return KernelState(
            services=dict(self.services),
            destinations={
                key: dict(members)
                for key, members in self.destinations.items()
                if only is None or key in only
            },
            addresses=frozenset(self.addresses),
            netfilter=self.netfilter,
            sysctls=self.read_sysctls(wanted.sysctls),
            modules=wanted.modules & self.modules,
            timeouts=self.timeouts,
            sync=frozenset(self.sync.values()),
        )

    def read_addresses(self) -> frozenset[InterfaceAddress]:
        return frozenset(self.addresses)

    def read_sysctls(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: self.sysctls[path] for path in paths if path in self.sysctls}

    def read_sync(self) -> frozenset[SyncDaemon]:
        return frozenset(self.sync.values())

    def read_netfilter(self) -> Netfilter | None:
        return self.netfilter

    def read_counted(self) -> tuple[Netfilter, Counts] | None:
        """Nothing passes through this kernel, so its rules have counted nothing."""
        return None if self.netfilter is None else (self.netfilter, Counts())

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        found = [key for key in keys if key in self.services]
        return Table(
            services={key: self.services[key] for key in found},
            destinations={key: dict(self.destinations[key]) for key in found},
        )

    def read_counters(self, keys: Collection[ServiceKey]) -> Table:
        found = self.read_services(keys)
        counters = {
            key: {each: Counters() for each in members} for key, members in found.destinations.items()
        }
        own = {key: Counters() for key in found.services}
        return replace(found, service_counters=own, destination_counters=counters)

    def read_service_counters(self) -> dict[ServiceKey, Counters]:
        return {key: Counters() for key in dict(self.services)}

    def table(self) -> Table:
        """The table; nothing passes through this kernel, so every counter is 0."""
        # Copies that no other thread can come between: this is read beside changes, as the real one is.
        services = dict(self.services)
        destinations = {key: dict(members) for key, members in list(self.destinations.items())}
        return Table(
            services=services,
            destinations=destinations,
            service_counters={key: Counters() for key in services},
            destination_counters={
                key: {each: Counters() for each in members} for key, members in destinations.items()
            },
        )

    def announce(self, floating: Collection[InterfaceAddress]) -> None:
        self.announced += floating

    def hold_resets(self, floating: Collection[Address], real_servers: Collection[Address] = ()) -> None:
        """Nothing passes through this kernel, so it resets nothing."""

    def let_resets_out(self) -> None:
        """Nothing is held."""

    def push_out(self, master: SyncDaemon, scheduler: str) -> None:
        """Nothing waits; `pushed` has whom it was asked of."""
        self.pushed.append(master)

    def tell_half_open(self, master: SyncDaemon, state: KernelState, seconds: float) -> int:
        """It has no connections."""
        return 0

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        refused: list[Refusal] = []
        lost: set[ServiceKey | InterfaceAddress | None] = set()
        for change in changes:
            if change.part is Part.DESTINATION and change.service_key in lost:
                continue
            if change.verb is Verb.ANNOUNCE and change.address in lost:
                continue
            reason = self._make(change)
            if reason is None:
                self.written.append(change)
                continue
            refused.append(Refusal(change, reason))
            if change.verb is Verb.ADD and change.part is not Part.DESTINATION:
                lost.add(change.address or change.service_key)
        return tuple(refused)

    def _make(self, change: Change) -> str | None:
        """Make one change; the reason if it is refused."""
        if change.service_key is not None:
            code = self._change_service(change, change.service_key)
            return refusal(change, code) if code else None
        if change.address is not None:
            return self._change_address(change.verb, change.address)
        if change.sync is not None:
            return self._change_sync(change.verb, change.sync)
        if change.module is not None:
            return self._load(change.module)
        if change.sysctl is not None:
            path, value = change.sysctl
            self.sysctls[path] = value
        elif change.timeouts is not None:
            new = change.timeouts
            old = self.timeouts
            self.timeouts = Timeouts(new.tcp or old.tcp, new.tcp_fin or old.tcp_fin, new.udp or old.udp)
        else:
            self.netfilter = change.netfilter and replace(change.netfilter, drift=())
        return None

    def _load(self, module: str) -> str | None:
        if self.loadable is not None and module not in self.loadable:
            return f"the running kernel has no such module: boot one that has it (CONFIG_{module.upper()})"
        self.modules.add(module)
        return None

    def _change_service(self, change: Change, key: ServiceKey) -> int:
        """The error number with which ip_vs_genl_set_cmd (ip_vs_ctl.c) answers; 0: done."""
        if change.verb is Verb.ADD and change.part is Part.SERVICE:
            if key in self.services:
                return errno.EEXIST
        elif key not in self.services:
            return errno.ESRCH
        if change.part is Part.DESTINATION:
            return self._change_destination(change, key)
        if change.service is None:
            del self.services[key], self.destinations[key]
            return 0
        if change.service.scheduler not in self.schedulers:
            return errno.ENOENT
        if key.family is Family.V6 and not 1 <= change.service.netmask <= 128:
            return errno.EINVAL
        self.services[key] = change.service
        self.destinations.setdefault(key, {})
        return 0

    def _change_destination(self, change: Change, service: ServiceKey) -> int:
        key, members = change.destination_key, self.destinations[service]
        if key is None:
            return errno.EINVAL
        if change.destination is None:
            return 0 if members.pop(key, None) else errno.ENOENT
        code = _unsuitable(service, key, change.destination)
        if not code and change.verb is Verb.ADD and key in members:
            code = errno.EEXIST
        elif not code and change.verb is Verb.CHANGE and key not in members:
            code = errno.ENOENT
        if not code:
            members[key] = change.destination
        return code

    def _change_sync(self, verb: Verb, daemon: SyncDaemon) -> str | None:
        if verb is not Verb.ADD:
            self.sync.pop(daemon.state, None)
        if verb is Verb.REMOVE:
            return None
        if daemon.state in self.sync:
            return sync_refusal(daemon, errno.EEXIST)
        if daemon.group is not None and not daemon.group.is_multicast:
            return sync_refusal(daemon, errno.EINVAL)
        if self.interfaces is not None and daemon.interface not in self.interfaces:
            return sync_refusal(daemon, errno.ENODEV)
        self.sync[daemon.state] = sync.started(daemon)
        return None

    def _change_address(self, verb: Verb, address: InterfaceAddress) -> str | None:
        if self.interfaces is not None and address.interface not in self.interfaces:
            there = ", ".join(sorted(self.interfaces))
            return f"this machine has no interface {address.interface}: use one of {there}, or create it"
        if verb is Verb.ANNOUNCE:
            self.announced.append(address)
        elif verb is Verb.REMOVE:
            self.addresses.discard(address)
        else:
            self.addresses = {old for old in self.addresses if not replaces(address, old)} | {address}
        return None


class MemoryLedger:
    """A ledger that is gone with the process; saved: every state it had, the first one first."""

    def __init__(self, owned: Owned | None = None) -> None:
        self.saved: list[Owned] = [owned or Owned()]

    def load(self) -> Owned:
        return self.saved[-1]

    def save(self, owned: Owned) -> None:
        self.saved.append(owned)


def _unsuitable(service: ServiceKey, key: DestinationKey, destination: Destination) -> int:
    """What the kernel finds wrong with a real server (ip_vs_add_dest, ip_vs_new_dest); 0: nothing."""
    foreign = (key.address.version == 6) is not (service.family is Family.V6)
    if foreign and destination.forwarding is not Forwarding.TUNNEL:
        return errno.EINVAL
    if destination.weight < 0 or destination.lower_threshold > destination.upper_threshold:
        return errno.ERANGE
    if key.address.is_multicast or key.address.is_unspecified:
        return errno.EINVAL
    return 0
