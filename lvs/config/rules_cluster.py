"""Rules about the cluster: the two routers, and what virtual servers do to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lvs.config.addresses import device_faults
from lvs.config.marks import free_mark, free_marks
from lvs.config.memo import Last, Memo
from lvs.config.model import (
    Address,
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Problem,
    Protocol,
    Redundancy,
    Service,
    VirtualServer,
)
from lvs.config.ports import FTP_DATA, asked_ports, marked_ports
from lvs.config.sentences import Place, error, warning

SHORTEST_USUAL = 0.1  # seconds between heartbeats that any two machines keep up
Fronts = tuple[GlobalSettings, Redundancy, tuple[VirtualServer, ...]]


def cluster_problems(config: LvsConfig) -> Iterator[Problem]:
    """Every problem that no single virtual server has by itself."""
    yield from _heartbeat(config)
    yield from _routers(config)
    yield from _takeover(config)
    yield from _gateways(config)
    yield from _kept_only(config)
    yield from _without_mark(config)
    own = (replace(config.global_settings, serial_no=0), config.redundancy)
    yield from _between((*own, tuple(_front(one) for one in config.virtual_servers if one.active)))


@Memo
def _front(service: VirtualServer) -> VirtualServer:
    """What others can be in conflict with: the real servers, which change more often, left out."""
    return replace(service, real_servers=(), comments=())


@Last
def _between(given: Fronts) -> tuple[Problem, ...]:
    """What the active virtual servers do to each other and to the routers."""
    active = given[2]
    return (*_same_mark(active), *_same_ports(given), *_floating_addresses(given))


def _heartbeat(config: LvsConfig) -> Iterator[Problem]:
    redundancy = config.redundancy
    keepalive, deadtime = redundancy.keepalive, redundancy.deadtime
    if 0 < deadtime <= keepalive:
        message = f"deadtime {deadtime} is not above keepalive {keepalive}: write at least {3 * keepalive}"
        yield (error if redundancy.backup_active else warning)((), "deadtime", message)
    elif deadtime < 2 * keepalive and redundancy.backup_active:
        message = f"one lost heartbeat is enough for a takeover: write deadtime = {3 * keepalive} or more"
        yield warning((), "deadtime", message)
    if 0.01 <= keepalive < SHORTEST_USUAL and redundancy.backup_active:
        message = (
            f"keepalive {keepalive} is very short: a busy machine or switch may look dead for longer than "
            f"deadtime, so write {SHORTEST_USUAL} or more unless you have measured yours"
        )
        yield warning((), "keepalive", message)
    if redundancy.syncdaemon and not redundancy.backup_active:
        yield warning((), "syncdaemon", "syncdaemon has nobody to copy connections to: set backup_active")
    for fault in device_faults(redundancy.syncd_iface):
        yield error((), "syncd_iface", f"syncd_iface {fault}")
    if not redundancy.heartbeat:
        yield warning(
            (), "heartbeat", "heartbeat = 0 has no effect: backup_active switches heartbeats on and off"
        )


def _routers(config: LvsConfig) -> Iterator[Problem]:
    settings, redundancy = config.global_settings, config.redundancy
    if redundancy.backup_active:
        if redundancy.backup is None:
            yield error((), "backup", "backup_active is 1 but backup is missing: write the backup's address")
        if settings.primary is None:
            yield error(
                (), "primary", "a router knows by primary which of the two it is: write primary = ADDRESS"
            )
        if (settings.primary_private is None) != (redundancy.backup_private is None):
            missing = "primary_private" if settings.primary_private is None else "backup_private"
            yield warning((), missing, f"the second heartbeat link needs both ends: set {missing} too")
        elif settings.primary_private is None:
            yield warning(
                (),
                "backup_private",
                "heartbeats have one path only, and what cuts it looks like a dead router: "
                "set primary_private and backup_private to addresses on another network",
            )
    own: dict[Address, str] = {}
    for name, address in (
        ("primary", settings.primary),
        ("primary_private", settings.primary_private),
        ("backup", redundancy.backup),
        ("backup_private", redundancy.backup_private),
    ):
        if address is None:
            continue
        if address in own and own[address][:4] != name[:4]:
            yield error((), name, f"{name} and {own[address]} are both {address}: give each router its own")
        own.setdefault(address, name)
    for name, one, other in (
        ("backup", settings.primary, redundancy.backup),
        ("backup_private", settings.primary_private, redundancy.backup_private),
    ):
        if one and other and one.version != other.version:
            yield error((), name, f"{name} {other} and its partner {one} are of two families: use one")


def _takeover(config: LvsConfig) -> Iterator[Problem]:
    """What decides who is active, beside the heartbeat."""
    redundancy = config.redundancy
    if not redundancy.backup_active:
        for name in ("monitor_links", "failback", "check_gateway"):
            if getattr(redundancy, name):
                yield warning((), name, f"{name} has no effect without a backup router: set backup_active")
    gateway = redundancy.check_gateway
    if gateway is None:
        return
    for name, address in own_addresses(config):
        if address == gateway:
            yield error(
                (),
                "check_gateway",
                f"check_gateway {gateway} is the cluster's own ({name}): write the address of a machine "
                "that neither router is, such as their default gateway",
            )
            return


def own_addresses(config: LvsConfig) -> Iterator[tuple[str, Address]]:
    """Every address that a router of the cluster has or may have, with what it is."""
    settings, redundancy = config.global_settings, config.redundancy
    for name, address in (
        ("primary", settings.primary),
        ("primary_private", settings.primary_private),
        ("backup", redundancy.backup),
        ("backup_private", redundancy.backup_private),
    ):
        if address is not None:
            yield name, address
    for name, floating in (("nat_router", settings.nat_router), ("nat_router6", settings.nat_router6)):
        if floating is not None:
            yield name, floating.address
    for service in config.virtual_servers:
        if service.address is not None:
            yield f"virtual server {service.name}", service.address.address


def _gateways(config: LvsConfig) -> Iterator[Problem]:
    settings = config.global_settings
    for name, gateway, family in (
        ("nat_router", settings.nat_router, 4),
        ("nat_router6", settings.nat_router6, 6),
    ):
        if gateway is not None:
            if gateway.address.version != family:
                other = "nat_router6" if family == 4 else "nat_router"
                yield error((), name, f"{name} {gateway.address} is not IPv{family}: write it as {other}")
            elif gateway.address.is_unspecified:
                yield error(
                    (), name, f"{name} {gateway.address} is nobody's address: write one, or remove {name}"
                )
            continue
        user = _nat_user(config, family)
        if user is not None:
            yield warning(
                (),
                name,
                f"virtual server {user} uses nat, so its real servers need this router as their gateway: "
                f"set {name} to an address that moves with it",
            )
    if settings.nat_mask is not None and settings.nat_router is None:
        yield warning((), "nat_mask", "nat_nmask has no effect without nat_router: remove it")
    for name, command in (("active_cmd", settings.active_cmd), ("inactive_cmd", settings.inactive_cmd)):
        if command is not None and not command.startswith("/"):
            yield warning((), name, f"{name} needs the program's whole path: begin it with /")


def _nat_user(config: LvsConfig, family: int) -> str | None:
    """An active virtual server whose real servers answer through this router."""
    for service in config.virtual_servers:
        if not service.active or service.address is None:
            continue
        if service.address.address.version == family and config.forwarding_of(service) is Forwarding.NAT:
            return service.name
    return None


def _kept_only(config: LvsConfig) -> Iterator[Problem]:
    if config.global_settings.service is Service.FOS:
        yield warning(
            (),
            "service",
            "service = fos runs failover services only, which are not run any more: write service = lvs",
        )
    if config.failover_services:
        first = config.failover_services[0].name
        yield warning(
            ("failover", first),
            None,
            "failover services are kept in the file but not run: use virtual servers",
        )


def _without_mark(config: LvsConfig) -> Iterator[Problem]:
    several = [one for one in config.virtual_servers if one.ports and not one.fwmark]
    for service, mark in zip(several, free_marks(config, [one.port for one in several]), strict=True):
        yield error(
            ("virtual", service.name),
            "ports",
            f"several ports are gathered by a firewall mark: write fwmark = {mark}, which is free",
        )


def _same_mark(active: tuple[VirtualServer, ...]) -> Iterator[Problem]:
    taken: dict[tuple[int, int], VirtualServer] = {}
    for service in active:
        if not service.fwmark:
            continue
        key = (service.fwmark, service.address.address.version if service.address else 4)
        if key in taken:
            yield error(
                ("virtual", service.name),
                "fwmark",
                f"fwmark {service.fwmark} makes the service of virtual server {taken[key].name} already: "
                + _own_service(service, taken[key], active),
            )
        taken.setdefault(key, service)


def _own_service(service: VirtualServer, other: VirtualServer, active: tuple[VirtualServer, ...]) -> str:
    """What to do where two have one mark: only those of one address can be made one."""
    addresses = [each.address and each.address.address for each in (service, other)]
    if addresses[0] == addresses[1]:
        return "make them one virtual server that names the further ports in its ports directive"
    mark = free_mark(LvsConfig(virtual_servers=active), service.fwmark)
    return f"give one of them a mark of its own, such as fwmark = {mark}"


def _same_ports(given: Fronts) -> Iterator[Problem]:
    taken: dict[tuple[Address, Protocol], list[tuple[PortRange, str]]] = defaultdict(list)
    for service in given[2]:
        if service.address is None or service.address.address.is_unspecified:
            continue
        for protocol, ports in _taken_ports(service, service.forwarding or given[0].forwarding):
            taken[service.address.address, protocol].append((ports, service.name))
    for (address, protocol), ranges in taken.items():
        ranges.sort(key=lambda item: item[0])
        last, owner = ranges[0]
        for ports, name in ranges[1:]:
            if ports.first <= last.last and name != owner:
                yield error(
                    ("virtual", name),
                    "ports" if ports.first != ports.last else "port",
                    f"{address} {protocol} port {ports}{_ftp_data(protocol, ports, last)} belongs to virtual "
                    f"server {owner} already: change one of them, or deactivate it",
                )
            if ports.last > last.last:
                last, owner = ports, name


def _taken_ports(service: VirtualServer, forwarding: Forwarding) -> Sequence[tuple[Protocol, PortRange]]:
    """What nobody else can have: what clients ask, and what its firewall mark is for besides."""
    return marked_ports(service, forwarding) if service.fwmark else asked_ports(service)


def _ftp_data(protocol: Protocol, *ranges: PortRange) -> str:
    """Says which port that is, since no directive of the virtual server names it."""
    data = PortRange(FTP_DATA, FTP_DATA)
    return " (where FTP sends its data from)" if protocol is Protocol.TCP and data in ranges else ""


def _floating_addresses(given: Fronts) -> Iterator[Problem]:
    settings, redundancy, active = given
    own = {settings.primary, settings.primary_private, redundancy.backup, redundancy.backup_private}
    first: dict[Address, tuple[str, FloatingAddress, int | None]] = {}
    labels: dict[str, tuple[str, Address]] = {}
    users: list[tuple[Place, str, str, FloatingAddress | None, int | None]] = [
        ((), "nat_router", "nat_router", settings.nat_router, settings.nat_mask),
        ((), "nat_router6", "nat_router6", settings.nat_router6, None),
    ]
    users += [(("virtual", s.name), "address", s.name, s.address, s.address_mask) for s in active]
    for place, field, name, floating, mask in users:
        if floating is None or floating.address.is_unspecified:
            continue
        address, device = floating.address, floating.device
        if address in own:
            yield error(
                place, field, f"{address} is a router's own address and cannot float: choose a free one"
            )
        if address in first:
            yield from _twice(place, field, floating, mask, first[address])
        elif ":" in device and device in labels:
            yield warning(
                place,
                field,
                f"{device} carries {labels[device][1]} of {labels[device][0]} already: use the next, "
                f"such as {floating.interface}:{len(labels) + 1}",
            )
        first.setdefault(address, (name, floating, mask))
        labels.setdefault(device, (name, address))


def _twice(
    place: Place,
    field: str,
    floating: FloatingAddress,
    mask: int | None,
    other: tuple[str, FloatingAddress, int | None],
) -> Iterator[Problem]:
    """An address that stands in two places must be the same in both; the first one's device counts."""
    name, earlier, earlier_mask = other
    if floating.interface != earlier.interface:
        yield error(
            place,
            field,
            f"{floating.address} is on {floating.device} here and on {earlier.device} in {name}: "
            "an address has one device, write the same",
        )
    elif floating.device != earlier.device:
        yield warning(
            place,
            field,
            f"{floating.address} is labelled {earlier.device} by {name} already: write the same device",
        )
    elif mask != earlier_mask and field == "address":
        yield warning(
            place,
            "address_mask",
            f"{floating.address} has another vip_nmask in {name}: write the same in both",
        )
