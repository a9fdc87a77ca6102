"""From the table in force to another, so that no packet meets a moment without its mark. Pure.

One transaction that replaces the whole table does not do it: what the rules ask of a set with intervals is
there some microseconds after the rules are (the elements of a transaction are put in place behind the change
of generations; nf_tables_commit, net/netfilter/nf_tables_api.c, and nft_set_pipapo.c). At a hundred thousand
packets a second, every few replacements a packet or two got no mark; tried on 6.18.

So it takes three. A set that changes comes beside the old one, under another name, and nobody asks it yet.
Then the rules change over, all of them at once, and chains stay in their hooks. Then what nobody asks any
more goes. A set that stays is left alone, its counters with it. A crash in between leaves a table that does
what it should, and shows as changed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from lvs.config.model import Address
from lvs.router.netfilter.counts import Counts
from lvs.router.netfilter.table import OTHER, SEAL, TABLE, chains, plain, sets
from lvs.router.state import Netfilter, Network

Thing = dict[str, Any]


def steps(things: list[Thing], found: Netfilter, counts: Counts, wanted: Netfilter) -> tuple[str, ...]:
    """The transactions that make the listed table the wanted one, in nft's language; its seal is taken off.

    found, counts: what the listed table does, nothing of it changed by hand, and what it has counted.
    """
    kept_sets = [thing.get("map") or thing.get("set") for thing in things]
    there = {plain(each["name"]): each["name"] for each in kept_sets if each}
    at, fresh = _places(found, counts, there, wanted)
    old_chains = [thing["chain"]["name"] for thing in things if "chain" in thing]
    new_chains = chains(wanted, counts)
    rules = (line for block in new_chains.values() for line in block)
    flushes = [f"flush chain {TABLE} {name}" for name in old_chains if name != SEAL]
    ends = [f"flush chain {TABLE} {SEAL}"] if SEAL in old_chains else []
    ends += [f"delete chain {TABLE} {name}" for name in old_chains if name not in {*new_chains, SEAL}]
    ends += [
        f"delete {'map' if 'map' in thing else 'set'} {TABLE} {each['name']}"
        for thing, each in zip(things, kept_sets, strict=True)
        if each and each["name"] not in at.values()
    ]
    changed_over = [*flushes, *_in_table(re.sub(r"@(\w+)", lambda m: f"@{at[m[1]]}", rule) for rule in rules)]
    return tuple("\n".join(step) + "\n" for step in ([*_in_table(fresh)], changed_over, ends) if step)


def _places(
    found: Netfilter, counts: Counts, there: dict[str, str], wanted: Netfilter
) -> tuple[dict[str, str], list[str]]:
    """Under which name each wanted set is or comes, and the lines of those that come."""
    at: dict[str, str] = {}
    fresh: list[str] = []
    for head, block in sets(wanted, counts).items():
        name = head.split()[1]
        if name in there and _members(found, name) == _members(wanted, name):
            at[name] = there[name]
            continue
        at[name] = f"{name}{OTHER}" if there.get(name) == name else name
        fresh += [block[0].replace(name, at[name], 1), *block[1:]]
    return at, fresh


def _members(netfilter: Netfilter, name: str) -> list[object]:
    """What is in the set of this name, such as marks4."""
    guarded = netfilter.guard.networks if netfilter.guard else ()
    if name.startswith("marks"):
        return [rule for rule in netfilter.marks if rule.address.version == int(name[-1])]
    each_of: tuple[Address | Network, ...] = guarded if name.startswith("guard") else netfilter.masquerade
    return [each for each in each_of if each.version == int(name[-1])]


def _in_table(lines: Iterable[str]) -> Iterator[str]:
    lines = list(lines)
    if lines:
        yield f"table {TABLE} {{"
        yield from lines
        yield "}"
