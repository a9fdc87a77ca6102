"""The status document (ARCHITECTURE.md): what the router does, in one JSON object. Only puts together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from lvs.config.model import LvsConfig, RealServer, VirtualServer
from lvs.nanny import hand
from lvs.nanny.checker import Target, Watched
from lvs.nanny.descriptions import describe
from lvs.nanny.hand import Hand, Names
from lvs.nanny.health import Verdict
from lvs.nanny.shares import Shares
from lvs.pulse.departing import Leaver
from lvs.pulse.events import Event
from lvs.pulse.kernel_work import Seen
from lvs.router.ipvs import Table
from lvs.router.plan import destination_key, service_key, sorry_key
from lvs.router.state import Counters, DestinationKey, InterfaceAddress, ServiceKey, SyncDaemon

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LastChange:
    """What pulse changed last. cause: in a few words; changes: sentences; refused: (sentence, reason)."""

    at: float
    cause: str
    changes: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def change_document(change: LastChange | None) -> Document | None:
    if change is None:
        return None
    return {
        "at": change.at,
        "cause": change.cause,
        "changes": list(change.changes),
        "refused": refused_document(change.refused),
    }


def refused_document(refused: Iterable[tuple[str, str]]) -> list[Document]:
    return [{"change": change, "reason": reason} for change, reason in refused]


def events_document(events: Iterable[Event]) -> list[Document]:
    return [{"at": event.at, "level": event.level, "text": event.text} for event in events]


def addresses_document(
    wanted: Iterable[InterfaceAddress], missing: frozenset[InterfaceAddress]
) -> list[Document]:
    """The floating addresses; missing: those that could not be raised."""
    ordered = sorted(wanted, key=lambda one: (one.interface, one.address.version, int(one.address)))
    return [
        {
            "address": str(one.address),
            "interface": one.interface,
            "label": one.label,
            "present": one not in missing,
        }
        for one in ordered
    ]


def sync_document(sync: Iterable[SyncDaemon]) -> list[Document]:
    """The halves of the sync daemon that run."""
    return [
        {"state": one.state.value, "interface": one.interface, "id": one.syncid}
        for one in sorted(sync, key=str)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of the real servers at one moment, besides what the kernel has of them.

    hands: those in force, by names. watched: the active ones, and how they are checked. now: seconds since
    the epoch.
    """

    verdicts: Mapping[Target, Verdict] = field(default_factory=dict)
    shares: Shares = field(default_factory=Shares)
    hands: Mapping[Names, Hand] = field(default_factory=dict)
    leavers: Mapping[Target, Leaver] = field(default_factory=dict)
    watched: Mapping[Target, Watched] = field(default_factory=dict)
    now: float = 0.0


def table_documents(
    config: LvsConfig, seen: Seen, held: Held, wanted: Set[ServiceKey]
) -> tuple[list[Document], list[Document]]:
    """The virtual servers of config, and what is foreign."""
    return (
        virtual_servers_document(config, seen.table, held),
        foreign_document(seen.table, seen.owned.services | wanted),
    )


def leaving_of(held: Held) -> dict[ServiceKey, list[Leaver]]:
    """The deleted real servers that keep their connections, by their services."""
    leaving: dict[ServiceKey, list[Leaver]] = {}
    for (service, _), leaver in held.leavers.items():
        leaving.setdefault(service, []).append(leaver)
    return leaving


def virtual_servers_document(
    config: LvsConfig, table: Table, held: Held, only: Collection[str] | None = None
) -> list[Document]:
    """The active virtual servers and their active real servers, in the order of lvs.cf.

    only: those with these names; table need have no others then.
    """
    leaving = leaving_of(held)
    found = []
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if not virtual_server.active or key is None:
            continue
        if only is not None and virtual_server.name not in only:
            leaving.pop(key, None)
            continue
        counters = table.service_counters.get(key)
        real_servers = [
            _real_server(virtual_server, real_server, key, table, held)
            for real_server in virtual_server.real_servers
            if real_server.active and real_server.address is not None
        ]
        found.append(
            {
                "name": virtual_server.name,
                "key": str(key),
                "scheduler": virtual_server.scheduler.value,
                "forwarding": config.forwarding_of(virtual_server).value,
                "persistence": virtual_server.persistence,
                "in_kernel": key in table.services,
                "counters": _counters(counters),
                "protected": sum(each["protected"] for each in real_servers),
                "real_servers": real_servers,
                "sorry_server": _sorry_server(virtual_server, key, table, held.verdicts),
                # Of a service that several virtual servers make up, with the first.
                "departing": [_departing(leaver, table) for leaver in leaving.pop(key, ())],
            }
        )
    return found


