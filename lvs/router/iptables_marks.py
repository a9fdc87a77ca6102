"""The marks that rules of iptables-nft set, which nft tells in its own language only, not in JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

TARGET = {"type": "target", "name": "MARK"}
# A line of `nft -a list table`: a number, or what is worked out from the mark before ("mark or 0x8").
LINE = re.compile(
    r"meta mark set (0x[0-9a-f]+|\d+|mark .*?)(?: comment \"[^\"]*\")? # handle (\d+)$", re.MULTILINE
)
MARK = {"meta": {"key": "mark"}}


def hides_marks(things: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a rule of a listing has iptables' target MARK, of which JSON says nothing more."""
    return any(
        isinstance(each, dict) and each.get("xt") == TARGET
        for thing in things
        for each in thing.get("rule", {}).get("expr", ())
    )


def with_marks(things: Sequence[Mapping[str, Any]], listing: str) -> list[dict[str, Any]]:
    """One table's listing with these targets as what they are in nft: statements that set a mark.

    listing: the same table in nft's language, with handles; what it does not say plainly stays as it is.
    """
    marks = {int(handle): mark for mark, handle in LINE.findall(listing)}
    shown = []
    for thing in things:
        rule = thing.get("rule")
        mark = marks.get(rule["handle"]) if rule else None
        if rule is None or mark is None:
            shown.append(dict(thing))
            continue
        set_here = {"mangle": {"key": MARK, "value": MARK if mark.startswith("mark") else int(mark, 0)}}
        expressions = [
            set_here if isinstance(each, dict) and each.get("xt") == TARGET else each for each in rule["expr"]
        ]
        shown.append({"rule": {**rule, "expr": expressions}})
    return shown
