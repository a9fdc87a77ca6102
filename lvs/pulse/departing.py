"""Deleted real servers that keep their connections for a while.

An install that takes a real server out of lvs.cf, or deactivates it, gives it weight 0 in the kernel's table.
One that has no connections then goes in the same install, any other when it has none left, or `drain_time`
of its virtual server is over. A service that goes takes all of its real servers with it at once.

`departing.json` beside the ledger is written before the kernel is changed, so that a restart goes on where
it was. There a service goes by how it is written, since its name may be another by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lvs.config.memo import Memo
from lvs.config.model import Forwarding, LvsConfig, VirtualServer
from lvs.errors import RouterError
from lvs.pulse.events import Events
from lvs.pulse.kept import Kept
from lvs.pulse.kernel_work import KernelWork
from lvs.router.ipvs import Table
from lvs.router.plan import Place, active_members, service_key, sorry_key
from lvs.router.sentences import Names
from lvs.router.state import Counters, Destination, DestinationKey, ServiceKey

NAME = "departing.json"
VERSION = 1  # of the file's form


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """A deleted real server. name: "" where it had none; until: seconds since the epoch.

    destination: its entry in the table, at weight 0. connections: as of the last look.
    """

    place: Place
    name: str
    destination: Destination
    until: float
    connections: int = 0


def connections(counters: Counters | None) -> int:
    """Those that would be cut: UDP has only inactive ones; persistence alone is none."""
    return counters.active + counters.inactive if counters else 0


class Departing:
    """Those that are leaving, by their places."""

    def __init__(
        self, folder: Path, work: KernelWork, events: Events, clock: Callable[[], float] = time.time
    ) -> None:
        self._file = Kept(folder / NAME, VERSION, work, events)
        self._events = events
        self._clock = clock
        self._leaving: dict[Place, Leaver] = {}
        self._read: list[Mapping[str, Any]] = []  # what the file had, until the first configuration is known

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, in a sentence."""
        return self._file.problem

    def __bool__(self) -> bool:
        return bool(self._leaving)

    @property
    def leavers(self) -> Mapping[Place, Leaver]:
        return dict(self._leaving)

    @property
    def destinations(self) -> dict[Place, Destination]:
        """What the kernel's table is to have of them."""
        return {place: leaver.destination for place, leaver in self._leaving.items()}

    def of(self, service: ServiceKey) -> list[Leaver]:
        return [leaver for (key, _), leaver in self._leaving.items() if key == service]

    # ---- the file

    async def load(self) -> None:
        """Take up the file. What cannot be understood costs connections, and is said."""
        try:
            text = await self._file.text()
            self._read = list(self._file.document(text)["leaving"]) if text else []
        except (RouterError, ValueError, KeyError, TypeError, RecursionError) as error:
            self._events.error(
                f"{self._file.path} cannot be understood ({error}): real servers that were deleted lately "
                "lose the connections that they kept. Nothing is to be done."
            )

    async def save(self) -> None:
        """Write the file; what the disk refuses is a problem in the status."""
        try:
            await self._file.write(leaving=[_document(one) for one in self._leaving.values()])
        except RouterError as error:
            self._file.complain(
                f"{error}. Deleted real servers would lose their connections at a restart of pulse"
            )

    async def forget(self) -> None:
        """Nobody is leaving any more: there is no configuration."""
        self._read = []
        if self._leaving:
            self._leaving = {}
            await self.save()

    # ---- who leaves

    async def keep_only(self, config: LvsConfig) -> None:
        """With this configuration: what it has again is not deleted, and what has lost its service goes."""
        groups = grouped(config)
        before = self._leaving
        if self._read:
            self._leaving = before | self._taken_up(config, {str(key): key for key in groups})
        self._leaving = {place: leaver for place, leaver in self._leaving.items() if _is_gone(place, groups)}
        if self._leaving.keys() != before.keys() or self._read:
            self._read = []
            await self.save()

    async def begin(self, config: LvsConfig, leaving: Iterable[Place], table: Table, names: Names) -> None:
        """Have those of leaving depart that are in the table, which has counters, and take connections."""
        now, times = self._clock(), drain_times(config)
        begun = {}
        for place in leaving:
            service, key = place
            present = table.destination(service, key)
            seconds = times.get(service, 0)
            count = connections(table.counted(service, key))
            if present is None or seconds <= 0 or (present.weight == 0 and count == 0):
                continue
            begun[place] = Leaver(
                place=place,
                name=names.real_servers.get(place) or "",
                destination=replace(present, weight=0),
                until=now + seconds,
                connections=count,
            )
        if begun:
            self._leaving = self._leaving | begun
            await self.save()

    async def look(self, table: Table, names: Names, seen: Collection[Place]) -> bool:
        """Let those go that have no connections left, or no time; whether there were any.

        table: with counters; seen: those whose services it was asked for. One whose weight in the table is
        not 0 yet could still get connections.
        """
        now = self._clock()
        left: dict[Place, Leaver] = {}
        gone: list[Leaver] = []
        for place, leaver in self._leaving.items():
            if place not in seen:
                left[place] = leaver
                continue
            service, key = place
            present = table.destination(service, key)
            count = connections(table.counted(service, key))
            found = replace(leaver, connections=count)
            if present is not None and (count or present.weight) and now < leaver.until:
                left[place] = found
            else:
                gone.append(found)
        self._leaving = left
        if gone:
            for leaver in gone:
                self._say(leaver, names)
            await self.save()
        return bool(gone)

    def _say(self, leaver: Leaver, names: Names) -> None:
        service, key = leaver.place
        called = f"deleted real server {leaver.name} {key}" if leaver.name else f"{key}, not in lvs.cf,"
        of = names.virtual_server(service)
        if leaver.connections:
            self._events.warning(
                f"{called} of {of} goes with {leaver.connections} connections: its drain_time is over"
            )
        else:
            self._events.info(f"{called} of {of} goes: it has no connections")

    def _taken_up(self, config: LvsConfig, services: Mapping[str, ServiceKey]) -> dict[Place, Leaver]:
        now, times = self._clock(), drain_times(config)
        found = {}
        for written in self._read:
            with suppress(KeyError, TypeError, ValueError):  # its service is gone, or it makes no sense
                leaver = _leaver(written, services)
                # The clock may have been set meanwhile: never longer than from now on.
                latest = now + times[leaver.place[0]]
                found[leaver.place] = replace(leaver, until=min(leaver.until, latest))
        return found


