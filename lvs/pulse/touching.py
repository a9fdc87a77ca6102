"""What planned changes do to the connections that there are now, as far as this pulse can tell.

Scheduler, persistence, weight, limits and forwarding are edited in place: an open connection keeps the real
server and the way that it began with (ip_vs_edit_service, ip_vs_edit_dest and ip_vs_bind_dest,
net/netfilter/ipvs). What goes takes its connections along, unless it drains first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from lvs.config.model import Address, Forwarding, LvsConfig
from lvs.nanny.checker import Target
from lvs.pulse.departing import connections, deleted, drain_times, strangers
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import Plan
from lvs.pulse.words import number_of_connections
from lvs.router.ipvs import Table
from lvs.router.netfilter import comparison
from lvs.router.plan import Place
from lvs.router.state import Change, KernelState, Part, ServiceKey, Verb

NONE = "(no connection touched)"
MOST_LINES = 1000  # of the difference of rules, in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What is needed to say it.

    table: with the counters of the services of `asked_of`; None: this pulse has none, it only plans.
    draining: the real servers that would be deleted and keep their connections for a while. gateways: the
    addresses by which NAT real servers answer.
    """

    plan: Plan
    table: Table | None = None
    draining: Collection[Place] = field(default_factory=frozenset)
    gateways: frozenset[Address] = frozenset()

    def planned(self, change: Change, unchecked: Collection[Target]) -> str:
        """The sentence of a planned change, with what it waits for and which connections it touches.

        unchecked: the real servers that no check has looked at yet.
        """
        place = _place(change)
        if change.verb is Verb.ADD and place in unchecked:
            return f"{change.text}, once its check passes"
        return f"{change.text}{self._touches(change, place)}"

    def _touches(self, change: Change, place: Place | None) -> str:
        if change.part is Part.NETFILTER:
            return self._by_rules(change)
        if change.part in (Part.SERVICE, Part.DESTINATION) and change.verb is Verb.CHANGE:
            return f" {NONE}"
        if change.verb is not Verb.REMOVE or self.table is None:
            return ""
        if place is not None:
            count = connections(self.table.counted(*place))
            if count and place in self.draining:
                return f": drains first; {number_of_connections(count)} now"
            return f": its {_ending(count)}" if count else f" {NONE}"
        if change.part is Part.SERVICE and change.service_key:
            count = _counted(self.table, {change.service_key})
            return f": its {_ending(count)}" if count else f" {NONE}"
        if change.part is Part.ADDRESS and change.address:
            return self._by_address(change.address.address)
        return f" {NONE}" if change.part is Part.SYNC else ""

    def _by_rules(self, change: Change) -> str:
        """Where somebody is masqueraded or let in no more, this is not known: IPVS does not count it."""
        if any(self.counted_at(place) for place in self.draining):
            return " (for deleted ones that drain: as long as they do)"
        new = self.plan.wanted.netfilter
        kept = change.verb is Verb.CHANGE and comparison.only_adds(self.plan.actual.netfilter, new)
        return f" {NONE}" if kept else ""

    def _by_address(self, address: Address) -> str:
        services = coming_by(self.plan.actual, address, self.gateways)
        if self.table is None or not services:
            return ""  # what else the machine does at that address is not counted
        count = _counted(self.table, services)
        return f": {number_of_connections(count)} by it now" if count else f" {NONE}"

    def counted_at(self, place: Place) -> int:
        """The connections that a real server has now, as far as that is known."""
        return connections(self.table.counted(*place)) if self.table else 0


async def look(keeper: Keeper, plan: Plan, new: LvsConfig) -> Touched:
    """Look at what the removals of a plan touch; raises KernelError."""
    running = keeper.running.config if keeper.running else None
    gateways = gateways_of(*(config for config in (running, new) if config is not None))
    if keeper.locator.planning:
        return Touched(plan=plan)
    services = asked_of(plan, gateways)
    table = await keeper.work.counters(services, aside=True) if services else Table()
    return Touched(plan=plan, table=table, draining=leaving(plan, running, new), gateways=gateways)


def rules_document(keeper: Keeper, touched: Touched, new: LvsConfig) -> dict[str, Any] | None:
    """How the rules of netfilter would differ (ARCHITECTURE.md, `plan`); None: they stay as they are."""
    plan = touched.plan
    old, wanted = plan.actual.netfilter, plan.wanted.netfilter
    if old == wanted:
        return None
    before = keeper.running.config if keeper.running else LvsConfig()
    waiting = {key.address for service, key in touched.draining if touched.counted_at((service, key))}
    words, more = comparison.words(old, wanted, before, new, waiting)
    lines = comparison.changed_lines(old, wanted)
    return {
        "words": list(words),
        "more_words": more,
        "difference": [list(line) for line in lines[:MOST_LINES]],
        "more_lines": len(lines[MOST_LINES:]),
    }


def asked_of(plan: Plan, gateways: frozenset[Address]) -> set[ServiceKey]:
    """The services whose counters say what the removals of a plan touch."""
    found: set[ServiceKey] = set()
    for change in plan.changes:
        if change.verb is Verb.REMOVE and change.service_key is not None:
            found.add(change.service_key)
        elif change.verb is Verb.REMOVE and change.address is not None:
            found |= coming_by(plan.actual, change.address.address, gateways)
    return found


def coming_by(actual: KernelState, address: Address, gateways: frozenset[Address]) -> set[ServiceKey]:
    """The services whose connections come to an address, or go out by it."""
    marks = (
        {rule.fwmark for rule in actual.netfilter.marks if rule.address == address}
        if actual.netfilter
        else ()
    )
    found = {key for key in actual.services if key.address == address or (key.fwmark and key.fwmark in marks)}
    if address in gateways:
        found |= {
            key
            for key, members in actual.destinations.items()
            if any(one.forwarding is Forwarding.NAT for one in members.values())
        }
    return found


def leaving(plan: Plan, before: LvsConfig | None, new: LvsConfig) -> set[Place]:
    """The real servers that would be deleted and drain; before None: this pulse has just begun."""
    times = drain_times(new)
    if before is None:
        gone = strangers(Table(plan.actual.services, plan.actual.destinations), new)
    else:
        gone = deleted(before, new)
    return {place for place in gone if times.get(place[0], 0) > 0}


def gateways_of(*configs: LvsConfig) -> frozenset[Address]:
    """The floating addresses by which NAT real servers answer."""
    settings = [config.global_settings for config in configs]
    given = [one for each in settings for one in (each.nat_router, each.nat_router6)]
    return frozenset(one.address for one in given if one is not None)


def _place(change: Change) -> Place | None:
    if change.part is Part.DESTINATION and change.service_key and change.destination_key:
        return change.service_key, change.destination_key
    return None


def _counted(table: Table, services: Collection[ServiceKey]) -> int:
    return sum(
        connections(counters)
        for key in services
        for counters in table.destination_counters.get(key, {}).values()
    )


def _ending(count: int) -> str:
    return f"{number_of_connections(count)} {'ends' if count == 1 else 'end'}"
