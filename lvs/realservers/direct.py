"""Direct routing: the machine takes what comes for the virtual addresses, and keeps silent in ARP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from lvs.config.model import Address, Forwarding
from lvs.realservers import direct_scripts, redirect
from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, commands, text
from lvs.realservers.shell import ADDRESSES, BOOT, FILES, NFTABLES, PARAMETERS, Recipe, setup

# ip-sysctl: the effective value is the higher one of `all` and the interface's, so `all` is enough.
ARP = ("net.ipv4.conf.all.arp_ignore = 1", "net.ipv4.conf.all.arp_announce = 2")

_WHY = (
    "The router sends clients' packets on as they are, so the machine must take what comes for the virtual "
    "address, and answers the client by itself. It must never say in ARP that the address is its own, or "
    "clients come to it past the router."
)
_SIX = (
    "IPv6 needs no parameter: Linux answers neighbour discovery only on the interface that has the address, "
    "and does not look for duplicates of what is on lo."
)
_UNTIL = "Gone at the next start, unless run with --at-boot (systemd)."
_LO = "/etc/systemd/network/10-piranha-lo.network"
_PIECES = (ADDRESSES, PARAMETERS, FILES)


@dataclass(frozen=True, slots=True)
class _System:
    """What sets the network up at a start, and the file in which it wants the addresses."""

    way: str
    name: str
    when: str
    body: str
    file: str  # {} stands for the way
    then: str
    lines: tuple[str, ...]
    line: str  # for one address
    before: tuple[str, ...] = ()
    more_files: tuple[str, ...] = ()


_SYSTEMS = (
    _System(
        "direct-networkd",
        "systemd-networkd",
        "Where systemd-networkd manages the network.",
        direct_scripts.NETWORKD,
        f"{_LO}.d/{{}}.conf",
        "then `networkctl reload`",
        ("[Network]",),
        "Address={}",
        before=(f"In {_LO}:", commands("[Match]", "Name=lo")),
        more_files=(_LO,),
    ),
    _System(
        "direct-netplan",
        "netplan",
        "On Ubuntu servers.",
        direct_scripts.NETPLAN,
        "/etc/netplan/90-piranha-{}.yaml",
        "then `netplan apply`",
        (
            "network:",
            "  version: 2",
            "  ethernets:",
            "    lo:",
            "      renderer: networkd",
            "      match:",
            "        name: lo",
            "      addresses:",
        ),
        '        - "{}"',
    ),
    _System(
        "direct-ifupdown",
        "ifupdown",
        "On Debian with /etc/network/interfaces.",
        direct_scripts.IFUPDOWN,
        "/etc/network/interfaces.d/piranha-{}",
        "which /etc/network/interfaces must name with source",
        ("iface lo inet manual",),
        "    up ip address replace {} dev lo",
    ),
)


def ways(need: Need) -> Iterator[Setup]:
    """Every way to take what comes for the virtual addresses; none while there are no addresses."""
    if not need.virtual_addresses:
        return
    warnings = tuple(_warnings(need))
    recipes = [_now(need), *(_with(need, system) for system in _SYSTEMS), _networkmanager(need)]
    if _of(need, 4) and need.address.version == 4:
        recipes.append(_arp_filter(need))
    for recipe in recipes:
        yield setup(need, recipe, _settings(need), warnings)
    yield redirect.way(need, warnings)
    yield Setup(
        way=need.way("direct-windows"),
        title="Virtual addresses on a loopback adapter of Windows",
        when="On Windows Server, in PowerShell as administrator. To undo it, remove the adapter.",
        text=_windows(need),
        warnings=warnings,
        forwarding=Forwarding.DIRECT,
    )


def _of(need: Need, version: int) -> list[Address]:
    return [one for one in need.virtual_addresses if one.version == version]


def _lengths(addresses: list[Address]) -> list[str]:
    """The addresses as single ones: /32, /128."""
    return [f"{one}/{one.max_prefixlen}" for one in addresses]


def _all(need: Need) -> list[str]:
    return _lengths(list(need.virtual_addresses))


def _settings(need: Need) -> dict[str, str]:
    four, six = _of(need, 4), _of(need, 6)
    return {
        "ADDRESSES": " ".join(map(str, need.virtual_addresses)),
        "ADDRESSES4": " ".join(map(str, four)),
        "PROFILE": need.way("piranha-vip"),
        "LIST4": ",".join(_lengths(four)),
        "LIST6": ",".join(_lengths(six)),
        "METHOD4": "manual" if four else "disabled",
        "METHOD6": "manual" if six else "disabled",
    }


def _about_six(need: Need) -> str:
    return _SIX if _of(need, 6) else ""


def _silence(need: Need) -> tuple[str, str]:
    if not _of(need, 4):
        return "", ""
    return "In /etc/sysctl.d/98-piranha.conf, then `sysctl --system`:", commands(*ARP)


def _sysctl_file(need: Need, way: str) -> tuple[str, ...]:
    return (f"/etc/sysctl.d/98-piranha-{way}.conf",) if _of(need, 4) else ()


def _now(need: Need) -> Recipe:
    silence = [f"sysctl -w {one.replace(' ', '')}" for one in ARP] if _of(need, 4) else []
    return Recipe(
        way=need.way("direct"),
        title="Virtual addresses on lo, with ip(8)",
        when=f"The usual way, on any Linux. {_UNTIL}",
        by_hand=(
            _WHY,
            "Silence first, then the address:",
            commands(*silence, *(f"ip address add {one} dev lo" for one in _all(need))),
            _about_six(need),
        ),
        body=direct_scripts.KEEPS_SILENT + direct_scripts.NOW,
        pieces=(*_PIECES, BOOT),
    )


def _with(need: Need, system: _System) -> Recipe:
    file = system.file.format(need.way(system.way))
    return Recipe(
        way=need.way(system.way),
        title=f"Virtual addresses on lo, with {system.name}",
        when=system.when,
        by_hand=(
            _WHY,
            *_silence(need),
            *system.before,
            f"In {file}, {system.then}:",
            commands(*_lines(need, system)),
            _about_six(need),
        ),
        body=direct_scripts.KEEPS_SILENT + _filled(need, system),
        pieces=_PIECES,
        files=(*_sysctl_file(need, need.way(system.way)), *system.more_files, file),
    )


def _lines(need: Need, system: _System) -> list[str]:
    return [*system.lines, *(system.line.format(one) for one in _all(need))]


def _filled(need: Need, system: _System) -> str:
    body = system.body + direct_scripts.FILE
    body = body.replace("@FILE@", system.file.format(need.way(system.way))).replace(
        "@MODE@", "600" if ".yaml" in system.file else "644"
    )
    return body.replace("@LINES@", "\n".join(_lines(need, system)))


def _networkmanager(need: Need) -> Recipe:
    name = need.way("piranha-vip")
    lines = [f"nmcli connection add type dummy con-name {name} ifname {name} \\"]
    lines += [
        f"    ipv{version}.method manual ipv{version}.addresses {','.join(_lengths(listed))} \\"
        if (listed := _of(need, version))
        else f"    ipv{version}.method disabled \\"
        for version in (4, 6)
    ]
    return Recipe(
        way=need.way("direct-networkmanager"),
        title="Virtual addresses on an interface of their own, with NetworkManager",
        when="On Fedora, RHEL and their like. The interface, a dummy without a wire, is as silent as lo, "
        "which older NetworkManagers leave alone.",
        by_hand=(
            _WHY,
            *_silence(need),
            "Then:",
            commands(*lines, "    connection.autoconnect yes"),
            _about_six(need),
        ),
        body=direct_scripts.KEEPS_SILENT + direct_scripts.NETWORKMANAGER,
        pieces=_PIECES,
        files=_sysctl_file(need, need.way("direct-networkmanager")),
    )


def _arp_filter(need: Need) -> Recipe:
    table = _arp_table(need)
    old = [
        line
        for one in _of(need, 4)
        for line in (
            f"arptables -A INPUT -d {one} -j DROP",
            f"arptables -A OUTPUT -s {one} -j mangle --mangle-ip-s {need.address}",
        )
    ]
    return Recipe(
        way=need.way("direct-arp-filter"),
        title="Virtual addresses on lo, and a filter for ARP",
        when="Where arp_ignore must stay as it is, because the machine answers on one interface for "
        f"addresses of another. {_UNTIL}",
        by_hand=(
            _WHY,
            "Questions for the virtual address are dropped, and those that the machine itself asks give its "
            "own address as the sender. For `nft -f`:",
            commands(*table.splitlines()),
            "Or with arptables (arptables_jf calls the chains IN and OUT):",
            commands(*old),
            "Then:",
            commands(*(f"ip address add {one} dev lo" for one in _all(need))),
            _about_six(need),
        ),
        body=direct_scripts.KEEPS_SILENT + direct_scripts.ARPTABLES.replace("@TABLE@", table),
        pieces=(ADDRESSES, PARAMETERS, FILES, NFTABLES, BOOT),
    )


def _arp_table(need: Need) -> str:
    own, four = need.address, _of(need, 4)
    return "\n".join(
        [
            "table arp piranha_arp",
            "delete table arp piranha_arp",
            "table arp piranha_arp {",
            "    chain input {",
            "        type filter hook input priority 0; policy accept;",
            *(f"        arp daddr ip {one} drop" for one in four),
            "    }",
            "    chain output {",
            "        type filter hook output priority 0; policy accept;",
            *(f"        arp saddr ip {one} arp saddr ip set {own}" for one in four),
            "    }",
            "}",
        ]
    )


def _windows(need: Need) -> str:
    lines = [
        "# Device Manager, Action, Add legacy hardware, Network adapters: Microsoft KM-TEST Loopback "
        "Adapter.",
        f"# Rename it to VIP. In place of NET write the name of the adapter with {need.address}.",
    ]
    for version in (4, 6):
        if not (addresses := _of(need, version)):
            continue
        netsh = f"netsh interface ipv{version}"
        lines += [
            f'{netsh} set interface "NET" weakhostreceive=enabled',
            f'{netsh} set interface "VIP" weakhostreceive=enabled weakhostsend=enabled dadtransmits=0',
            *(f'{netsh} add address "VIP" {one} skipassource=true' for one in _lengths(addresses)),
        ]
    return text(
        _WHY,
        "Windows takes a packet for an address of another adapter only with the weak host model, and answers "
        "ARP for an address only on the adapter that has it. skipassource keeps the machine from using the "
        "virtual address for what it begins itself. The firewall must let the service in on NET.",
        commands(*lines),
    )


def _warnings(need: Need) -> Iterator[str]:
    for one in need.virtual_servers:
        if one.address is None:
            continue
        if need.address == one.address.address:
            yield f"{need.address} is the virtual address itself: write the real server's own address"
        if not one.address_mask:
            continue
        network = ip_network(f"{one.address.address}/{one.address_mask}", strict=False)
        if need.address.version == network.version and need.address not in network:
            yield (
                f"{need.address} is not in the virtual address' network {network}: direct routing needs "
                "router and real server in one Ethernet segment (VLAN); if they share another one, all is "
                "well"
            )
