"""What the kernel of a router should hold, given configuration, role and health. Pure.

The rules:

* Only active virtual servers make a service, and only their active real servers go behind it, in the
  order of lvs.cf. Both roles have the same table, marks and sysctls, so that a takeover only has to
  raise addresses; floating addresses are the active router's alone.
* A healthy real server has its configured weight; 0 stays 0, that is how an administrator drains. A
  failed one is absent, or, where the virtual server quiesces, there with weight 0, so that its
  connections live on. One that has not been checked yet is absent. `weights` has the exceptions, which
  `lvs.nanny.shares` works out of all else that a weight depends on.
* The sorry server is there, with weight 1, as long as no real server has a weight above 0 in the table.
* A real server that lvs.cf has no more is kept at weight 0 as long as it is `departing`, and masqueraded.
* A firewall mark is set here: packets to a marked virtual server's address, protocol and port (and
  further ports) get it. Virtual servers with the same mark are one service with the real servers of
  all; the first one's settings count. A real server without a port of its own is then reached at the
  port the client asked for (port 0 in the kernel's table), so that one mark can gather 80 and 443.
* Where connections are copied, the active router tells of its own and takes in the other's, whose last
  messages come up to three seconds after a hand-over; the standby takes in, and tells on as long as it
  is `lingering`, for the same reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from lvs.config.memo import Last, Memo
from lvs.config.model import (
    Address,
    FloatingAddress,
    Forwarding,
    LvsConfig,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    VirtualServer,
)
from lvs.config.ports import needs_ftp_helper
from lvs.router import parameters, passing, sync
from lvs.router.parameters import Use
from lvs.router.passing import Passing
from lvs.router.state import (
    Destination,
    DestinationKey,
    Family,
    Guard,
    Health,
    InterfaceAddress,
    KernelState,
    Role,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncState,
    Timeouts,
)

Place = tuple[ServiceKey, DestinationKey]  # where a real server is in the kernel
HealthOf = Mapping[Place, Health]
WeightOf = Mapping[Place, int | None]  # None: not in the table
Members = Mapping[DestinationKey, Destination]
Active = tuple[ServiceKey, VirtualServer, Forwarding]
Floating = tuple[FloatingAddress | None, int | None]  # with the mask, a prefix length

# Flags of a service, include/uapi/linux/ip_vs.h. sh and mh give the same bits the same meanings.
PERSISTENT = 0x0001
ONE_PACKET = 0x0004
SCHEDULER_FLAGS = {
    SchedulerFlag.SH_FALLBACK: (Scheduler.SH, 0x0008),
    SchedulerFlag.SH_PORT: (Scheduler.SH, 0x0010),
    SchedulerFlag.MH_FALLBACK: (Scheduler.MH, 0x0008),
    SchedulerFlag.MH_PORT: (Scheduler.MH, 0x0010),
}
# Bytes of a sync message with one IPv4 connection (struct ip_vs_sync_mesg, ip_vs_sync_v4). The kernel sends a
# message when the next connection finds no room in it, or after two to three seconds (IPVS_SYNC_FLUSH_TIME,
# looked at once a second). So one connection waits that long at the most, not the forty of a full frame: with
# 20 new ones a second the standby knows each after 50 ms instead of 700. A cluster with tens of thousands a
# second spares itself work with syncd_maxlen = 1472.
SHORT_MESSAGE = 44

FTP_HELPER, NO_MODULES = frozenset({"ip_vs_ftp"}), frozenset[str]()

_PLAIN = -1  # in place of a weight: as the health says


def wanted(
    config: LvsConfig,
    role: Role,
    health: HealthOf,
    *,
    lingering: bool = False,
    weights: WeightOf | None = None,
    departing: Mapping[Place, Destination] | None = None,
    guard: Guard | None = None,
) -> KernelState:
    """The state to reach; a real server that health does not name is UNKNOWN.

    lingering: this standby stood down just now, and what its sync daemon still holds must get out. weights:
    what those real servers weigh, whatever their health. departing: deleted real servers that keep their
    connections, as they were in the table; only behind services that are still wanted. guard: of the panel's
    port, which is no part of a configuration.

    Whatever is as it was the last time is the very same value, so that a comparison ends there.
    """
    services: dict[ServiceKey, Service] = {}
    members: dict[ServiceKey, Members] = {}
    sorry: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
    through: list[Passing] = []
    modules: set[str] = set()
    found = _found((dict(health), dict(weights or {})))
    active = list(_active(config))
    for key, virtual_server, forwarding in active:
        share = _share(virtual_server, forwarding)
        through.append(share.passing)
        modules |= share.modules
        own = _own_members(virtual_server, forwarding, found)
        if key not in services:
            services[key], members[key] = share.service, own
        else:
            members[key] = {**members[key], **own}
        if share.sorry is not None:
            sorry.setdefault(key, {})[share.sorry] = Destination(forwarding, 1)
    _let_stand_in(members, sorry, found)
    _keep(members, departing or {})
    through.append(passing.leaving(departing or {}, services.keys()))
    settings, floating = config.global_settings, _addresses(_floating(config, active))
    daemon = _sync(config.redundancy, telling=role is Role.ACTIVE or lingering)
    return KernelState(
        services=services,
        destinations=members,
        addresses=floating if role is Role.ACTIVE else frozenset(),
        netfilter=passing.netfilter(tuple(through), guard),
        sysctls=parameters.wanted(Use.of(config, role)),
        timeouts=Timeouts(settings.tcp_timeout, settings.tcpfin_timeout, settings.udp_timeout),
        sync=daemon,
        modules=frozenset(modules),
        floating=floating if _is_pair(config.redundancy) else frozenset(),
    )


@Memo
def service_key(virtual_server: VirtualServer) -> ServiceKey | None:
    """What names virtual_server in the kernel; None while it has neither address nor firewall mark."""
    address = virtual_server.address.address if virtual_server.address else None
    family = Family.V6 if address and address.version == 6 else Family.V4
    if virtual_server.fwmark:
        return ServiceKey(family, fwmark=virtual_server.fwmark)
    if address is None:
        return None
    return ServiceKey(family, virtual_server.protocol, address, virtual_server.port)


def destination_key(virtual_server: VirtualServer, real_server: RealServer) -> DestinationKey | None:
    """What names real_server behind virtual_server; None while it has no address."""
    if real_server.address is None:
        return None
    if real_server.port is not None:
        return DestinationKey(real_server.address, real_server.port)
    return DestinationKey(real_server.address, 0 if virtual_server.fwmark else virtual_server.port)


@Memo
def destination_keys(virtual_server: VirtualServer) -> tuple[DestinationKey | None, ...]:
    """The keys of its real servers, in their order."""
    return tuple(destination_key(virtual_server, each) for each in virtual_server.real_servers)


def sorry_key(virtual_server: VirtualServer) -> DestinationKey | None:
    """What names virtual_server's sorry server; None when it has none."""
    if virtual_server.sorry_server is None:
        return None
    port = virtual_server.sorry_port or (0 if virtual_server.fwmark else virtual_server.port)
    return DestinationKey(virtual_server.sorry_server, port)


