"""The nftables table `inet piranha`: firewall marks for port sets, masquerade for NAT real servers (nft(8)).

The table is pulse's alone and replaced whole, in one transaction; other tables are never touched. A map
says which mark a packet gets, so that the cost of a packet does not grow with the number of virtual
servers.

Marks are set in two hooks, both before IPVS looks (IPVS: input, and output at -99): prerouting for what
arrives, output for what this router itself sends to a virtual server, such as an administrator's curl.

Masquerade is for what a real server asks of the world outside. It leaves alone: - what goes to another
real server, which must see who asks; - what stays on this machine (interface lo); - IPVS's own packets,
answers to clients included: IPVS takes them from connection tracking, without which there is
  no NAT (net/netfilter/ipvs, ip_vs_notrack).
The chain exists only when somebody is masqueraded, since it switches connection tracking on for all packets.

A fingerprint of the table as the kernel lists it is kept inside it. A rule added, taken out or edited by
hand shows as `drift`, whatever version of nftables wrote the table or lists it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address
from typing import Any

from lvs.config.model import Address, PortRange, Protocol
from lvs.errors import KernelError
from lvs.router import nft
from lvs.router.state import MarkRule, Netfilter

TABLE = "inet piranha"
HUSH = "inet piranha_hush"  # there for a moment only: see no_refusals
TAKEOVER = "inet piranha_takeover"  # there for a few seconds only: see hold_resets
HOLD_SECONDS = 5  # the other router's last sync messages come within three (IPVS_SYNC_FLUSH_TIME, ip_vs.h)
SEAL = "fingerprint"  # the chain, bound to no hook, whose only rule has the fingerprint for a comment
PROTOCOL_NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}  # IANA
PROTOCOLS = {number: protocol for protocol, number in PROTOCOL_NUMBERS.items()}
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}  # nft's word for the header, type of an address


_HUSH = f"""\
table {HUSH}
delete table {HUSH}
table {HUSH} {{
	chain output {{
		type filter hook output priority filter; policy accept;
		icmp type destination-unreachable icmp code port-unreachable drop
		icmpv6 type destination-unreachable icmpv6 code port-unreachable drop
	}}
}}
"""


def text(netfilter: Netfilter) -> str:
    """The table in nft's language, to show and to load. Pure."""
    return "\n".join(_table(netfilter, elements=True)) + "\n"


def read() -> Netfilter | None:
    """What the table does now; None if there is no such table."""
    change = f"read the nftables table {TABLE}"
    if not nft.available():
        return None
    family, name = TABLE.split()
    tables = nft.objects(f"list tables {family}", change)
    if not any(thing.get("table", {}).get("name") == name for thing in tables):
        return None
    things = nft.objects(f"list table {TABLE}", change)
    marks, masquerade, strange = _elements(things)
    found = Netfilter(marks, masquerade)
    if _sealed(things) != _fingerprint(things, found):
        strange += _strangers(things, found) or (f"the table {TABLE} was changed by hand",)
    return Netfilter(marks, masquerade, strange)


def replace(netfilter: Netfilter) -> None:
    """Makes the table do exactly this, in one transaction: no packet meets half of it."""
    change = f"replace the nftables table {TABLE}"
    _check(netfilter, change)
    nft.run(f"table {TABLE}\ndelete table {TABLE}\n{text(netfilter)}", change)
    fingerprint = _fingerprint(nft.objects(f"list table {TABLE}", change), netfilter)
    # Only the kernel's listing can be told from itself later, so it is sealed after it was read back; a crash
    # before that leaves a table that works and shows as drift.
    nft.run(f'table {TABLE} {{ chain {SEAL} {{ return comment "{fingerprint}"; }}; }}', change)


def remove() -> None:
    """Takes the table out; fine if there is none."""
    if nft.available():
        nft.run(f"table {TABLE}\ndelete table {TABLE}", f"remove the nftables table {TABLE}")


@contextmanager
def no_refusals() -> Iterator[None]:
    """Keeps ICMP "port unreachable" from leaving this machine; a client that gets no answer asks again.

    IPVS answers so whenever a service has no scheduler, and ip_vs_edit_service (Linux,
    net/netfilter/ipvs/ip_vs_ctl.c) takes the old scheduler away, waits until no processor uses it, and only
    then binds the new one. A table of its own, so that `inet piranha` stays what it is; KernelError where
    this kernel has no nftables.
    """
    nft.run(_HUSH, "keep clients from being refused while a scheduler changes")
    try:
        yield
    finally:
        let_refusals_out()


def let_refusals_out() -> None:
    """Ends `no_refusals`, also that of a pulse that was killed meanwhile; KernelError without nftables.

    Where there is nothing to end, nothing is written: a restart must leave the kernel as it is.
    """
    _end(HUSH, "let refusals out again")


