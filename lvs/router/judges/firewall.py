"""Remarks on rules of this machine's firewall that are in the way. Pure.

Which hooks a packet of IPVS meets, and as what (net/netfilter/ipvs/{ip_vs_core,ip_vs_xmit}.c; tried on 6.1):

- A request comes by prerouting and input; IPVS takes it behind the filters there, at priority 99. What it
  hands on to a real server comes by output, untracked, with the address that the method leaves it.
- An answer of a NAT real server comes by forward. Unless net.ipv4.vs.conntrack is 1, connection tracking
  knows nothing of its connection: the first answer over TCP is *invalid*, what follows is *new*, and nothing
  is ever *established*. So the customary "established: accept" lets none of it through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from lvs.config.model import Address, Forwarding, LvsConfig, Protocol, VirtualServer
from lvs.config.ports import asked_ports
from lvs.router import sync
from lvs.router.judges.network import active_ones, own_pairs
from lvs.router.judges.words import some
from lvs.router.parameters import copies_connections
from lvs.router.ruleset import Fate, Outcome, Ruleset
from lvs.router.ruleset_matches import PROTOCOL_NAMES, Packet, State
from lvs.router.seen import About, Level, Remark, Seen

IPVS_PRIORITY = 100  # in input; chains from here on never see what IPVS takes
IP_IN_IP, IPV6_IN_IP = 4, 41
MOST_FLOWS = 200  # of each kind; more of the same tell nothing new
CONNTRACK = "net/ipv4/vs/conntrack"


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets of one kind: what they are, which hooks they come by, and what lets them through.

    below: in the last hook only chains of a lower priority see them.
    """

    kind: str
    name: str
    hooks: tuple[str, ...]
    packets: tuple[Packet, ...]
    rule: str
    below: int | None = None


Met = tuple[str, str, Fate, bool]  # kind of flow, where it ends, how, and whether surely

WHY = {
    "requests": "Clients get no answer from these virtual servers.",
    "handed on": "What IPVS hands on to real servers passes the output chains, and does not get out.",
    "answers": "Answers of NAT real servers pass the forward chains, where connection tracking calls them "
    "invalid or new, so that a rule for established connections does not let them through: clients get none.",
    "heartbeat": "The routers do not hear each other: both take themselves for the only one.",
    "copies": "The standby learns of no connection, and a takeover cuts all of them.",
}
WHAT = {
    "requests": "what clients send to",
    "handed on": "what IPVS hands on to",
    "answers": "what NAT real servers answer:",
    "heartbeat": "the heartbeat:",
    "copies": "copies of connections:",
}


