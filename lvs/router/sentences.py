"""Changes in the administrator's words: "add real server web3 10.0.0.13:80 to shop-http, weight 2". Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lvs.config.address import host
from lvs.config.memo import Memo
from lvs.config.model import Forwarding, LvsConfig, VirtualServer
from lvs.router.judges.words import some
from lvs.router.parameters import REASONS
from lvs.router.plan import (
    ONE_PACKET,
    Place,
    destination_keys,
    service_key,
    sorry_key,
)
from lvs.router.state import (
    Destination,
    DestinationKey,
    Family,
    InterfaceAddress,
    MarkRule,
    Netfilter,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
)
from lvs.router.sync import started

MOST_MARKS = 4  # that one sentence tells apart
MODULE_REASONS = {"ip_vs_ftp": "it leads the data connections of FTP to NAT real servers"}
METHODS = {Forwarding.NAT: "NAT", Forwarding.DIRECT: "direct routing", Forwarding.TUNNEL: "tunnelling"}
SCHEDULER_BITS = {"sh": {0x08: "sh-fallback", 0x10: "sh-port"}, "mh": {0x08: "mh-fallback", 0x10: "mh-port"}}


@Memo
def _names_in(virtual_server: VirtualServer) -> Mapping[DestinationKey, str]:
    """The names of its real servers; "" for its sorry server where that is no real server as well."""
    pairs = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
    named: dict[DestinationKey, str] = {}
    for real_server, key in pairs:
        if key is not None:
            named[key] = named.get(key) or real_server.name
    sorry = sorry_key(virtual_server)
    return named if sorry is None else {sorry: ""} | named


class RealServerNames(Mapping[Place, str]):
    """The names of the real servers in some virtual servers, looked up only when a sentence needs them."""

    def __init__(self, virtual_servers: Mapping[ServiceKey, Sequence[VirtualServer]]) -> None:
        self._virtual_servers = virtual_servers

    def __getitem__(self, place: Place) -> str:
        service, key = place
        found = [_names_in(each).get(key) for each in self._virtual_servers.get(service, ())]
        known = [name for name in found if name is not None]
        if not known:
            raise KeyError(place)
        return next(filter(None, known), "")

    def __iter__(self) -> Iterator[Place]:
        for service, virtual_servers in self._virtual_servers.items():
            for key in dict.fromkeys(key for each in virtual_servers for key in _names_in(each)):
                yield service, key

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Names:
    """What lvs.cf calls the services and destinations of a kernel; what it does not know goes by its key.

    real_servers: the name, or "" for a sorry server.
    """

    services: Mapping[ServiceKey, str] = field(default_factory=dict)
    real_servers: Mapping[tuple[ServiceKey, DestinationKey], str] = field(default_factory=dict)

    @classmethod
    def of(cls, *configs: LvsConfig) -> Names:
        """The names in several configurations; the first that has one counts (so: the new one first)."""
        services: dict[ServiceKey, str] = {}
        virtual_servers: dict[ServiceKey, list[VirtualServer]] = {}
        # Most virtual servers are the same in an old and a new configuration.
        for each in {id(one): one for config in configs for one in config.virtual_servers}.values():
            key = service_key(each)
            if key is not None:
                services.setdefault(key, each.name)
                virtual_servers.setdefault(key, []).append(each)
        return cls(services, RealServerNames(virtual_servers))

    def virtual_server(self, key: ServiceKey) -> str:
        """How a sentence about something else calls a service: "shop-http"."""
        return self.services.get(key) or str(key)

    def full_virtual_server(self, key: ServiceKey) -> str:
        """How a sentence about a service calls it: "virtual server shop-http (tcp 10.0.0.1:80)"."""
        name = self.services.get(key)
        return f"virtual server {name} ({key})" if name else f"virtual server {key}"

    def real_server(self, service: ServiceKey, key: DestinationKey) -> str:
        """For instance "real server web1 10.0.0.11:80", "sorry server 10.0.0.9:80"."""
        name = self.real_servers.get((service, key))
        if name:
            return f"real server {name} {key}"
        return f"real server {key}" if name is None else f"sorry server {key}"


def add_service(names: Names, key: ServiceKey, service: Service) -> str:
    settings = [f"scheduler {_scheduler(service)}"]
    if service.persistence:
        settings.append(_persistence(service, key))
    if service.flags & ONE_PACKET:
        settings.append("every datagram by itself")
    return f"add {names.full_virtual_server(key)}, {', '.join(settings)}"


def change_service(names: Names, key: ServiceKey, old: Service, new: Service) -> str:
    settings = []
    if _scheduler(old) != _scheduler(new):
        settings.append(f"scheduler {_scheduler(old)} → {_scheduler(new)}")
    if _persistence(old, key) != _persistence(new, key):
        settings.append(f"{_persistence(old, key)} → {_persistence(new, key)}")
    if (old.flags ^ new.flags) & ONE_PACKET:
        settings.append("every datagram by itself " + ("on" if new.flags & ONE_PACKET else "off"))
    return f"change {names.virtual_server(key)}: {', '.join(settings) or 'flags'}"


def remove_service(names: Names, key: ServiceKey, members: int) -> str:
    with_members = {0: "", 1: " with its real server"}.get(members, f" with its {members} real servers")
    return f"remove {names.full_virtual_server(key)}{with_members}"


def add_destination(names: Names, service: ServiceKey, key: DestinationKey, destination: Destination) -> str:
    method = "" if destination.forwarding is Forwarding.NAT else f", {METHODS[destination.forwarding]}"
    limits = f", {_thresholds(destination)}" if destination.upper_threshold else ""
    return (
        f"add {names.real_server(service, key)} to {names.virtual_server(service)}, "
        f"weight {destination.weight}{method}{limits}"
    )


def change_destination(
    names: Names, service: ServiceKey, key: DestinationKey, old: Destination, new: Destination
) -> str:
    settings = []
    if old.weight != new.weight:
        settings.append(f"weight {old.weight} → {new.weight}")
    if old.forwarding is not new.forwarding:
        settings.append(f"{METHODS[old.forwarding]} → {METHODS[new.forwarding]}")
    if _thresholds(old) != _thresholds(new):
        settings.append(f"{_thresholds(old)} → {_thresholds(new)}")
    return (
        f"change {names.real_server(service, key)} of {names.virtual_server(service)}: {', '.join(settings)}"
    )


def remove_destination(names: Names, service: ServiceKey, key: DestinationKey) -> str:
    return f"remove {names.real_server(service, key)} from {names.virtual_server(service)}"


def load_module(name: str) -> str:
    why = MODULE_REASONS.get(name)
    return f"load the kernel module {name}" + (f": {why}" if why else "")


def set_sysctl(path: str, value: str) -> str:
    why = REASONS.get((path, value))
    return f"set {path} to {value}" + (f": {why}" if why else "")


def set_timeouts(timeouts: Timeouts) -> str:
    named = (("TCP", timeouts.tcp), ("TCP after FIN", timeouts.tcp_fin), ("UDP", timeouts.udp))
    return "set connection timeouts: " + ", ".join(f"{name} {value} s" for name, value in named if value)


def replace_netfilter(netfilter: Netfilter, drift: tuple[str, ...]) -> str:
    """drift: what was changed by hand in the table that is there."""
    parts = []
    if netfilter.marks:
        parts += _marks(netfilter.marks)
    if netfilter.masquerade:
        count = len(netfilter.masquerade)
        parts.append(f"masquerading for {count} real server{'' if count == 1 else 's'}")
    if netfilter.guard:
        networks = some(netfilter.guard.networks) if netfilter.guard.networks else "nobody else"
        parts.append(f"port {netfilter.guard.port} only for this machine and {networks}")
    undone = f" (undoes by hand: {'; '.join(drift)})" if drift else ""
    return f"set netfilter table inet piranha: {'; '.join(parts)}{undone}"


def remove_netfilter() -> str:
    return "remove netfilter table inet piranha"


def add_address(address: InterfaceAddress) -> str:
    return f"add address {_address(address)}"


def announce_address(address: InterfaceAddress) -> str:
    return f"announce {address.address} on {address.interface}"


def remove_address(address: InterfaceAddress) -> str:
    return f"remove address {_address(address)}"


def start_sync(daemon: SyncDaemon) -> str:
    return f"start sync daemon {_half(daemon)}"


def change_sync(old: SyncDaemon, new: SyncDaemon) -> str:
    before, after = _sync_settings(old), _sync_settings(started(new))
    changed = [f"{name} {before[name]} → {after[name]}" for name in after if before[name] != after[name]]
    return f"restart sync daemon {new.state}: {', '.join(changed)}"


def stop_sync(daemon: SyncDaemon) -> str:
    return f"stop sync daemon {_half(daemon)}"


def _half(daemon: SyncDaemon) -> str:
    """For instance "backup on eth1, id 7: takes in the other router's connections"."""
    does = {
        SyncState.MASTER: "tells the other router of connections",
        SyncState.BACKUP: "takes in the other router's connections",
    }
    return f"{daemon.state} on {daemon.interface}, id {daemon.syncid}: {does[daemon.state]}"


def _sync_settings(daemon: SyncDaemon) -> dict[str, str]:
    return {
        "interface": daemon.interface,
        "id": str(daemon.syncid),
        "message length": str(daemon.maxlen),
        "group": str(daemon.group),
        "port": str(daemon.port),
        "TTL": str(daemon.ttl),
    }


def _address(address: InterfaceAddress) -> str:
    return f"{address.address}/{address.prefix} on {address.label or address.interface}"


def _scheduler(service: Service) -> str:
    bits = SCHEDULER_BITS.get(service.scheduler, {})
    return " ".join([service.scheduler, *(name for bit, name in bits.items() if service.flags & bit)])


def _persistence(service: Service, key: ServiceKey) -> str:
    if not service.persistence:
        return "no persistence"
    single = 128 if key.family is Family.V6 else 32
    mask = "" if service.netmask == single else f" for each /{service.netmask}"
    return f"persistence {service.persistence} s{mask}"


def _thresholds(destination: Destination) -> str:
    if not destination.upper_threshold:
        return "no connection limit"
    return f"at most {destination.upper_threshold} connections, again below {destination.lower_threshold}"


def _marks(rules: Sequence[MarkRule]) -> list[str]:
    """Which mark is for which ports; of many marks only their number."""
    of: dict[int, list[MarkRule]] = {}
    for rule in rules:
        of.setdefault(rule.fwmark, []).append(rule)
    if len(of) > MOST_MARKS:
        return [f"{len(of)} firewall marks for {some(_ports(rules))}"]
    return [f"firewall mark {mark} for {some(_ports(of[mark]))}" for mark in sorted(of)]


def _ports(rules: Sequence[MarkRule]) -> list[str]:
    ports = ((rule, str(rule.ports).replace(":", "-")) for rule in rules)
    return [f"{rule.protocol} {host(rule.address)}:{each}" for rule, each in ports]
