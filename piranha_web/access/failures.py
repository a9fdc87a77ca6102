"""When somebody who guesses has to wait, judged from what was counted. Pure: rows in, locks out.

Theory. Three things are counted over the last WINDOW: the failures for one name from one network (PAIR), from
one network for whatever name (NETWORK), and for one name from whatever network (NAME). The first two stop
whoever guesses at one place. The third is for somebody who has many addresses; by it alone, anybody who knows
a name could keep its owner out. So it leaves out networks from which the owner has logged in before: failures
there do not count for it, and it keeps nobody out there. A failure during a lock is not counted, so a lock
ends WINDOW after the failures that made it, whatever is tried meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv6Address, IPv6Network, ip_address

WINDOW = timedelta(minutes=15)
PREFIX = 64  # of IPv6: whoever has one address has all of its /64


class Kind(Enum):
    """What is locked, and by how many failures."""

    PAIR = 10
    NETWORK = 30
    NAME = 60


@dataclass(frozen=True, slots=True)
class Failures:
    """What was counted for one name from one network (`network_of`). last: when the newest was."""

    name: str
    network: str
    times: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Why somebody has to wait. name "": whatever name; network "": from every network that is not known."""

    kind: Kind
    name: str
    network: str
    times: int
    since: datetime
    until: datetime


def network_of(text: str) -> str:
    """The network that an address counts for: itself, in IPv6 its /64 (the first address); "": no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), PREFIX), strict=False).network_address)
    return str(address)


def in_words(network: str) -> str:
    """A network for people."""
    return f"{network}/{PREFIX}" if ":" in network else network


def locks(
    found: Sequence[Failures], name: str, network: str, known: Collection[str], now: datetime
) -> dict[Kind, Lock]:
    """Every lock that is in the way of that name from that network.

    found: at least what was counted for the name and for the network; known: networks from which the owner of
    the name has logged in.
    """
    counted = [one for one in found if one.last > now - WINDOW]
    of_name = [one for one in counted if one.name == name]
    judged = {
        Kind.PAIR: (name, network, [one for one in of_name if one.network == network]),
        Kind.NETWORK: ("", network, [one for one in counted if one.network == network]),
    }
    if name and network not in known:
        judged[Kind.NAME] = (name, "", [one for one in of_name if one.network not in known])
    made = {kind: lock(kind, *words) for kind, words in judged.items()}
    return {kind: one for kind, one in made.items() if one is not None}


def lock(kind: Kind, name: str, network: str, counted: Sequence[Failures]) -> Lock | None:
    """The lock that these failures make together; None: they are too few."""
    total = sum(one.times for one in counted)
    if total < kind.value:
        return None
    in_order = sorted(counted, key=lambda one: one.last)
    return Lock(
        kind=kind,
        name=name,
        network=network,
        times=total,
        since=reached(in_order, kind.value),
        # It ends when so many have become too old that the rest is too few.
        until=reached(in_order, total - kind.value + 1) + WINDOW,
    )


def reached(in_order: Sequence[Failures], count: int) -> datetime:
    """When the sum of the failures, the oldest first, came to that count, which it does."""
    total = 0
    for one in in_order:
        total += one.times
        if total >= count:
            return one.last
    raise ValueError(f"these are {total} failures, not {count}")


def every_lock(found: Sequence[Failures], known: Mapping[str, Collection[str]], now: datetime) -> list[Lock]:
    """Every lock that there is, those that end last first. known: by name."""
    parts: defaultdict[tuple[Kind, str, str], list[Failures]] = defaultdict(list)
    for each in found:
        if each.last <= now - WINDOW:
            continue
        parts[Kind.PAIR, each.name, each.network].append(each)
        parts[Kind.NETWORK, "", each.network].append(each)
        if each.name and each.network not in known.get(each.name, ()):
            parts[Kind.NAME, each.name, ""].append(each)
    judged = [lock(*key, counted) for key, counted in parts.items()]
    made = [one for one in judged if one is not None]
    return sorted(made, key=lambda one: (one.until, one.name, one.network), reverse=True)


def wait_in_words(until: datetime, now: datetime) -> str:
    """How long until then: in minutes, the last one in seconds; never less than a second."""
    seconds = max(1, -((now - until) // timedelta(seconds=1)))
    if seconds <= 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    return f"{-(-seconds // 60)} minutes"
