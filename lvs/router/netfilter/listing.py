"""What the table does, from the kernel's listing of it (libnftables-json(5)). Pure.

A fingerprint of the table as the kernel lists it is kept inside it. A rule added, taken out or edited by
hand shows as `drift`, whatever version of nftables wrote the table or lists it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from typing import Any

from lvs.config.model import Address, PortRange, Protocol
from lvs.router.netfilter.counts import NOTHING, Count, Counts
from lvs.router.netfilter.table import FAMILIES, OTHER, PROTOCOLS, SEAL, TABLE, lines, plain, text
from lvs.router.state import Guard, MarkRule, Netfilter, Network

Thing = dict[str, Any]
_PORTS, _HOSTS = PortRange(1, 1), (IPv4Address(1), IPv6Address(1))
_EVERYTHING = text(  # each name and comment that pulse gives
    Netfilter(
        tuple(MarkRule(host, Protocol.TCP, _PORTS, 1) for host in _HOSTS),
        _HOSTS,
        guard=Guard(1, tuple(ip_network(host) for host in _HOSTS)),
    )
)


def understood(things: Iterable[Thing]) -> Netfilter:
    """What a listed table does, with or without what it has counted."""
    return with_counts(things)[0]


def with_counts(things: Iterable[Thing]) -> tuple[Netfilter, Counts]:
    """The same, and what it has counted; nothing where the listing has no counters."""
    things = list(things)
    found = _Elements(things)
    netfilter = Netfilter(tuple(found.marks), tuple(found.masquerade), guard=_guard(things, found))
    strange = tuple(found.strange)
    if sealed_with(things) != fingerprint(things, netfilter):
        strange += _strangers(things) or (f"the table {TABLE} was changed by hand",)
    if strange:
        netfilter = replace(netfilter, drift=strange)
    return netfilter, _counts(things, found)


def _counts(things: Iterable[Thing], found: _Elements) -> Counts:
    marks = {rule: count for rule, count in found.marks.items() if count and count.packets}
    masquerade, refused = {}, NOTHING
    for rule in _rules(things):
        count = next(filter(None, (Count.of(each.get("counter")) for each in _statements(rule))), NOTHING)
        if rule["chain"] == "postrouting":
            version = next((number for number, (header, _) in FAMILIES.items() if _asks(rule, header)), 0)
            masquerade[version] = count
        elif rule["chain"] == "guard":
            refused += count
    return Counts(marks, masquerade, refused)


class _Elements:
    """The elements of a listing's sets and maps, with a sentence for each that pulse did not make."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self.marks: dict[MarkRule, Count | None] = {}
        self.masquerade: list[Address] = []
        self.networks: list[Network] = []
        self.strange: list[str] = []
        for thing in things:
            kept = thing.get("map") or thing.get("set") or {}
            for element in kept.get("elem", ()):
                try:
                    self._take(plain(kept["name"]), element)
                except (KeyError, TypeError, ValueError):
                    self.strange.append(f"an element of {kept['name']} is not pulse's: {json.dumps(element)}")

    def _take(self, name: str, element: Any) -> None:
        if name in ("marks4", "marks6"):
            rule, count = _mark_rule(element)
            self.marks[rule] = count
        elif name in ("masquerade4", "masquerade6"):
            self.masquerade.append(_address(element))
        elif name in ("guard4", "guard6"):
            self.networks += _guarded(element)


def _mark_rule(element: Any) -> tuple[MarkRule, Count | None]:
    """One element of a map: [KEY, MARK], or [{"elem": {"val": KEY, "counter": COUNTER or null}}, MARK].

    KEY: {"concat": [ADDRESS, PROTOCOL, PORT or {"range": [FIRST, LAST]}]}.
    """
    key, fwmark = element
    count = None
    if "elem" in key:
        inner = key["elem"]
        if inner.keys() - {"val", "counter"}:
            raise TypeError(element)
        key, count = inner["val"], Count.of(inner.get("counter"))
    address, protocol, port = key["concat"]
    first, last = port["range"] if isinstance(port, dict) else (port, port)
    if not all(type(number) is int for number in (first, last, fwmark)):
        raise TypeError(element)
    return MarkRule(_known(address), PROTOCOLS[protocol], PortRange(first, last), fwmark), count