def hold_resets(addresses: Iterable[Address], real_servers: Iterable[Address] = ()) -> None:
    """Keeps this machine's own TCP resets and "port unreachable" from these addresses in, for five seconds.

    To be called before a router that was handed the active role raises its floating addresses: the other
    router's last sync messages are still on their way, and until they are here, this kernel knows nothing of
    the connections in them and would reset each that sends something. Unanswered, its client sends again.
    What real servers reset is forwarded, not sent from here, and passes.

    real_servers: those that are masqueraded. What they go on sending in such a connection would be
    masqueraded too, as the middle of one of their own, and the client would reset what comes to it from a
    stranger: it is dropped as well, and sent again by them.

    The kernel itself forgets the addresses in time, should pulse die. A table of its own, as for
    `no_refusals`; KernelError without nftables.
    """
    commands = "\n".join(_takeover(list(addresses), list(real_servers))) + "\n"
    nft.run(commands, "keep clients from being reset while connections arrive")


def let_resets_out() -> None:
    """Ends `hold_resets`; fine if there is nothing to end. KernelError without nftables."""
    _end(TAKEOVER, "let resets out again")


def _end(table: str, change: str) -> None:
    tables = nft.objects("list tables inet", change)
    if any(f"inet {thing.get('table', {}).get('name')}" == table for thing in tables):
        nft.run(f"delete table {table}\n", change)


def _takeover(addresses: Sequence[Address], real_servers: Sequence[Address]) -> Iterator[str]:
    yield f"table {TAKEOVER}"
    yield f"delete table {TAKEOVER}"
    yield f"table {TAKEOVER} {{"
    resets, strangers = [], []
    for version, (header, kind) in FAMILIES.items():
        held = [address for address in addresses if address.version == version]
        if held:
            yield from _set(f"set floating{version}", kind, _for_seconds(held), "flags timeout")
            icmp = {4: "icmp", 6: "icmpv6"}[version]
            unreachable = f"{icmp} type destination-unreachable {icmp} code port-unreachable"
            for what in ("tcp flags & rst == rst", unreachable):
                resets.append(f"{header} saddr @floating{version} {what} counter drop")
        nets = _nets(real_servers, version)
        if nets:
            yield from _set(f"set real{version}", kind, _for_seconds(nets), "flags interval, timeout")
            strangers.append(
                f"{header} saddr @real{version} tcp flags & (syn | rst) == 0x0 ct state new counter drop"
            )
    yield from _chain("output", "type filter hook output priority filter; policy accept;", resets)
    if strangers:  # after IPVS, which has given what it knows the floating address for a source at 100
        yield from _chain("forward", "type filter hook forward priority 110; policy accept;", strangers)
    yield "}"


def _nets(addresses: Iterable[Address], version: int) -> list[str]:
    """The addresses of one version as nets: ten thousand real servers are mostly a few, and loaded sooner."""
    if version == 4:
        four = [IPv4Network(address) for address in addresses if isinstance(address, IPv4Address)]
        return list(map(str, collapse_addresses(four)))
    six = [IPv6Network(address) for address in addresses if isinstance(address, IPv6Address)]
    return list(map(str, collapse_addresses(six)))


def _for_seconds(elements: Iterable[object]) -> Iterator[str]:
    return (f"{element} timeout {HOLD_SECONDS}s" for element in elements)


def _check(netfilter: Netfilter, change: str) -> None:
    """Refuses what the kernel would refuse without saying why."""
    previous: MarkRule | None = None
    for rule in netfilter.marks:
        ports, place = rule.ports, f"{rule.protocol} port {rule.ports} of {rule.address}"
        if not (0 <= ports.first <= ports.last <= 65535 and 0 < rule.fwmark < 1 << 32):
            reason = f"mark {rule.fwmark} for {place}: give ports to 65535 and a mark above 0"
            raise KernelError(change, reason)
        same = previous and (previous.address, previous.protocol) == (rule.address, rule.protocol)
        if previous and same and ports.first <= previous.ports.last:
            raise KernelError(
                change,
                f"{place} would get mark {rule.fwmark} and, with port {previous.ports}, "
                f"mark {previous.fwmark}: give the virtual servers one mark or ports of their own",
            )
        if previous is None or not same or ports.last > previous.ports.last:
            previous = rule


def _table(netfilter: Netfilter, *, elements: bool) -> Iterator[str]:
    """The table's lines; without elements: its form alone."""
    marked = {version: [m for m in netfilter.marks if m.address.version == version] for version in FAMILIES}
    sources = {version: [a for a in netfilter.masquerade if a.version == version] for version in FAMILIES}
    yield f"table {TABLE} {{"
    for version, marks in marked.items():
        if marks:
            kind = f"{FAMILIES[version][1]} . inet_proto . inet_service : mark"
            members = (
                f"{m.address} . {m.protocol} . {str(m.ports).replace(':', '-')} : {m.fwmark}" for m in marks
            )
            yield from _set(f"map marks{version}", kind, members if elements else (), "flags interval")
    for version, addresses in sources.items():
        if addresses:
            members = (str(address) for address in addresses)
            yield from _set(f"set masquerade{version}", FAMILIES[version][1], members if elements else ())
    if netfilter.marks:
        rules = [_mark(version) for version, marks in marked.items() if marks]
        yield from _chain("prerouting", "type filter hook prerouting priority mangle; policy accept;", rules)
        yield from _chain("output", "type filter hook output priority mangle; policy accept;", rules)
    if netfilter.masquerade:
        rules = [_masquerade(version) for version, addresses in sources.items() if addresses]
        yield from _chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", rules)
    yield "}"