def keys(config: LvsConfig) -> dict[tuple[str, str], Place]:
    """Which service and destination a virtual server's real server is, by both names; active or not."""
    found = {}
    for virtual_server in config.virtual_servers:
        service = service_key(virtual_server)
        pairs = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
        for real_server, destination in pairs:
            if service and destination:
                found[virtual_server.name, real_server.name] = (service, destination)
    return found


def adopted_health(
    config: LvsConfig, actual: KernelState, *, by_hand: Collection[Place] = ()
) -> dict[Place, Health]:
    """The health that the kernel's table shows, for a pulse that starts beside a table in use.

    Planning with it leaves every real server that is serving in its place until a check says otherwise; real
    servers that are not in the table stay UNKNOWN. So do those by_hand, for which an administrator's order
    is in force: their place in the table says nothing of their health.
    """
    found = {}
    for key, virtual_server, _ in _active(config):
        present = actual.destinations.get(key, {})
        pairs = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
        for real_server, place in pairs:
            if not real_server.active or place is None or place not in present or (key, place) in by_hand:
                continue
            quiesced = virtual_server.quiesce and real_server.weight > 0 and present[place].weight == 0
            found[key, place] = Health.FAILED if quiesced else Health.HEALTHY
    return found


def _active(config: LvsConfig) -> Iterator[Active]:
    for virtual_server in config.virtual_servers:
        key = service_key(virtual_server)
        if virtual_server.active and key is not None:
            yield key, virtual_server, config.forwarding_of(virtual_server)