Groups = Mapping[ServiceKey, tuple[frozenset[DestinationKey], ...]]


def grouped(config: LvsConfig) -> Groups:
    """What may be in the table behind each active service: real and sorry servers, by virtual server."""
    found: dict[ServiceKey, tuple[frozenset[DestinationKey], ...]] = {}
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if virtual_server.active and key is not None:
            found[key] = (*found.get(key, ()), _members(virtual_server))
    return found


def deleted(before: LvsConfig, new: LvsConfig) -> set[Place]:
    """What was behind a service that stays, and is no more."""
    old, groups = grouped(before), grouped(new)
    found: set[Place] = set()
    for key, members in groups.items():
        had = old.get(key, ())
        if had and had != members:  # mostly the very same sets, which is quick to see
            found |= {(key, one) for one in frozenset().union(*had) - frozenset().union(*members)}
    return found


def strangers(table: Table, config: LvsConfig) -> set[Place]:
    """What is in the table behind a service of config that it does not have."""
    groups = grouped(config)
    return {
        (key, one)
        for key in groups.keys() & table.destinations.keys()
        for one in table.destinations[key].keys() - frozenset().union(*groups[key])
    }


def drain_times(config: LvsConfig) -> dict[ServiceKey, int]:
    """The seconds that each active service gives to what is deleted; the most of those that share it."""
    found: dict[ServiceKey, int] = {}
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if virtual_server.active and key is not None:
            found[key] = max(found.get(key, 0), virtual_server.drain_time)
    return found


@Memo
def _members(virtual_server: VirtualServer) -> frozenset[DestinationKey]:
    found = {key for _, (_, key) in active_members(virtual_server)}
    sorry = sorry_key(virtual_server)
    return frozenset(found if sorry is None else found | {sorry})


def _is_gone(place: Place, groups: Groups) -> bool:
    """Whether its service is there, and it is not behind it."""
    service, key = place
    return service in groups and not any(key in members for members in groups[service])


def _document(leaver: Leaver) -> dict[str, Any]:
    service, key = leaver.place
    destination = leaver.destination
    return {
        "service": str(service),
        "address": str(key.address),
        "port": key.port,
        "name": leaver.name,
        "forwarding": destination.forwarding.value,
        "upper_threshold": destination.upper_threshold,
        "lower_threshold": destination.lower_threshold,
        "until": leaver.until,
    }


def _leaver(written: Mapping[str, Any], services: Mapping[str, ServiceKey]) -> Leaver:
    return Leaver(
        place=(
            services[written["service"]],
            DestinationKey(ip_address(written["address"]), int(written["port"])),
        ),
        name=str(written["name"]),
        destination=Destination(
            Forwarding(written["forwarding"]),
            0,
            int(written["upper_threshold"]),
            int(written["lower_threshold"]),
        ),
        until=float(written["until"]),
    )
