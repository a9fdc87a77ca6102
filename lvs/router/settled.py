"""A kernel of which almost everything is known: for the change of a few services in a large table.

Reading ten thousand real servers to change the weight of one is most of the work of that change. A pulse
that has verified its table a moment ago, and looks at all of it every few seconds anyway, need not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from lvs.config.model import Address
from lvs.router.apply import Kernel, Refusal
from lvs.router.ipvs import Table
from lvs.router.netfilter.counts import Counts
from lvs.router.state import (
    Change,
    Counters,
    InterfaceAddress,
    KernelState,
    Netfilter,
    ServiceKey,
    SyncDaemon,
)

MOST_SERVICES = 64  # that are read one by one; from about there on the whole table is as quick


def changed_services(settled: KernelState, wanted: KernelState) -> frozenset[ServiceKey] | None:
    """The services that two plans want differently; None when more differs than the role changes."""
    if (settled.netfilter, settled.timeouts, settled.modules) != (
        wanted.netfilter,
        wanted.timeouts,
        wanted.modules,
    ):
        return None
    return frozenset(
        (settled.services.keys() ^ wanted.services.keys())
        | {key for key in wanted.services if not _alike(settled, wanted, key)}
    )


def same_role(settled: KernelState, wanted: KernelState) -> bool:
    """Whether two plans want the same addresses, sync daemon and sysctls: all that a takeover changes."""
    return (settled.addresses, settled.floating, settled.sync, settled.sysctls) == (
        wanted.addresses,
        wanted.floating,
        wanted.sync,
        wanted.sysctls,
    )


def _alike(one: KernelState, other: KernelState, key: ServiceKey) -> bool:
    # A plan that did not change is the same value (lvs.router.plan), which is quicker to see than equality.
    members, others = one.destinations.get(key), other.destinations.get(key)
    if members is not others and members != others:
        return False
    return one.services.get(key) == other.services.get(key)


class SettledKernel:
    """A `Kernel` that is in the state settled, by a reconciliation that ended just now.

    It reads the services that are wanted otherwise, and what a change of role changes if it is, or in any
    case with role; the rest it takes for what was verified. Where one of these services is not as it was
    left, or more is to change, it reads everything, as `kernel` does.
    """

    def __init__(self, kernel: Kernel, settled: KernelState, *, role: bool = False) -> None:
        self._kernel = kernel
        self._settled: KernelState | None = settled
        self._role = role

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        settled = self._settled
        if settled is not None:
            keys = changed_services(settled, wanted) if only is None else only
            if keys is not None and len(keys) <= MOST_SERVICES:
                found = self._kernel.read_services(keys) if keys else Table()
                if only is not None or all(_as_left(found, settled, key) for key in keys):
                    return self._with_role(wanted, _with_services(settled, keys, found))
        self._settled = None
        return self._kernel.read(wanted, only)

    def _with_role(self, wanted: KernelState, state: KernelState) -> KernelState:
        if not self._role and same_role(state, wanted):
            return state
        return replace(
            state,
            addresses=self.read_addresses(),
            sync=self.read_sync(),
            sysctls=self.read_sysctls(wanted.sysctls),
        )

    def read_addresses(self) -> frozenset[InterfaceAddress]:
        return self._kernel.read_addresses()

    def read_sysctls(self, paths: Iterable[str]) -> dict[str, str]:
        return self._kernel.read_sysctls(paths)

    def read_sync(self) -> frozenset[SyncDaemon]:
        return self._kernel.read_sync()

    def read_netfilter(self) -> Netfilter | None:
        return self._kernel.read_netfilter()

    def read_counted(self) -> tuple[Netfilter, Counts] | None:
        return self._kernel.read_counted()

    def read_services(self, keys: Collection[ServiceKey]) -> Table:
        return self._kernel.read_services(keys)

    def read_counters(self, keys: Collection[ServiceKey]) -> Table:
        return self._kernel.read_counters(keys)

    def read_service_counters(self) -> Mapping[ServiceKey, Counters]:
        return self._kernel.read_service_counters()

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        return self._kernel.carry_out(changes)

    def table(self) -> Table:
        return self._kernel.table()

    def announce(self, floating: Collection[InterfaceAddress]) -> None:
        self._kernel.announce(floating)

    def hold_resets(self, floating: Collection[Address], real_servers: Collection[Address] = ()) -> None:
        self._kernel.hold_resets(floating, real_servers)

    def let_resets_out(self) -> None:
        self._kernel.let_resets_out()

    def push_out(self, master: SyncDaemon, scheduler: str) -> None:
        self._kernel.push_out(master, scheduler)

    def tell_half_open(self, master: SyncDaemon, state: KernelState, seconds: float) -> int:
        return self._kernel.tell_half_open(master, state, seconds)


def _with_services(settled: KernelState, keys: Collection[ServiceKey], found: Table) -> KernelState:
    """The state settled with the services of these keys as they were found."""
    services, destinations = dict(settled.services), dict(settled.destinations)
    for key in keys:
        services.pop(key, None)
        destinations.pop(key, None)
    return replace(
        settled,
        services={**services, **found.services},
        destinations={**destinations, **found.destinations},
    )


def _as_left(found: Table, settled: KernelState, key: ServiceKey) -> bool:
    return found.services.get(key) == settled.services.get(key) and found.destinations.get(
        key
    ) == settled.destinations.get(key)
