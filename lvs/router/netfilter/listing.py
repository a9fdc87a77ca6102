"""What the table does, from the kernel's listing of it (libnftables-json(5)). Pure.

A fingerprint of the table as the kernel lists it is kept inside it. A rule added, taken out or edited by
hand shows as `drift`, whatever version of nftables wrote the table or lists it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from lvs.config.model import Address, PortRange
from lvs.router.netfilter.table import PROTOCOLS, TABLE, lines, text
from lvs.router.state import MarkRule, Netfilter

SEAL = "fingerprint"  # the chain, bound to no hook, whose only rule has the fingerprint for a comment


def understood(things: list[dict[str, Any]]) -> Netfilter:
    """What a listed table does."""
    marks, masquerade, strange = _elements(things)
    found = Netfilter(marks, masquerade)
    if _sealed(things) != fingerprint(things, found):
        strange += _strangers(things, found) or (f"the table {TABLE} was changed by hand",)
    return Netfilter(marks, masquerade, strange)


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


def fingerprint(things: Iterable[dict[str, Any]], netfilter: Netfilter) -> str:
    """Tells whether a listing, elements aside, is still the one that pulse made with this program's rules."""
    form = []
    for thing in things:
        ((kind, content),) = thing.items()
        if not _is_seal(kind, content):
            form.append([kind, {key: content[key] for key in content.keys() - {"handle", "elem"}}])
    known = ["\n".join(lines(netfilter, elements=False)), form]
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
