"""What a router's report sums up: how its virtual servers stand, and which of them it tells of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lvs.reported.standing import ASIDE, Standing

WHOLE = 250  # real servers up to which a summary tells of all
MOST_SERVERS = 100  # of which it tells where there are more: every page reads it
MOST_FOREIGN = 50  # services that are not pulse's
MOST_ADDRESSES = 50  # floating addresses

Part = Mapping[str, Any]  # a virtual server of the status document (ARCHITECTURE.md)


def chosen(standings: Mapping[str, Standing], whole: int = WHOLE, most: int = MOST_SERVERS) -> list[str]:
    """The virtual servers that a summary tells of, by name.

    All of them where they have no more than whole real servers, in their order; else those that need
    attention most, with most real servers in all, and one at least.
    """
    if sum(one.real_servers for one in standings.values()) <= whole:
        return list(standings)
    names: list[str] = []
    told = 0
    for name in sorted(standings, key=lambda each: standings[each].rank):
        told += standings[name].real_servers
        if names and told > most:
            break
        names.append(name)
    return names


def summed_up(standings: Mapping[str, Standing], names: int, total: int) -> dict[str, Any]:
    """`summary` of a report. names: of how many virtual servers it tells; total: how many there are.

    Those that were not read yet are in `unread` and nowhere else.
    """
    counts: Counter[str] = Counter()
    services: Counter[str] = Counter()
    for one in standings.values():
        counts.update(one.counts)
        services[one.state] += 1
    return {
        "virtual_servers": total,
        "real_servers": sum(number for name, number in counts.items() if name not in ASIDE),
        "whole": names == total,
        "unread": total - len(standings),
        "counts": dict(counts),
        "services": dict(services),
        "attention": sum(one.rows for one in standings.values()),
    }


def states_document(standings: Mapping[str, Standing]) -> dict[str, Any]:
    """All of them, in their order, for those who look for one."""
    return {name: [one.state, one.counts] for name, one in standings.items()}


def kept(part: Part) -> dict[str, Any]:
    """A part as it is kept: without what changes with every check and nobody is shown."""
    without = [
        {name: value for name, value in one.items() if name != "checked_at"} for one in part["real_servers"]
    ]
    return {**part, "real_servers": without}