def _real_server(
    virtual_server: VirtualServer,
    real_server: RealServer,
    service: ServiceKey,
    table: Table,
    held: Held,
) -> Document:
    key = destination_key(virtual_server, real_server)
    place = (service, key) if key else None
    verdict = (held.verdicts.get(place) if place else None) or Verdict()
    watched = held.watched.get(place) if place else None
    entry = held.hands.get((virtual_server.name, real_server.name)) if held.hands else None
    return {
        "name": real_server.name,
        "address": str(real_server.address),
        "port": real_server.port or virtual_server.port,
        "configured_weight": real_server.weight,
        "health": verdict.health.value,
        "reason": verdict.reason,
        "since": verdict.since,
        "checked_at": verdict.checked_at,
        "hand": hand_document(entry),
        "why": held.shares.why.get(place, "") if place else "",
        "protected": place in held.shares.protected,
        "flapping": verdict.is_flapping(held.now),
        "warning": verdict.warning,
        "check": describe(watched.check) if watched else "",
        **_in_table(table, service, key),
    }


def _departing(leaver: Leaver, table: Table) -> Document:
    service, key = leaver.place
    return {
        "name": leaver.name,
        "address": str(key.address),
        "port": key.port,
        "until": leaver.until,
        "counters": _counters(table.counted(service, key)),
    }


def hand_document(entry: Hand | None) -> Document | None:
    """ENTRY, as ARCHITECTURE.md has it."""
    return None if entry is None else hand.to_wire(entry)


def _sorry_server(
    virtual_server: VirtualServer, service: ServiceKey, table: Table, verdicts: Mapping[Target, Verdict]
) -> Document | None:
    """The sorry server with its weight in the table; None where none is configured."""
    key = sorry_key(virtual_server)
    if key is None:
        return None
    # One that is a real server as well is seen there while it serves as such.
    own = key if (service, key) not in verdicts else None
    return {"address": str(key.address), "port": key.port or virtual_server.port} | _in_table(
        table, service, own
    )


def _in_table(table: Table, service: ServiceKey, key: DestinationKey | None) -> Document:
    destination = table.destination(service, key) if key else None
    counters = table.counted(service, key) if key else None
    return {"weight": destination.weight if destination else None, "counters": _counters(counters)}


def foreign_document(table: Table, ours: frozenset[ServiceKey]) -> list[Document]:
    """The services that pulse neither wants nor has made, in the same shape, their health unknown."""
    return [
        {
            "name": "",
            "key": str(key),
            "scheduler": service.scheduler,
            "forwarding": None,
            "persistence": service.persistence,
            "in_kernel": True,
            "protected": 0,
            "departing": [],
            "counters": _counters(table.service_counters.get(key)),
            "real_servers": [
                _foreign_real_server(table, key, destination)
                for destination in table.destinations.get(key, {})
            ],
            "sorry_server": None,
        }
        for key, service in table.services.items()
        if key not in ours
    ]


def _foreign_real_server(table: Table, service: ServiceKey, key: DestinationKey) -> Document:
    return {
        "name": "",
        "address": str(key.address),
        "port": key.port,
        "configured_weight": None,
        "health": "unknown",
        "reason": "not checked by pulse",
        "since": None,
        "checked_at": None,
        "hand": None,
        "why": "",
        "protected": False,
        "flapping": False,
        "warning": "",
        "check": "",
        **_in_table(table, service, key),
    }


def _counters(counters: Counters | None) -> Document | None:
    if counters is None:
        return None
    # dataclasses.asdict does the same ten times slower, which ten thousand real servers would notice.
    return {
        "connections": counters.connections,
        "packets_in": counters.packets_in,
        "packets_out": counters.packets_out,
        "bytes_in": counters.bytes_in,
        "bytes_out": counters.bytes_out,
        "active": counters.active,
        "inactive": counters.inactive,
        "persistent": counters.persistent,
    }
