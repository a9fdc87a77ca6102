"""The table in nft's language. Pure.

A map says which mark a packet gets, so that the cost of a packet does not grow with the number of virtual
servers, and counts for each of its elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lvs.config.model import Protocol
from lvs.errors import KernelError
from lvs.router.netfilter.counts import NONE, NOTHING, Count, Counts
from lvs.router.state import Guard, MarkRule, Netfilter, Network

TABLE = "inet piranha"
REMOVING = f"table {TABLE}\ndelete table {TABLE}\n"  # also where there is none
SEAL = "fingerprint"  # the chain, bound to no hook, whose only rule has the fingerprint for a comment
# Behind IPVS (98 and 99 in the input hook, net/netfilter/ipvs/ip_vs_core.c): what goes to a virtual server is
# gone by then, whatever its port. What another chain accepts goes on to this one; what one drops is gone.
GUARD_PRIORITY = 110
OTHER = "b"  # at the end of every other set's name: see lvs.router.netfilter.exchange
PROTOCOL_NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}  # IANA
PROTOCOLS = {number: protocol for protocol, number in PROTOCOL_NUMBERS.items()}
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}  # nft's word for the header, type of an address


def text(netfilter: Netfilter, counts: Counts = NONE) -> str:
    """The table in nft's language, to show and to load; counts: where its counters begin."""
    return "\n".join(lines(netfilter, counts)) + "\n"


def replacing(netfilter: Netfilter, counts: Counts = NONE, fingerprint: str = "") -> str:
    """The same with what takes the table out before, if there is one: all of it is one transaction."""
    *form, end = lines(netfilter, counts)
    seal = [f"\t{sealed(fingerprint)}"] if fingerprint else []
    return REMOVING + "\n".join([*form, *seal, end]) + "\n"


def sealed(fingerprint: str) -> str:
    """The chain that keeps a fingerprint."""
    return f'chain {SEAL} {{ return comment "{fingerprint}"; }}'


def check(netfilter: Netfilter, change: str) -> None:
    """Refuses what the kernel would refuse without saying why."""
    if netfilter.guard and not 0 < netfilter.guard.port <= 65535:
        raise KernelError(change, f"port {netfilter.guard.port} of the panel: give one from 1 to 65535")
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


def lines(netfilter: Netfilter, counts: Counts = NONE, *, elements: bool = True) -> Iterator[str]:
    """The table's lines; without elements: its form alone."""
    yield f"table {TABLE} {{"
    for block in (*sets(netfilter, counts, elements=elements).values(), *chains(netfilter, counts).values()):
        yield from block
    yield "}"


def sets(netfilter: Netfilter, counts: Counts = NONE, *, elements: bool = True) -> dict[str, list[str]]:
    """The lines of each map and set, by what they begin with, such as "map marks4"."""
    found: dict[str, list[str]] = {}

    def put(head: str, kind: str, members: Iterable[str], *options: str) -> None:
        found[head] = list(named(head, kind, members if elements else (), *options))

    for version, (_, kind) in FAMILIES.items():
        marks = [rule for rule in netfilter.marks if rule.address.version == version]
        if marks:
            members = (_member(rule, counts.marks.get(rule, NOTHING)) for rule in marks)
            key = f"{kind} . inet_proto . inet_service : mark"
            put(f"map marks{version}", key, members, "flags interval", "counter")
    for version, (_, kind) in FAMILIES.items():
        sources = [str(address) for address in netfilter.masquerade if address.version == version]
        if sources:
            put(f"set masquerade{version}", kind, sources)
    for version, networks in _networks(netfilter.guard).items():
        put(f"set guard{version}", FAMILIES[version][1], map(str, networks), "flags interval")
    return found


def chains(netfilter: Netfilter, counts: Counts = NONE) -> dict[str, list[str]]:
    """The lines of each chain, by its name."""
    found: dict[str, list[str]] = {}

    def put(name: str, hook: str, rules: Iterable[str]) -> None:
        found[name] = list(chain(name, f"type {hook}; policy accept;", rules))

    marked = sorted({rule.address.version for rule in netfilter.marks})
    for name in ("prerouting", "output") if marked else ():
        put(name, f"filter hook {name} priority mangle", map(_mark, marked))
    sources = sorted({address.version for address in netfilter.masquerade})
    if sources:
        outward = (_masquerade(version, counts) for version in sources)
        put("postrouting", "nat hook postrouting priority srcnat", outward)
    if netfilter.guard:
        kept_out = _guard(netfilter.guard, counts.refused)
        put("guard", f"filter hook input priority {GUARD_PRIORITY}", kept_out)
    return found


def plain(name: str) -> str:
    """A set's name without what tells it from the one whose place it took."""
    return name.removesuffix(OTHER)


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


def _member(rule: MarkRule, count: Count) -> str:
    counted = f" {count}" if count.packets else ""  # the map gives those without a counter of their own one
    return f"{rule.address} . {rule.protocol} . {str(rule.ports).replace(':', '-')}{counted} : {rule.fwmark}"


def _mark(version: int) -> str:
    header = FAMILIES[version][0]
    return (
        f"meta mark set {header} daddr . meta l4proto . th dport map @marks{version} "
        'comment "one virtual server for several ports"'
    )


def _masquerade(version: int, counts: Counts) -> str:
    header, real_servers = FAMILIES[version][0], f"@masquerade{version}"
    return (
        f'oifname != "lo" {header} saddr {real_servers} {header} daddr != {real_servers} '
        f"{counts.masquerade.get(version, NOTHING)} masquerade "
        'comment "what real servers ask of the outside"'
    )


def _networks(guard: Guard | None) -> dict[int, list[Network]]:
    """Those of each IP version that has any."""
    all_of_them = guard.networks if guard else ()
    found = {version: [net for net in all_of_them if net.version == version] for version in FAMILIES}
    return {version: networks for version, networks in found.items() if networks}


def _guard(guard: Guard, refused: Count) -> Iterator[str]:
    port = f"tcp dport {guard.port}"
    yield 'iifname "lo" accept comment "this machine itself"'
    for version in _networks(guard):
        header = FAMILIES[version][0]
        yield f'{port} {header} saddr @guard{version} accept comment "who may see the panel"'
    yield f'{port} {refused} drop comment "the panel is not for others"'
