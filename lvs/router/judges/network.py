"""Remarks on interfaces, addresses and routes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_interface

from lvs.config.model import Address, FloatingAddress, Forwarding, LvsConfig, VirtualServer
from lvs.router import plan
from lvs.router.judges.words import some
from lvs.router.parameter_table import gateways
from lvs.router.parameters import copies_connections
from lvs.router.seen import About, Level, Remark, Seen

REAL_SERVER_GUIDE = "set it up as its page for direct routing says (ARP for virtual addresses must be silent)"


def interfaces(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Those that the configuration names and this machine has not got, or that do not work."""
    for name, whom in _users(seen, config).items():
        found = seen.interfaces.get(name)
        use = f"It is to carry {some(whom)}."
        if found is None:
            there = some(sorted(set(seen.interfaces) - {"lo"}))
            yield Remark(
                Level.ERROR,
                About.INTERFACES,
                f"This machine has no interface {name}.",
                use,
                f"{_making(name)} Or name another one in lvs.cf; there are {there}.",
                "the kernel's list of interfaces",
            )
        elif not found.on:
            yield Remark(
                Level.ERROR,
                About.INTERFACES,
                f"The interface {name} is switched off.",
                use,
                f"Run ip link set {name} up, and have the machine's network configuration bring it up at "
                "boot.",
                f"ip link show {name}",
            )
        elif not found.carries:
            yield Remark(
                Level.ERROR,
                About.INTERFACES,
                f"The interface {name} has no carrier.",
                f"{use} Nothing gets in or out there.",
                "Look at the cable and the switch; for a bond or a VLAN, at the interfaces below it.",
                f"ip link show {name}",
            )


def _making(name: str) -> str:
    """How an interface of that name comes to be, as far as the name tells."""
    below, dot, number = name.rpartition(".")
    if dot and number.isdigit():
        return f"Make the VLAN: ip link add link {below} name {name} type vlan id {number}."
    if name.startswith("bond"):
        return f"Make the bond: ip link add {name} type bond, with its interfaces."
    return "Create it."


def _users(seen: Seen, config: LvsConfig) -> dict[str, list[str]]:
    """The interfaces that are needed, and what for."""
    users: dict[str, list[str]] = defaultdict(list)
    active = active_ones(config)
    for each in active:
        if each.address:
            users[each.address.interface].append(f"{each.address.address} of {each.name}")
    for gateway in gateways(config, active):
        users[gateway.interface].append(f"the real servers' gateway {gateway.address}")
    if copies_connections(config.redundancy):
        users[config.redundancy.syncd_iface].append("copies of connections (syncd_iface)")
    if config.redundancy.backup_active:
        own = own_pairs(seen, config)
        for address in (pair[0] for pair in own):
            for found in seen.addresses:
                if found.address == address:
                    users[found.interface].append(f"the heartbeat from {address}")
    return users


def active_ones(config: LvsConfig) -> list[VirtualServer]:
    return [each for each in config.virtual_servers if each.active]


def own_pairs(seen: Seen, config: LvsConfig) -> list[tuple[Address, Address]]:
    """The addresses of the heartbeat's links, public and private: (own, the other router's)."""
    settings, redundancy = config.global_settings, config.redundancy
    links = (
        (settings.primary, redundancy.backup),
        (settings.primary_private, redundancy.backup_private),
    )
    whole = [(one, other) for one, other in links if one and other]
    here = {each.address for each in seen.addresses}
    is_backup = settings.primary not in here and redundancy.backup in here
    return [(other, one) for one, other in whole] if is_backup else whole