def _set(head: str, kind: str, members: Iterable[str], *options: str) -> Iterator[str]:
    yield f"\t{head} {{"
    yield f"\t\ttype {kind}"
    yield from (f"\t\t{option}" for option in options)
    lines = ",\n\t\t\t".join(members)
    if lines:
        yield f"\t\telements = {{\n\t\t\t{lines}\n\t\t}}"
    yield "\t}"


def _chain(name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"\tchain {name} {{"
    yield f"\t\t{hook}"
    yield from (f"\t\t{rule}" for rule in rules)
    yield "\t}"


def _mark(version: int) -> str:
    header = FAMILIES[version][0]
    return (
        f"meta mark set {header} daddr . meta l4proto . th dport map @marks{version} counter "
        'comment "one virtual server for several ports"'
    )


def _masquerade(version: int) -> str:
    header, real_servers = FAMILIES[version][0], f"@masquerade{version}"
    return (
        f'oifname != "lo" {header} saddr {real_servers} {header} daddr != {real_servers} counter masquerade '
        'comment "what real servers ask of the outside"'
    )


def _elements(
    things: Iterable[dict[str, Any]],
) -> tuple[tuple[MarkRule, ...], tuple[Address, ...], tuple[str, ...]]:
    """The marks and masqueraded addresses in a listing, and a sentence for each element that is neither."""
    marks: list[MarkRule] = []
    masquerade: list[Address] = []
    strange: list[str] = []
    for thing in things:
        kept = thing.get("map") or thing.get("set") or {}
        for element in kept.get("elem", ()):
            try:
                if kept["name"] in ("marks4", "marks6"):
                    marks.append(_mark_rule(element))
                elif kept["name"] in ("masquerade4", "masquerade6"):
                    masquerade.append(_address(element))
            except (KeyError, TypeError, ValueError):
                strange.append(f"an element of {kept['name']} is not pulse's: {json.dumps(element)}")
    return tuple(marks), tuple(masquerade), tuple(strange)


def _mark_rule(element: Any) -> MarkRule:
    """One element of a map: [{"concat": [ADDRESS, PROTOCOL, PORT or {"range": [FIRST, LAST]}]}, MARK]."""
    key, fwmark = element
    address, protocol, port = key["concat"]
    first, last = port["range"] if isinstance(port, dict) else (port, port)
    if not all(type(number) is int for number in (first, last, fwmark)):
        raise TypeError(element)
    return MarkRule(ip_address(address), PROTOCOLS[protocol], PortRange(first, last), fwmark)


def _address(element: Any) -> Address:
    """One element of a set: ADDRESS, or an object where somebody gave it a comment, a limit or a prefix."""
    if not isinstance(element, str):
        raise TypeError(element)
    return ip_address(element)


def _fingerprint(things: Iterable[dict[str, Any]], netfilter: Netfilter) -> str:
    """Tells whether a listing, elements aside, is still the one that pulse made with this program's rules."""
    form = []
    for thing in things:
        ((kind, content),) = thing.items()
        if not _is_seal(kind, content):
            form.append([kind, {key: content[key] for key in content.keys() - {"handle", "elem"}}])
    known = ["\n".join(_table(netfilter, elements=False)), form]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]


def _is_seal(kind: str, content: dict[str, Any]) -> bool:
    return SEAL in (content.get("chain"), content.get("name") if kind == "chain" else None)


def _sealed(things: Iterable[dict[str, Any]]) -> str | None:
    """The fingerprint in the table; None if there is not exactly one."""
    rules = [thing["rule"] for thing in things if thing.get("rule", {}).get("chain") == SEAL]
    return str(rules[0].get("comment")) if len(rules) == 1 else None


def _strangers(things: Iterable[dict[str, Any]], netfilter: Netfilter) -> tuple[str, ...]:
    """A sentence for each thing in a listing that bears no name or comment that pulse gives."""
    ours = text(netfilter)
    strange = []
    for thing in things:
        ((kind, content),) = thing.items()
        if kind == "table" or _is_seal(kind, content):
            continue
        if kind == "rule":
            if f'comment "{content.get("comment")}"' not in ours:
                strange.append(f"a rule in chain {content['chain']} is not pulse's")
        elif f"{kind} {content.get('name')} {{" not in ours:
            strange.append(f"{kind} {content.get('name', '')} is not pulse's")
    return tuple(strange)
