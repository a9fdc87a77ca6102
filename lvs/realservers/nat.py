"""NAT: the router's floating address must be the way back, by default or for the service's answers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from lvs.config.model import Address, Forwarding, LvsConfig, Protocol
from lvs.realservers import nat_scripts
from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, commands, text
from lvs.realservers.shell import BOOT, FILES, Recipe, setup

TABLE = 3636  # routing table, and priority of the rules, for the service's answers only
# IP protocol numbers (IANA): ip(8) knows the names only where /etc/protocols is.
NUMBERS = {Protocol.TCP: "6", Protocol.UDP: "17", Protocol.SCTP: "132"}

_WHY = (
    "The router writes the real server's address into what clients send, so the answers must come back to "
    "the router, which writes the virtual address into them. An answer that goes another way reaches a "
    "client that never asked that address."
)
_REMOTE = "Whoever is logged in from another network may lose the connection: stay near a console."
_UNTIL = "Gone at the next start, unless run with --at-boot (systemd)."


@dataclass(frozen=True, slots=True)
class _Way:
    """The words that depend on the address family of the gateway."""

    need: Need
    gateway: Address

    @property
    def own(self) -> Address:
        return self.need.address

    @property
    def four(self) -> bool:
        return self.gateway.version == 4

    @property
    def ip(self) -> str:
        return "ip" if self.four else "ip -6"

    @property
    def metric(self) -> str:
        return "" if self.four else "metric 1"

    @property
    def everywhere(self) -> str:
        return "0.0.0.0/0" if self.four else "::/0"

    @property
    def field(self) -> str:
        return "ipv4" if self.four else "ipv6"

    def settings(self) -> dict[str, str]:
        return {
            "GATEWAY": str(self.gateway),
            "FAMILY": "-4" if self.four else "-6",
            "METRIC": self.metric,
            "EVERYWHERE": self.everywhere,
            "FIELD": self.field,
            "TABLE": str(TABLE),
        }


def ways(config: LvsConfig, need: Need, *, alone: bool) -> Iterator[Setup]:
    """Every way to bring the answers back. alone: the machine serves by no other method as well."""
    settings = config.global_settings
    floating = settings.nat_router if need.address.version == 4 else settings.nat_router6
    if floating is None:
        yield _no_gateway("nat_router" if need.address.version == 4 else "nat_router6")
        return
    way = _Way(need, floating.address)
    warnings = tuple(_warnings(config, need, floating.address, alone=alone))
    makers = (_now, _networkd, _netplan, _ifupdown, _networkmanager)
    for recipe in (*(make(way) for make in makers), _answers_only(way)):
        yield setup(need, recipe, way.settings(), warnings)


def _no_gateway(directive: str) -> Setup:
    remedy = "to a floating address in the real servers' network that no machine has"
    return Setup(
        way="nat",
        title="The gateway is not chosen yet",
        when=f"Before anything else: {directive} is not set.",
        text=text(_WHY, f"Set {directive} (GLOBAL SETTINGS) {remedy}."),
        warnings=(f"{directive} is not set: set it {remedy}",),
        forwarding=Forwarding.NAT,
    )


def _now(way: _Way) -> Recipe:
    return Recipe(
        way=way.need.way("nat"),
        title=f"Default gateway {way.gateway}, with ip(8)",
        when=f"On any Linux, to try it. {_UNTIL} {_REMOTE}",
        by_hand=(_WHY, commands(f"{way.ip} route replace default via {way.gateway} {way.metric}")),
        body=nat_scripts.ROUTE + nat_scripts.DEFAULT + nat_scripts.NOW,
        pieces=(FILES, BOOT),
    )


def _networkd(way: _Way) -> Recipe:
    file = f"/etc/systemd/network/NAME.network.d/50-piranha-{way.need.way('nat-networkd')}.conf"
    return Recipe(
        way=way.need.way("nat-networkd"),
        title=f"Default gateway {way.gateway}, with systemd-networkd",
        when=f"Where systemd-networkd manages the interface with {way.own}. {_REMOTE}",
        by_hand=(
            _WHY,
            f"In {file}, where NAME.network is the file "
            f"that `networkctl status` names for the interface with {way.own}. The old Gateway= goes. Then "
            "`networkctl reload`.",
            commands("[Route]", f"Gateway={way.gateway}"),
        ),
        body=nat_scripts.ROUTE + nat_scripts.DEFAULT + nat_scripts.NETWORKD,
        pieces=(FILES,),
        files=(file,),
    )


def _netplan(way: _Way) -> Recipe:
    file = f"/etc/netplan/90-piranha-{way.need.way('nat-netplan')}.yaml"
    lines = (
        "network:",
        "  version: 2",
        "  ethernets:",
        "    INTERFACE:",
        "      routes:",
        f'        - to: "{way.everywhere}"',
        f'          via: "{way.gateway}"',
    )
    return Recipe(
        way=way.need.way("nat-netplan"),
        title=f"Default gateway {way.gateway}, with netplan",
        when=f"On Ubuntu servers. {_REMOTE}",
        by_hand=(
            _WHY,
            f"In {file}; for INTERFACE write the one with {way.own}. The old "
            "gateway goes. Then `netplan apply`.",
            commands(*lines),
        ),
        body=nat_scripts.ROUTE + nat_scripts.DEFAULT + nat_scripts.NETPLAN,
        pieces=(FILES,),
        files=(file,),
    )


def _ifupdown(way: _Way) -> Recipe:
    return Recipe(
        way=way.need.way("nat-ifupdown"),
        title=f"Default gateway {way.gateway}, with ifupdown",
        when=f"On Debian with /etc/network/interfaces. {_REMOTE}",
        by_hand=(
            _WHY,
            f"In /etc/network/interfaces, in the stanza of the interface with {way.own}, in place of the old "
            "gateway. (The script writes a hook in /etc/network/if-up.d instead, and leaves that file "
            "alone.)",
            commands(f"gateway {way.gateway}"),
        ),
        body=nat_scripts.ROUTE + nat_scripts.DEFAULT + nat_scripts.IFUPDOWN,
        pieces=(FILES,),
        files=(f"/etc/network/if-up.d/piranha-{way.need.way('nat-ifupdown')}",),
    )


def _networkmanager(way: _Way) -> Recipe:
    lines = (
        "nmcli -g GENERAL.CONNECTION device show INTERFACE",
        f"nmcli connection modify PROFILE {way.field}.gateway {way.gateway}",
        "nmcli device reapply INTERFACE",
    )
    return Recipe(
        way=way.need.way("nat-networkmanager"),
        title=f"Default gateway {way.gateway}, with NetworkManager",
        when=f"On Fedora, RHEL and their like. {_REMOTE}",
        by_hand=(
            _WHY,
            f"For INTERFACE write the one with {way.own}, for PROFILE what the first line prints.",
            commands(*lines),
        ),
        body=nat_scripts.ROUTE + nat_scripts.NETWORKMANAGER,
    )


def _answers_only(way: _Way) -> Recipe:
    rules = list(_rules(way.need, {protocol: protocol.value for protocol in Protocol}))
    numbered = list(_rules(way.need, NUMBERS))
    lines = (
        f"{way.ip} route replace default via {way.gateway} table {TABLE}",
        f"{way.ip} route replace NETWORK dev INTERFACE table {TABLE}",
        *(f"{way.ip} rule add {rule} lookup {TABLE} priority {TABLE}" for rule in rules),
    )
    return Recipe(
        way=way.need.way("nat-answers"),
        title=f"Only the service's answers to {way.gateway}",
        when="Where the default gateway must stay: other services, administrators or updates use it. What "
        "the machine begins itself goes its old way. Linux 4.17 or newer. A new port of the virtual server "
        f"needs the script run again. {_UNTIL}",
        by_hand=(
            _WHY,
            "What the service's ports send takes a routing table of its own. NETWORK and INTERFACE are those "
            f"of {way.own}.",
            commands(*lines),
        ),
        body=nat_scripts.ROUTE
        + nat_scripts.ANSWERS.replace("@RULES@", "\n".join(f"    rule {rule}" for rule in numbered)),
        pieces=(FILES, BOOT),
    )


def _rules(need: Need, words: Mapping[Protocol, str]) -> Iterator[str]:
    """What picks the answers. A UDP program that listens on all addresses has no source when it is routed."""
    for protocol, ranges in need.answering_ports():
        source = "" if protocol is Protocol.UDP else f"from {need.address} "
        for ports in ranges:
            yield f"{source}ipproto {words[protocol]} sport {str(ports).replace(':', '-')}"


def _warnings(config: LvsConfig, need: Need, gateway: Address, *, alone: bool) -> Iterator[str]:
    settings = config.global_settings
    if gateway.version == 4 and settings.nat_mask:
        network = ip_network(f"{gateway}/{settings.nat_mask}", strict=False)
        if need.address not in network:
            yield (
                f"{need.address} is not in the NAT router's network {network}: give the real server an "
                "address there, or nat_router one in the real server's network"
            )
        for virtual in need.virtual_addresses:
            if virtual in network:
                yield (
                    f"the virtual address {virtual} is in the real servers' own network {network}: clients "
                    "there are answered past the router and fail; let them come from another network"
                )
    if need.address == gateway:
        yield f"{gateway} is the gateway itself: write the real server's own address"
    if not alone and gateway.version == 4:  # a source that the router has itself: fib_validate_source
        yield (
            "this machine also serves by direct routing or tunnelling, and a router that is its default "
            "gateway drops what those answer: take the way for the service's answers only"
        )