def addresses(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Own addresses that are missing, floating ones that are where they should not be."""
    yield from _own(seen, config)
    present = {each.address: each for each in seen.addresses if each not in seen.owned.addresses}
    mentions: dict[Address, list[str]] = defaultdict(list)
    for mention in seen.mentions:
        mentions[mention.address].append(mention.place)
    known = present.keys() | mentions.keys()
    of_interest = (each for each in plan.floating_addresses(config) if each.address in known)
    for floating in sorted(of_interest, key=str):
        places = mentions.get(floating.address)
        found = present.get(floating.address)
        if places:
            yield Remark(
                Level.ERROR,
                About.ADDRESSES,
                f"The floating address {floating.address} is in this machine's own network configuration.",
                "The machine has it from boot on, whatever its role: two routers answer for it.",
                "Take it out there. Floating addresses belong to pulse alone.",
                some(places),
            )
        elif found:
            yield Remark(
                Level.WARNING,
                About.ADDRESSES,
                f"The floating address {floating.address} is on {found.interface} already, and pulse did "
                "not put it there.",
                "pulse will take it over as its own. If it is another program's, the two pull it back and "
                "forth.",
                "Find out who put it there, or take it off: ip address del "
                f"{floating.address}/{found.prefix} "
                f"dev {found.interface}",
                f"ip address show dev {found.interface}",
            )
    yield from _answered(seen)


def _own(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    settings, redundancy = config.global_settings, config.redundancy
    primary, backup = settings.primary, redundancy.backup
    here = {each.address for each in seen.addresses}
    routers = {name: each for name, each in (("primary", primary), ("backup", backup)) if each}
    evidence = "ip address show"
    if primary is None or not seen.addresses:
        return
    if not here & set(routers.values()):
        yield Remark(
            Level.ERROR,
            About.ADDRESSES,
            f"This machine has the address of no router: {some(f'{n} {a}' for n, a in routers.items())}.",
            "So it takes itself for the backup, and the other router hears no heartbeat from where it "
            "expects one.",
            "Bring the address up, or correct it in lvs.cf (GLOBAL SETTINGS, REDUNDANCY).",
            evidence,
        )
        return
    if len(routers) == 2 and set(routers.values()) <= here:
        yield Remark(
            Level.ERROR,
            About.ADDRESSES,
            f"This machine has the addresses of both routers, {primary} and {backup}.",
            "It counts as the primary, and there is no other router to take over.",
            "Correct the backup's address in lvs.cf, or take it off this machine.",
            evidence,
        )
    private = settings.primary_private if primary in here else redundancy.backup_private
    if redundancy.backup_active and private and private not in here:
        yield Remark(
            Level.ERROR,
            About.ADDRESSES,
            f"This machine has not got its private address {private}.",
            "The heartbeat has one link less: when the public one fails, the routers lose each other.",
            "Bring it up, or correct it in lvs.cf.",
            evidence,
        )


def _answered(seen: Seen) -> Iterator[Remark]:
    own = {each.mac for each in seen.interfaces.values()}
    for answer in seen.answered:
        if answer.mac in seen.peers or answer.mac in own:
            continue
        known = seen.neighbours.get(answer.mac)
        named = answer.mac.hex(":")
        yield Remark(
            Level.ERROR,
            About.ADDRESSES,
            f"Another machine answers for the floating address {answer.address}: {named}"
            + (f", which is {known}." if known else "."),
            "Clients reach whichever answers first.",
            f"If it is a real server, {REAL_SERVER_GUIDE}. Else take the address off it, or choose another "
            "one.",
            f"its answer on {answer.interface}, just now",
        )


def routes(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Packets that the kernel would drop for where they come in, or that have no way."""
    active = active_ones(config)
    yield from _out(seen, config, active)
    yield from _to_real_servers(seen, config, active)
    yield from _one_network(seen, config, active)


def is_strict(seen: Seen, interface: str) -> bool:
    """Whether what comes in there is dropped unless its way back goes out there (ip-sysctl.rst)."""
    values = (seen.value(f"net/ipv4/conf/{each}/rp_filter") for each in ("all", interface))
    return max((int(value) for value in values if value and value.isdigit()), default=0) == 1


def _out(seen: Seen, config: LvsConfig, active: list[VirtualServer]) -> Iterator[Remark]:
    """Clients elsewhere: their requests, and their answers with NAT."""
    for interface in dict.fromkeys(
        each.address.interface for each in active if each.address and each.address.address.version == 4
    ):
        if interface not in seen.interfaces or 4 not in seen.way_out:
            continue
        way = seen.way_out[4]
        if is_strict(seen, interface) and (way is None or way.interface != interface):
            back = f"over {way.interface}" if way else "nowhere: there is no default route"
            yield Remark(
                Level.ERROR if way else Level.WARNING,
                About.ROUTES,
                f"{interface} drops what comes from clients beyond its own networks.",
                f"Its reverse path filter is strict, and the way back to them goes {back}.",
                f"Set the default route over {interface}, or make the filter loose: "
                f"sysctl -w net.ipv4.conf.{interface}.rp_filter=2, and that in a file of /etc/sysctl.d.",
                f"net/ipv4/conf/{{all,{interface}}}/rp_filter, ip route show default",
            )
    for version in (4, 6):
        of = [each for each in gateways(config, active) if each.address.version == version]
        if of and version in seen.way_out and seen.way_out[version] is None:
            yield Remark(
                Level.WARNING,
                About.ROUTES,
                f"This machine has no IPv{version} default route.",
                "Answers of NAT real servers to clients beyond its own networks have no way out.",
                "Add one over the public interface, unless all clients are in networks that it has routes "
                "for.",
                "ip route show default" if version == 4 else "ip -6 route show default",
            )


def _to_real_servers(seen: Seen, config: LvsConfig, active: list[VirtualServer]) -> Iterator[Remark]:
    """Real servers that cannot be reached in the way that their method needs."""
    lost: list[str] = []
    far: dict[str, list[str]] = defaultdict(list)
    aside: dict[str, list[str]] = defaultdict(list)
    nat_interfaces = {each.interface for each in gateways(config, active)}
    for name, address, method in _real_servers(config, active):
        way = seen.ways.get(address)
        if address not in seen.ways or (way and way.interface == "lo"):
            continue
        if way is None:
            lost.append(f"{name} ({address})")
        elif way.gateway and method is Forwarding.DIRECT:
            far[str(way.gateway)].append(f"{name} ({address})")
        elif method is Forwarding.NAT and nat_interfaces and way.interface not in nat_interfaces:
            aside[way.interface].append(f"{name} ({address})")
    yield from _lost(lost)
    for gateway, names in far.items():
        yield _far(gateway, names)
    for interface, names in aside.items():
        yield _aside(seen, interface, names)


def _lost(names: list[str]) -> Iterator[Remark]:
    if names:
        yield Remark(
            Level.ERROR,
            About.ROUTES,
            f"There is no route to {some(names)}.",
            "Neither checks nor clients' packets get there.",
            "Give this machine an address in their network, or a route to it.",
            "ip route get",
        )


def _far(gateway: str, names: list[str]) -> Remark:
    return Remark(
        Level.ERROR,
        About.ROUTES,
        f"{some(names)} can be reached only through the router {gateway}.",
        "Direct routing changes nothing but the MAC address of a packet: it must get there without a router.",
        "Put routers and real servers into one network segment, or use tunnelling or NAT for these.",
        "ip route get",
    )


def _aside(seen: Seen, interface: str, names: list[str]) -> Remark:
    strict = "the reverse path filter there is strict, so what they send is dropped as well."
    return Remark(
        Level.WARNING,
        About.ROUTES,
        f"{some(names)} can be reached over {interface}, where no nat_router address is.",
        "NAT real servers have that address for their gateway, and it is not in their network"
        + (f"; {strict}" if is_strict(seen, interface) else "."),
        f"Put nat_router on {interface}, or correct this machine's routes.",
        "ip route get",
    )


def _real_servers(
    config: LvsConfig, active: list[VirtualServer]
) -> Iterator[tuple[str, Address, Forwarding]]:
    done = set()
    for each in active:
        method = config.forwarding_of(each)
        for real in each.real_servers:
            if real.active and real.address and (real.address, method) not in done:
                done.add((real.address, method))
                yield real.name, real.address, method


def _one_network(seen: Seen, config: LvsConfig, active: list[VirtualServer]) -> Iterator[Remark]:
    """NAT with the clients' and the real servers' networks being the same one."""
    public = {
        each.address.interface
        for each in active
        if each.address and config.forwarding_of(each) is Forwarding.NAT
    }
    floating = {each.address for each in plan.floating_addresses(config)}
    networks = {
        (each.interface, ip_interface(f"{each.address}/{each.prefix}").network)
        for each in seen.addresses
        if each.address not in floating and not each.address.is_link_local
    }
    for gateway in gateways(config, active):
        for interface in sorted(public):
            shared = sorted(
                str(net) for at, net in networks if at == interface and (gateway.interface, net) in networks
            )
            if shared or interface == gateway.interface:
                yield _shared(interface, gateway, shared)


def _shared(interface: str, gateway: FloatingAddress, networks: list[str]) -> Remark:
    return Remark(
        Level.WARNING,
        About.ROUTES,
        f"Clients on {interface} and the real servers behind {gateway.address} are in one network"
        + (f" ({some(networks)})." if networks else "."),
        "A real server answers a client of its own network directly, past this router, and the client "
        "refuses an answer from an address that it never asked. Clients elsewhere are served.",
        "Give the real servers a network of their own, or use direct routing. If it must be: switch "
        f"net.ipv4.conf.{gateway.interface}.send_redirects and all.send_redirects off, and have the real "
        "servers route everything to the gateway.",
        f"the addresses of {interface} and {gateway.interface}",
    )