@dataclass(frozen=True, slots=True)
class Share:
    """What one virtual server adds to a plan, whatever the health of its real servers.

    places: those of active_members. sorry: its sorry server. passing: what netfilter does for it. modules: of
    the kernel, those that nothing loads by itself.
    """

    service: Service
    places: tuple[Place, ...]
    sorry: DestinationKey | None
    passing: Passing
    modules: frozenset[str]


@Memo
def _share(virtual_server: VirtualServer, forwarding: Forwarding) -> Share:
    return Share(
        _service(virtual_server),
        tuple(place for _, place in active_members(virtual_server)),
        sorry_key(virtual_server),
        passing.passing(virtual_server, forwarding),
        FTP_HELPER if needs_ftp_helper(virtual_server, forwarding) else NO_MODULES,
    )


@Memo
def active_members(virtual_server: VirtualServer) -> tuple[tuple[RealServer, Place], ...]:
    """Its active real servers, and where each is; of several at one place the last one's settings count."""
    key = service_key(virtual_server)
    pairs = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
    return tuple((each, (key, place)) for each, place in pairs if each.active and place and key)


def _service(virtual_server: VirtualServer) -> Service:
    flags = PERSISTENT if virtual_server.persistence else 0
    if virtual_server.one_packet and (virtual_server.fwmark or virtual_server.protocol is Protocol.UDP):
        flags |= ONE_PACKET
    for flag in virtual_server.scheduler_flags:
        scheduler, bit = SCHEDULER_FLAGS[flag]
        if scheduler is virtual_server.scheduler:
            flags |= bit
    key = service_key(virtual_server)
    netmask = 128 if key and key.family is Family.V6 else 32
    if virtual_server.persistence and virtual_server.persistence_mask is not None:
        netmask = virtual_server.persistence_mask
    return Service(virtual_server.scheduler.value, flags, virtual_server.persistence, netmask)


class Found:
    """The health and weights of all real servers at one moment; the same object as long as none changes.

    weights: of those services only that have exceptions.
    """

    def __init__(self, given: tuple[HealthOf, WeightOf]) -> None:
        self.health, exceptions = given
        self.weights: dict[ServiceKey, dict[DestinationKey, int | None]] = {}
        for (service, place), weight in exceptions.items():
            self.weights.setdefault(service, {})[place] = weight


_found = Last(Found)


@Memo
def _own_members(virtual_server: VirtualServer, forwarding: Forwarding, found: Found) -> Members:
    places = _share(virtual_server, forwarding).places
    health = tuple(map(found.health.get, places))
    exceptions = found.weights.get(places[0][0]) if places and found.weights else None
    own = tuple(exceptions.get(place, _PLAIN) for _, place in places) if exceptions else ()
    return _members(virtual_server, forwarding, health, own if any(w != _PLAIN for w in own) else ())


@Memo
def _members(
    virtual_server: VirtualServer,
    forwarding: Forwarding,
    health: tuple[Health | None, ...],
    exceptions: tuple[int | None, ...],
) -> Members:
    """Its real servers as they should be in the kernel.

    health: that of each of active_members; exceptions: the weight of each, _PLAIN where its health decides;
    () when it does for all.
    """
    members: dict[DestinationKey, Destination] = {}
    active = active_members(virtual_server)
    given = zip(active, health, exceptions or (_PLAIN,) * len(active), strict=True)
    for (real_server, (_, place)), found, exception in given:
        weight = plain_weight(virtual_server, real_server, found) if exception == _PLAIN else exception
        if weight is not None:
            limits = real_server.upper_threshold, real_server.lower_threshold
            members[place] = Destination(forwarding, weight, *limits)
    return members


