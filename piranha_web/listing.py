"""What the lists are made of: every virtual and real server of a candidate, small and ready to be searched.

Kept until the candidate changes, and then only what changed is read again: a list of thousands is searched,
sorted and cut into pages without the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, ClassVar

from django.db.models import Q

from lvs import models, store
from lvs.config.address import host
from lvs.rows.shelf import SHELF
from lvs.rows.versions import Versions
from piranha_web.searching import Natural, Ranges, address_order, natural

PAGE = 50  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A real server of a virtual server, as the candidate has it. port: the one that is reached.

    runs: it and its virtual server are active. order: of its address, for sorting.
    """

    pk: int
    owner_pk: int
    owner: str
    name: str
    address: str | None
    port: int
    weight: int
    active: bool
    runs: bool
    order: tuple[int, int]

    @property
    def place(self) -> str:
        """Address and port as they are written."""
        return f"{host(self.address)}:{self.port}" if self.address else "no address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A virtual server of the candidate. further: its column `ports`; forwarding: None where it is inherited.

    names, addresses, ports, ranges: what searches look into, the real servers' as well. order, natural: of
    its address and its name, for sorting.
    """

    pk: int
    name: str
    active: bool
    address: str | None
    port: int
    further: Sequence[Sequence[int | str]]
    protocol: str
    forwarding: str | None
    scheduler: str
    persistence: int
    fwmark: int
    members: tuple[Member, ...]
    active_members: int
    names: str
    addresses: str
    ports: frozenset[int]
    ranges: Ranges
    order: tuple[int, int]
    natural: Natural

    @property
    def place(self) -> str:
        """Address and port as they are written."""
        return f"{host(self.address)}:{self.port}" if self.address else f"no address, port {self.port}"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One address with all real servers that it is."""

    address: str
    members: tuple[Member, ...]

    ranges: ClassVar[Ranges] = ()

    @cached_property
    def names(self) -> str:
        """Its names, and those of the virtual servers that it serves."""
        return _lines(name.casefold() for one in self.members for name in (one.name, one.owner))

    @property
    def addresses(self) -> str:
        return self.address

    @cached_property
    def ports(self) -> frozenset[int]:
        return frozenset(one.port for one in self.members)

    @property
    def order(self) -> tuple[int, int]:
        return self.members[0].order

    @property
    def name(self) -> str:
        """What it is called; of several names the first, with how many more."""
        names = list(dict.fromkeys(one.name for one in self.members))
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    @cached_property
    def natural(self) -> Natural:
        """Of its name, for sorting."""
        return natural(self.members[0].name)


@dataclass(frozen=True)
class Listing:
    """All of a candidate that lists show, in the order of lvs.cf. forwarding: what services inherit."""

    services: tuple[Service, ...]
    machines: tuple[Machine, ...]
    forwarding: str

    @cached_property
    def by_pk(self) -> Mapping[int, Service]:
        return {one.pk: one for one in self.services}

    @cached_property
    def by_name(self) -> Mapping[str, Service]:
        return {one.name: one for one in self.services}

    @cached_property
    def machines_by_name(self) -> tuple[Machine, ...]:
        """The same by name: to sort 50,000 of them takes longer than a page may."""
        return tuple(sorted(self.machines, key=attrgetter("natural")))

    @cached_property
    def by_address(self) -> Mapping[str, Machine]:
        return {one.address: one for one in self.machines}


_SERVICES: Versions[Service] = Versions()


def listing(cluster: models.Cluster) -> Listing:
    """The candidate of the cluster for lists; kept until it changes."""
    edition = store.edition(cluster)
    return SHELF.get(f"listing-{cluster.pk}-{edition}", lambda: _listing(cluster))


def _listing(cluster: models.Cluster) -> Listing:
    """The same from the rows that changed and what is known of the others."""
    forwarding = models.GlobalSettings.objects.values_list("forwarding", flat=True).get(cluster=cluster)
    services = _SERVICES.of(cluster.pk, store.versions(cluster), partial(_read, cluster))
    name = f"machines-{cluster.pk}"
    before: Mapping[str, Machine] = SHELF.get(name, dict)
    machines = _machines(services, before)
    SHELF.put(name, {one.address: one for one in machines})
    return Listing(tuple(services), machines, forwarding)


