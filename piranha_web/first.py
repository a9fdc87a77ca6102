"""The first set-up: which of its steps are done, and what the routers' own machines have. Only puts together.

Nothing of it is kept by itself: every step writes into the candidate, so that it can be left at any time and
taken up by anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from lvs import models
from lvs.config.address import host
from lvs.config.model import Forwarding, LvsConfig, Protocol, VirtualServer
from lvs.router.state import Node
from lvs.sent.asking import Told

LOOPBACK = "lo"
TITLES = {
    "cluster": "Cluster",
    "network": "Network",
    "pair": "Second router",
    "service": "Virtual server",
    "review": "Look and apply",
    "works": "See it work",
}
# Ports at which a browser finds something by itself.
SCHEMES = {80: "http", 8080: "http", 8000: "http", 443: "https", 8443: "https"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the set-up. is_open: whether it can be looked at yet."""

    name: str
    title: str
    is_done: bool
    is_open: bool


def steps(cluster: models.Cluster | None, config: LvsConfig) -> tuple[Step, ...]:
    """The steps of this cluster; without a second router there is none for it."""
    done = done_of(cluster, config)
    names = [name for name in TITLES if name != "pair" or cluster is None or has_pair(cluster)]
    made: list[Step] = []
    for name in names:
        # Nothing can be set up behind a cluster that is not there, nor seen to work before it was applied.
        is_open = name == "cluster" or (cluster is not None and (name != "works" or done["review"]))
        made.append(Step(name=name, title=TITLES[name], is_done=done[name], is_open=is_open))
    return tuple(made)


def done_of(cluster: models.Cluster | None, config: LvsConfig) -> dict[str, bool]:
    """What of the set-up stands in the candidate, or was applied."""
    own, second = config.global_settings, config.redundancy
    is_network = own.primary is not None and (
        own.forwarding is not Forwarding.NAT or own.nat_router is not None or own.nat_router6 is not None
    )
    if cluster is not None and has_pair(cluster):
        is_network = is_network and second.backup is not None
    return {
        "cluster": cluster is not None,
        "network": is_network,
        "pair": second.backup_active,
        "service": any(is_whole(one) for one in config.virtual_servers),
        "review": cluster is not None and cluster.revisions.exists(),
        "works": False,
    }


def is_whole(virtual_server: VirtualServer) -> bool:
    """Whether it would serve: active, with an address and an active real server."""
    return bool(
        virtual_server.active
        and virtual_server.address
        and any(one.active and one.address for one in virtual_server.real_servers)
    )


def has_pair(cluster: models.Cluster) -> bool:
    """Whether the cluster has a second router."""
    return any(router.node == Node.BACKUP for router in cluster.routers.all())


def next_of(made: Sequence[Step]) -> Step:
    """The first step that is not done: the last one never is."""
    return next(step for step in made if not step.is_done)


def beside(made: Sequence[Step], name: str) -> tuple[Step | None, Step | None]:
    """The steps before and after one."""
    at = next((number for number, step in enumerate(made) if step.name == name), 0)
    return (made[at - 1] if at else None, made[at + 1] if at + 1 < len(made) else None)


@dataclass(frozen=True, slots=True)
class Card:
    """A network interface with its machine's own addresses."""

    name: str
    carries: bool
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a router found on its machine. problem: why there is nothing, a sentence; "": there is."""

    router: models.Router
    cards: tuple[Card, ...] = ()
    way_out: str = ""  # the interface of its default route
    gateway: str = ""
    problem: str = ""

    @property
    def public(self) -> Card | None:
        """The interface to everybody: where its default route goes, else the first with an address."""
        found = next((card for card in self.cards if card.name == self.way_out), None)
        return found or next(iter(self.cards), None)

    @property
    def private(self) -> Card | None:
        """The next one with an address."""
        public = self.public
        return next((card for card in self.cards if public and card.name != public.name), None)


def machine_of(router: models.Router, told: Told) -> Machine:
    """What a router tells of its machine, from its answer to `preflight` (ARCHITECTURE.md)."""
    if told.document is None:
        return Machine(router=router, problem=told.problem or f"{router.name} did not answer.")
    # A pulse that is older than this site does not tell.
    cards = tuple(cards_in(told.document.get("interfaces") or ()))
    ways = told.document.get("ways_out") or {}
    way: Mapping[str, Any] = ways.get("4") or ways.get("6") or {}
    if not cards:
        return Machine(router=router, problem=f"{router.name} told of no address on its machine.")
    return Machine(
        router=router, cards=cards, way_out=way.get("interface") or "", gateway=way.get("gateway") or ""
    )


def cards_in(interfaces: Sequence[Mapping[str, Any]]) -> Iterator[Card]:
    """The interfaces that have addresses, in the order in which the kernel has them."""
    for one in interfaces:
        addresses = tuple(found for text in one["addresses"] if (found := address_in(text)))
        if one["name"] != LOOPBACK and addresses:
            yield Card(one["name"], bool(one["carries"]), addresses)


def address_in(text: str) -> IPv4Interface | IPv6Interface | None:
    """An address with its prefix; None: a router wrote something else, which no field is to offer."""
    try:
        return ip_interface(text)
    except ValueError:
        return None


def link_of(virtual_server: VirtualServer) -> str:
    """Where a browser can try the service; "": only another program can."""
    scheme = SCHEMES.get(virtual_server.port)
    if virtual_server.address is None or scheme is None or virtual_server.protocol is not Protocol.TCP:
        return ""
    port = "" if virtual_server.port in (80, 443) else f":{virtual_server.port}"
    return f"{scheme}://{host(str(virtual_server.address.address))}{port}/"


def balanced(pulse: Mapping[str, Any] | None, name: str) -> int:
    """How many connections a router has balanced for a virtual server."""
    for one in pulse["virtual_servers"] if pulse else ():
        if one["name"] == name and one["counters"]:
            return int(one["counters"]["connections"])
    return 0