def plain_weight(virtual_server: VirtualServer, real_server: RealServer, health: Health | None) -> int | None:
    """What an active real server weighs when nothing but its health decides; None: not in the table."""
    if health is Health.HEALTHY:
        return real_server.weight
    return 0 if health is Health.FAILED and virtual_server.quiesce else None


def _let_stand_in(
    members: dict[ServiceKey, Members],
    sorry: Mapping[ServiceKey, Mapping[DestinationKey, Destination]],
    found: Found,
) -> None:
    """Put the sorry servers in where no real server takes new connections.

    But not one that is a real server of that service as well and was taken out by hand or by its agent.
    """
    for key, stand_ins in sorry.items():
        if not any(each.weight > 0 for each in members[key].values()):
            taken_out = found.weights.get(key, {})
            called = {place: each for place, each in stand_ins.items() if place not in taken_out}
            members[key] = {**members[key], **called}


def _keep(members: dict[ServiceKey, Members], departing: Mapping[Place, Destination]) -> None:
    """Keep those at weight 0 that are in no other way behind a service of members."""
    kept: dict[ServiceKey, dict[DestinationKey, Destination]] = {}
    for (service, place), destination in departing.items():
        if service in members and place not in members[service]:
            kept.setdefault(service, {})[place] = replace(destination, weight=0)
    for service, staying in kept.items():
        members[service] = {**members[service], **staying}


def floating_addresses(config: LvsConfig) -> frozenset[InterfaceAddress]:
    """The addresses that the active router has, and only it."""
    return _addresses(_floating(config, list(_active(config))))


def _floating(config: LvsConfig, active: list[Active]) -> tuple[Floating, ...]:
    """The floating addresses with their masks, as often as they are named."""
    settings = config.global_settings
    floating = [(each.address, each.address_mask) for _, each, _ in active]
    if any(forwarding is Forwarding.NAT for _, _, forwarding in active):
        floating += [(settings.nat_router, settings.nat_mask), (settings.nat_router6, None)]
    return tuple(floating)


@Last
def _addresses(floating: tuple[Floating, ...]) -> frozenset[InterfaceAddress]:
    """Each floating address once; the first block that names it says on which device and with which mask."""
    found: dict[Address, InterfaceAddress] = {}
    for each, prefix in floating:
        if each is None or each.address in found:
            continue
        label = each.device if ":" in each.device and each.address.version == 4 else ""
        width = each.address.max_prefixlen
        found[each.address] = InterfaceAddress(
            each.address, width if prefix is None else prefix, each.interface, label
        )
    return frozenset(found.values())


def _is_pair(redundancy: Redundancy) -> bool:
    return redundancy.backup_active and redundancy.backup is not None


def _sync(redundancy: Redundancy, *, telling: bool) -> frozenset[SyncDaemon]:
    """The halves of the sync daemon; telling: with the one that tells of this router's connections."""
    if not parameters.copies_connections(redundancy):
        return frozenset()
    maxlen = redundancy.syncd_maxlen
    half = SyncDaemon(
        SyncState.BACKUP,
        redundancy.syncd_iface,
        redundancy.syncd_id,
        # What comes must fit; the kernel's own choice takes in the longest message of an Ethernet frame.
        maxlen if maxlen > sync.FRAME - sync.LONGEST_HEADERS else 0,
        redundancy.syncd_group,
        redundancy.syncd_port,
        redundancy.syncd_ttl,
    )
    master = replace(half, state=SyncState.MASTER, maxlen=maxlen or SHORT_MESSAGE)
    return frozenset({half, master}) if telling else frozenset({half})