def firewall(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """What keeps packets of the cluster from their way."""
    ruleset = Ruleset(seen.rules)
    met: dict[Met, list[Flow]] = {}
    for flow in flows(seen, config, ruleset):
        outcome = _obstacle(ruleset, flow)
        if outcome:
            key = flow.kind, outcome.end.where, outcome.end.fate, outcome.sure
            met.setdefault(key, []).append(flow)
    for (kind, where, fate, sure), found in met.items():
        yield _remark(seen, (kind, where, fate, sure), found)
    yield from _neighbours(seen, ruleset)


def _obstacle(ruleset: Ruleset, flow: Flow) -> Outcome | None:
    """What stops any of its packets, in the order of the hooks; what surely does before what may."""
    doubt: Outcome | None = None
    for hook in flow.hooks:
        below = flow.below if hook == flow.hooks[-1] else None
        for packet in flow.packets:
            outcome = ruleset.obstacle(hook, packet, below=below)
            if outcome and outcome.sure:
                return outcome
            doubt = doubt or outcome
    return doubt


def _remark(seen: Seen, met: Met, flows: list[Flow]) -> Remark:
    kind, where, fate, sure = met
    does = {Fate.DROPPED: "drops", Fate.DIVERTED: "sends elsewhere"}[fate]
    may = {Fate.DROPPED: "may drop", Fate.DIVERTED: "may send elsewhere"}[fate]
    doubt = "" if sure else " Some of what its rules ask cannot be followed here, so look for yourself."
    place = where[:1].upper() + where[1:]
    return Remark(
        Level.ERROR if sure else Level.WARNING,
        About.FIREWALL,
        f"{place} {does if sure else may} {WHAT[kind]} {some(dict.fromkeys(flow.name for flow in flows))}.",
        WHY[kind] + doubt,
        _remedy(seen, kind, where, flows[0]),
        f"nft list table {where.rpartition(' table ')[2]}",
    )


def _remedy(seen: Seen, kind: str, where: str, flow: Flow) -> str:
    names = {process.name for process in seen.processes}
    also = f"{CONNTRACK.replace('/', '.')} = 1 (sysctl) is another way: IPVS then tells connection tracking."
    also = f" {also}" if kind == "answers" else ""
    if "firewalld" in where or "firewalld" in names:
        way = "firewall-cmd --permanent with --add-rich-rule or a policy"
        return f"With firewalld: {way} that accepts {flow.rule}.{also}"
    if "ufw" in where or any("ufw-" in rule.get("chain", {}).get("name", "") for rule in seen.rules):
        verb = "ufw route allow" if kind == "answers" else "ufw allow"
        return f"With ufw: {verb} for {flow.rule}, then ufw reload.{also}"
    if kind == "answers" and "dockerd" in names:
        return f"Docker closes forwarding: have its chain DOCKER-USER accept {flow.rule}.{also}"
    return f"Before that, accept it: {flow.rule} accept.{also}"


def _neighbours(seen: Seen, ruleset: Ruleset) -> Iterator[Remark]:
    """Firewalls that pulse's table is beside."""
    if seen.old_tables and ruleset.has_rules:
        yield Remark(
            Level.WARNING,
            About.FIREWALL,
            f"This machine has rules of iptables-legacy ({some(seen.old_tables)}) beside those of nftables.",
            "A packet must pass both, and what the old ones say could not be followed here.",
            "Look at them with iptables-legacy-save, and move them over: iptables-legacy-save | "
            "iptables-nft-restore.",
            "/proc/net/ip_tables_names",
        )
    elif seen.old_tables:
        yield Remark(
            Level.NOTE,
            About.FIREWALL,
            f"This machine has rules of iptables-legacy ({some(seen.old_tables)}), which could not be "
            "followed here.",
            "They see the packets of the cluster as well.",
            "Look at them with iptables-legacy-save: clients' requests pass INPUT, NAT real servers' "
            "answers FORWARD.",
            "/proc/net/ip_tables_names",
        )
    kept = {"firewalld": "firewalld", "dockerd": "Docker"}
    for name in sorted({process.name for process in seen.processes} & set(kept)):
        yield Remark(
            Level.NOTE,
            About.FIREWALL,
            f"{kept[name]} is running, and writes rules of its own.",
            "It leaves the table inet piranha alone, as pulse leaves its tables alone; but a packet must "
            "pass both.",
            "Nothing need be done now; look here again when its rules have changed.",
            f"the process {name}",
        )


# ---- what passes


def flows(seen: Seen, config: LvsConfig, ruleset: Ruleset) -> Iterator[Flow]:
    """The packets of the cluster that meet any rule."""
    active = active_ones(config)
    if any(map(ruleset.has_rules_in, ("ingress", "prerouting", "input"))):
        yield from _some(_requests(active))
    if ruleset.has_rules_in("output"):
        yield from _some(_handed_on(seen, config, active))
    if ruleset.has_rules_in("forward"):
        yield from _some(_answers(seen, config, active))
    if config.redundancy.backup_active:
        yield from _heartbeat(seen, config)
        yield from _copies(seen, config)


def _some(all_of_a_kind: Iterator[Flow]) -> Iterator[Flow]:
    for number, flow in enumerate(all_of_a_kind):
        if number >= MOST_FLOWS:
            return
        yield flow


def _requests(active: list[VirtualServer]) -> Iterator[Flow]:
    for each in active:
        if each.address is None:
            continue
        address = each.address.address
        for protocol, ports in asked_ports(each):
            packet = Packet(
                address.version,
                PROTOCOL_NAMES[protocol],
                destination=address,
                destination_port=ports.first,
                arrives=each.address.interface,
                is_local=True,
            )
            yield Flow(
                "requests",
                f"{address} {protocol} port {ports}",
                ("ingress", "prerouting", "input"),
                (packet,),
                f"{_ip(address)} daddr {address} {protocol} dport {str(ports).replace(':', '-')}",
                below=IPVS_PRIORITY,
            )


def _handed_on(seen: Seen, config: LvsConfig, active: list[VirtualServer]) -> Iterator[Flow]:
    is_tracked = seen.value(CONNTRACK) == "1"
    for each in active:
        method = config.forwarding_of(each)
        for real in each.real_servers:
            if not real.active or real.address is None:
                continue
            way = seen.ways.get(real.address)
            packet = Packet(
                real.address.version,
                PROTOCOL_NAMES[each.protocol],
                destination=real.address,
                destination_port=real.port or each.port,
                leaves=way.interface if way else None,
                state=State.NEW if is_tracked else State.UNTRACKED,
            )
            rule = f"{_ip(real.address)} daddr {real.address}"
            if method is Forwarding.DIRECT and each.address:
                at = each.address.address
                packet = Packet(
                    at.version,
                    packet.protocol,
                    destination=at,
                    destination_port=each.port,
                    leaves=packet.leaves,
                    state=packet.state,
                )
                rule = f"{_ip(at)} daddr {at}"
            elif method is Forwarding.TUNNEL:
                inner = each.address.address.version if each.address else real.address.version
                packet = Packet(
                    real.address.version,
                    IP_IN_IP if inner == 4 else IPV6_IN_IP,
                    destination=real.address,
                    leaves=packet.leaves,
                    state=packet.state,
                )
            yield Flow("handed on", f"{real.name} ({real.address})", ("output",), (packet,), rule)


def _answers(seen: Seen, config: LvsConfig, active: list[VirtualServer]) -> Iterator[Flow]:
    states = (State.ESTABLISHED,) if seen.value(CONNTRACK) == "1" else (State.INVALID, State.NEW)
    for each in active:
        if config.forwarding_of(each) is not Forwarding.NAT:
            continue
        for real in each.real_servers:
            way = seen.ways.get(real.address) if real.address else None
            if not real.active or real.address is None or (way and way.interface == "lo"):
                continue
            port = real.port or each.port
            packets = tuple(
                Packet(
                    real.address.version,
                    PROTOCOL_NAMES[each.protocol],
                    source=real.address,
                    source_port=port,
                    arrives=way.interface if way else None,
                    state=state,
                )
                for state in (states if each.protocol is Protocol.TCP else states[-1:])
            )
            yield Flow(
                "answers",
                f"{real.name} ({real.address}) {each.protocol} port {port}",
                ("prerouting", "forward"),
                packets,
                f"{_ip(real.address)} saddr {real.address} {each.protocol} sport {port}",
            )


def _heartbeat(seen: Seen, config: LvsConfig) -> Iterator[Flow]:
    port = config.redundancy.heartbeat_port
    for own, peer in own_pairs(seen, config):
        arrives = next((each.interface for each in seen.addresses if each.address == own), None)
        udp = PROTOCOL_NAMES[Protocol.UDP]
        came = Packet(own.version, udp, peer, own, None, port, arrives, is_local=True)
        rule = f"{_ip(own)} saddr {peer} udp dport {port}"
        yield Flow("heartbeat", f"from {peer} to UDP port {port}", ("prerouting", "input"), (came,), rule)
        goes = Packet(own.version, udp, own, peer, None, port, leaves=arrives)
        rule = f"{_ip(own)} daddr {peer} udp dport {port}"
        yield Flow("heartbeat", f"to {peer}, UDP port {port}", ("output",), (goes,), rule)


def _copies(seen: Seen, config: LvsConfig) -> Iterator[Flow]:
    redundancy = config.redundancy
    if not copies_connections(redundancy):
        return
    group: Address = redundancy.syncd_group or IPv4Address(sync.GROUP)
    port, interface = redundancy.syncd_port or sync.PORT, redundancy.syncd_iface
    udp, rule = PROTOCOL_NAMES[Protocol.UDP], f"{_ip(group)} daddr {group} udp dport {port}"
    came = Packet(group.version, udp, None, group, None, port, arrives=interface)
    yield Flow("copies", f"to {group}, UDP port {port}", ("prerouting", "input"), (came,), rule)
    goes = Packet(group.version, udp, None, group, None, port, leaves=interface)
    yield Flow("copies", f"from here to {group}, UDP port {port}", ("output",), (goes,), rule)


def _ip(address: Address) -> str:
    return "ip" if address.version == 4 else "ip6"
