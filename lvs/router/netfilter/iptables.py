"""The table in the words of iptables-save(8), for whoever reads these more easily. Pure.

It is not what pulse loads. Differences that do not show in the words: nftables finds a mark in one look,
however many there are; and its guard of the panel's port comes behind IPVS and every other filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lvs.router.netfilter.table import FAMILIES
from lvs.router.state import MarkRule, Netfilter

PROGRAMS = {4: "iptables", 6: "ip6tables"}
MARKS, MASQUERADE, GUARD = "PIRANHA", "PIRANHA-MASQUERADE", "PIRANHA-GUARD"


def text(netfilter: Netfilter, names: Mapping[MarkRule, str]) -> str:
    """A part for each IP version that has any rule; names: whose rule it is, shown as a comment."""
    lines = [line for version in FAMILIES for line in _part(netfilter, names, version)]
    return "\n".join(lines) + "\n" if lines else ""


def _part(netfilter: Netfilter, names: Mapping[MarkRule, str], version: int) -> Iterator[str]:
    rules = [*_mangle(netfilter, names, version), *_nat(netfilter, version), *_filter(netfilter, version)]
    if rules:
        yield f"# IPv{version}, as {PROGRAMS[version]}-save would print it"
        yield from rules


def _mangle(netfilter: Netfilter, names: Mapping[MarkRule, str], version: int) -> Iterator[str]:
    marks = [rule for rule in netfilter.marks if rule.address.version == version]
    if not marks:
        return
    yield from _head("mangle", "PREROUTING", "OUTPUT", MARKS)
    yield f"-A PREROUTING -j {MARKS}"
    yield f"-A OUTPUT -j {MARKS}"
    for rule in marks:
        whose = f" -m comment --comment {_quoted(names[rule])}" if rule in names else ""
        yield (
            f"-A {MARKS} -d {rule.address}/{rule.address.max_prefixlen} -p {rule.protocol} "
            f"-m {rule.protocol} --dport {rule.ports}{whose} -j MARK --set-mark {rule.fwmark}"
        )
    yield "COMMIT"


def _nat(netfilter: Netfilter, version: int) -> Iterator[str]:
    sources = [f"{each}/{each.max_prefixlen}" for each in netfilter.masquerade if each.version == version]
    if not sources:
        return
    yield from _head("nat", "POSTROUTING", MASQUERADE)
    yield from (f"-A POSTROUTING -s {source} ! -o lo -j {MASQUERADE}" for source in sources)
    yield from (f"-A {MASQUERADE} -d {source} -j RETURN" for source in sources)
    yield f'-A {MASQUERADE} -m comment --comment "what real servers ask of the outside" -j MASQUERADE'
    yield "COMMIT"


def _filter(netfilter: Netfilter, version: int) -> Iterator[str]:
    guard = netfilter.guard
    if guard is None:
        return
    yield from _head("filter", "INPUT", GUARD)
    yield f"-A INPUT ! -i lo -p tcp -m tcp --dport {guard.port} -j {GUARD}"
    networks = (network for network in guard.networks if network.version == version)
    yield from (f"-A {GUARD} -s {network} -j RETURN" for network in networks)
    yield f'-A {GUARD} -m comment --comment "the panel is not for others" -j DROP'
    yield "COMMIT"


def _head(table: str, *chains: str) -> Iterator[str]:
    """The table and its chains, the last of them one of its own."""
    yield f"*{table}"
    yield from (f":{chain} ACCEPT [0:0]" for chain in chains[:-1])
    yield f":{chains[-1]} - [0:0]"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