@functools.lru_cache(maxsize=4096)
def _known(address: str) -> Address:
    return ip_address(address)


def _address(element: Any) -> Address:
    """One element of a set: ADDRESS, or an object where somebody gave it a comment, a limit or a prefix."""
    if not isinstance(element, str):
        raise TypeError(element)
    return ip_address(element)


def _guarded(element: Any) -> list[Network]:
    """ADDRESS, {"prefix": {"addr": ADDRESS, "len": BITS}} or {"range": [ADDRESS, ADDRESS]}."""
    if isinstance(element, str):
        return [ip_network(element)]
    ((kind, content),) = element.items()
    if kind == "prefix":
        return [ip_network(f"{content['addr']}/{content['len']}")]
    if kind != "range":
        raise TypeError(element)
    first, last = map(ip_address, content)
    return list(summarize_address_range(first, last))


def _guard(things: Iterable[Thing], found: _Elements) -> Guard | None:
    """The guard, by the port that its last rule closes."""
    for rule in _rules(things):
        statements = list(_statements(rule))
        if rule["chain"] == "guard" and {"drop": None} in statements:
            ports = (each["match"]["right"] for each in statements if "match" in each)
            port = next((each for each in ports if type(each) is int), None)
            if port is not None:
                return Guard(port, tuple(found.networks))
    return None


def _rules(things: Iterable[Thing]) -> Iterator[Thing]:
    return (thing["rule"] for thing in things if "rule" in thing)


def _statements(rule: Thing) -> Iterator[Thing]:
    return (each for each in rule.get("expr", ()) if isinstance(each, dict))


def _asks(rule: Thing, header: str) -> bool:
    """Whether a rule looks into this IP header."""
    lefts = (each["match"]["left"] for each in _statements(rule) if "match" in each)
    return any(isinstance(left, dict) and left.get("payload", {}).get("protocol") == header for left in lefts)


def fingerprint(things: Iterable[Thing], netfilter: Netfilter) -> str:
    """Tells whether a listing, elements aside, is still the one that pulse made with this program's rules."""
    form: list[tuple[str, Thing]] = []
    for thing in things:
        ((kind, content),) = thing.items()
        if not _is_seal(kind, content):
            kept = {key: content[key] for key in content.keys() - {"handle", "elem"}}
            form.append((kind, kept | {"expr": list(map(_uncounted, kept.get("expr", ())))}))
    # The same table may have come about in another order, and with sets of the other name.
    form.sort(key=lambda each: (each[0], str(each[1].get("chain") or plain(str(each[1].get("name"))))))
    known = ["\n".join(lines(netfilter, elements=False)), form]
    text = re.sub(rf'"(@?\w+[46]){OTHER}"', r'"\1"', json.dumps(known, sort_keys=True))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _uncounted(statement: Any) -> Any:
    is_counter = isinstance(statement, dict) and "counter" in statement
    return {"counter": None} if is_counter else statement


def _is_seal(kind: str, content: Thing) -> bool:
    return SEAL in (content.get("chain"), content.get("name") if kind == "chain" else None)


def sealed_with(things: Iterable[Thing]) -> str | None:
    """The fingerprint in the table; None if there is not exactly one."""
    rules = [thing["rule"] for thing in things if thing.get("rule", {}).get("chain") == SEAL]
    return str(rules[0].get("comment")) if len(rules) == 1 else None


def _strangers(things: Iterable[Thing]) -> tuple[str, ...]:
    """A sentence for each thing in a listing that bears no name or comment that pulse gives."""
    strange = []
    for thing in things:
        ((kind, content),) = thing.items()
        if kind == "table" or _is_seal(kind, content):
            continue
        if kind == "rule":
            if f'comment "{content.get("comment")}"' not in _EVERYTHING:
                strange.append(f"a rule in chain {content['chain']} is not pulse's")
        elif f"{kind} {plain(str(content.get('name')))} {{" not in _EVERYTHING:
            strange.append(f"{kind} {content.get('name', '')} is not pulse's")
    return tuple(strange)
