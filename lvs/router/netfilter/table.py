"""The table in nft's language. Pure.

A map says which mark a packet gets, so that the cost of a packet does not grow with the number of virtual
servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lvs.config.model import Protocol
from lvs.errors import KernelError
from lvs.router.state import MarkRule, Netfilter

TABLE = "inet piranha"
PROTOCOL_NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}  # IANA
PROTOCOLS = {number: protocol for protocol, number in PROTOCOL_NUMBERS.items()}
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}  # nft's word for the header, type of an address


def text(netfilter: Netfilter) -> str:
    """The table in nft's language, to show and to load. Pure."""
    return "\n".join(lines(netfilter, elements=True)) + "\n"


def check(netfilter: Netfilter, change: str) -> None:
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


def lines(netfilter: Netfilter, *, elements: bool) -> Iterator[str]:
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
            yield from named(f"map marks{version}", kind, members if elements else (), "flags interval")
    for version, addresses in sources.items():
        if addresses:
            members = (str(address) for address in addresses)
            yield from named(f"set masquerade{version}", FAMILIES[version][1], members if elements else ())
    if netfilter.marks:
        rules = [_mark(version) for version, marks in marked.items() if marks]
        yield from chain("prerouting", "type filter hook prerouting priority mangle; policy accept;", rules)
        yield from chain("output", "type filter hook output priority mangle; policy accept;", rules)
    if netfilter.masquerade:
        rules = [_masquerade(version) for version, addresses in sources.items() if addresses]
        yield from chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", rules)
    yield "}"


def named(head: str, kind: str, members: Iterable[str], *options: str) -> Iterator[str]:
    yield f"\t{head} {{"
    yield f"\t\ttype {kind}"
    yield from (f"\t\t{option}" for option in options)
    lines = ",\n\t\t\t".join(members)
    if lines:
        yield f"\t\telements = {{\n\t\t\t{lines}\n\t\t}}"
    yield "\t}"


def chain(name: str, hook: str, rules: Iterable[str]) -> Iterator[str]:
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