def _machines(services: Iterable[Service], before: Mapping[str, Machine]) -> tuple[Machine, ...]:
    """The real servers by their address, in its order; those without an address are left out.

    One whose real servers did not change is the same object again, with what was worked out for it.
    """
    found: dict[str, list[Member]] = defaultdict(list)
    for service in services:
        for member in service.members:
            if member.address:
                found[member.address].append(member)
    machines = []
    for address, members in found.items():
        known, own = before.get(address), tuple(members)
        is_same = known is not None and known.members == own
        machines.append(known if known is not None and is_same else Machine(address=address, members=own))
    return tuple(sorted(machines, key=attrgetter("order")))


_SERVICE: tuple[str, ...] = ("pk", "name", "active", "address", "port", "ports", "protocol", "forwarding")
_SERVICE += ("scheduler", "persistence", "fwmark")
_MEMBER = ("virtual_server_id", "pk", "name", "address", "port", "weight", "active")


def _read(cluster: models.Cluster, pks: Collection[int] | None) -> dict[int, Service]:
    """The virtual servers with these numbers; None: all of the cluster."""
    chosen = Q(cluster=cluster) if pks is None else Q(cluster=cluster, pk__in=pks)
    owners = models.VirtualServer.objects.filter(chosen).order_by()
    members: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    rows = models.RealServer.objects.filter(virtual_server__in=owners.values("pk"))
    for owner, *columns in rows.order_by("position", "pk").values_list(*_MEMBER):
        members[owner].append(tuple(columns))
    return {row[0]: _service(row, members.get(row[0], ())) for row in owners.values_list(*_SERVICE)}


def _service(row: Sequence[Any], rows: Iterable[tuple[Any, ...]]) -> Service:
    columns = dict(zip(_SERVICE, row, strict=True))
    further = columns.pop("ports")
    name, port, address = columns["name"], columns["port"], columns["address"]
    members = tuple(_member(columns, one) for one in rows)
    return Service(
        **columns,
        further=further,
        members=members,
        active_members=sum(one.active for one in members),
        names=_lines([name.casefold(), *(one.name.casefold() for one in members)]),
        addresses=_lines(text for text in (address, *(one.address for one in members)) if text),
        ports=frozenset([port, *(one.port for one in members)]),
        ranges=tuple((int(first), int(last)) for first, last, *_protocol in further),
        order=address_order(address),
        natural=natural(name),
    )


def _member(owner: Mapping[str, Any], row: tuple[Any, ...]) -> Member:
    pk, name, address, port, weight, active = row
    return Member(
        pk=pk,
        owner_pk=owner["pk"],
        owner=owner["name"],
        name=name,
        address=address,
        port=port or owner["port"],
        weight=weight,
        active=active,
        runs=active and owner["active"],
        order=address_order(address),
    )


def _lines(words: Iterable[str]) -> str:
    """Each once, in lines."""
    return "\n".join(dict.fromkeys(words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list. number: from 1; count: rows of all pages; first, last: which of them these are."""

    rows: tuple[Any, ...]
    number: int
    pages: int
    count: int

    @property
    def first(self) -> int:
        return (self.number - 1) * PAGE + 1 if self.count else 0

    @property
    def last(self) -> int:
        return min(self.number * PAGE, self.count)

    @property
    def before(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def after(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


def page_of(rows: Sequence[Any], asked: str) -> Page:
    """The page that the address asks for; senseless numbers are the first, too high ones the last."""
    pages = max(1, -(-len(rows) // PAGE))
    wanted = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 8 else 1
    number = min(max(1, wanted), pages)
    return Page(
        rows=tuple(rows[(number - 1) * PAGE : number * PAGE]), number=number, pages=pages, count=len(rows)
    )
