"""Sentences about what stands in a file and is not lvs.cf: misspelt directives, other programs' grammars."""

from __future__ import annotations

import re
from difflib import get_close_matches

from lvs.config.keywords import KEYWORDS, Block
from lvs.config.text import shown

_BLOCKS = ("virtual", "failover", "server")
_LONGEST_HINT = 40  # longer words are not misspelt directives, and comparing them takes long

_KEEPALIVED = re.compile(
    r"^[ \t]*(?:(?:global_defs|static_ipaddress|static_routes|static_rules|local_address_group|vrrp_\w+"
    r"|virtual_server(?:_group)?|real_server|virtual_ipaddress|lb_algo|lb_kind|delay_loop)\b(?![ \t]*=))",
    re.MULTILINE,
)
_LDIRECTORD = re.compile(
    r"^[ \t]*(?:virtual6?|real6?|checktimeout|checkinterval|fallback)[ \t]*=", re.MULTILINE
)
_IPVSADM = re.compile(r"^[ \t]*(?:ipvsadm[ \t]+)?(?:-A|--add-service|-a|--add-server)[ \t]+-", re.MULTILINE)
_FOREIGN = (
    (_KEEPALIVED, "keepalived.conf"),
    (_LDIRECTORD, "ldirectord.cf"),
    (_IPVSADM, "a list of ipvsadm rules"),
)


def foreign_grammar(text: str) -> tuple[int, str] | None:
    """The line at which another program's grammar shows and the sentence about it, or None."""
    for pattern, name in _FOREIGN:
        match = pattern.search(text)
        if match:
            line = text.count("\n", 0, match.start()) + 1
            word = match.group().split()[0]
            return line, (
                f"{shown(word)} belongs to {name}: this file is not an lvs.cf and nothing was read from it. "
                "Write it anew in lvs.cf's grammar (directive = value; virtual NAME { ... })"
            )
    return None


def unknown_directive(name: str, block: Block, nearest: bool) -> str:
    """What to do about a directive that this block does not have; nearest: look for a similar name (slow)."""
    if name in _BLOCKS:
        return f"{name} opens a block: write {name} NAME {{"
    elsewhere = [str(other) for other, table in KEYWORDS.items() if name in table]
    if elsewhere:
        places = ", ".join(
            "outside of all blocks" if place == "global" else f"in a {place} block" for place in elsewhere
        )
        return f"{name} has no meaning here: it belongs {places}"
    close: list[str] = []
    if nearest and len(name) <= _LONGEST_HINT:
        close = get_close_matches(name.lower(), [*KEYWORDS[block], *_BLOCKS], n=1, cutoff=0.6)
    remedy = f"did you mean {close[0]}?" if close else "correct its spelling, or remove the line"
    return f"{shown(name)} is not a directive of lvs.cf here: {remedy}"
