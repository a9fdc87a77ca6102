"""Which networks may reach the site now, and how that changes without anybody locking themselves out.

Where the file (PIRANHA_ALLOW_FILE) is not there, PIRANHA_ALLOW counts; the first change writes the file, with
those networks in it, and from then on it alone counts. Loopback always does: whoever sits at this machine
can mend the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.conf import settings

from lvs.rows.audit import harmless
from piranha_web.access import allow_file
from piranha_web.access.allow_file import AllowRefused, Entry, Line
from piranha_web.access.networks import (
    Address,
    Network,
    NetworkRefused,
    address_of,
    covering,
    is_everything,
    network_of,
)

log = logging.getLogger("piranha.access")

MOST = 500  # the guard of the panel's port takes twice as many
LONGEST_NOTE = 120
FROM_THIS_MACHINE = "Loopback always may reach the site: it need not be on the list."


class EverybodyMeant(AllowRefused):
    """The network is the whole of its family: that has to be said twice."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What counts now, beside loopback. problem: why the file does not; is_default: there is no file."""

    entries: tuple[Entry, ...]
    problem: str = ""
    is_default: bool = False

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks alone."""
        return tuple(entry.network for entry in self.entries)


def in_force() -> InForce:
    """What counts at this moment."""
    listing = allow_file.read(settings.PIRANHA_ALLOW_FILE)
    if listing is None:
        return by_default(tuple(settings.PIRANHA_ALLOW))
    return of_file(listing)


@lru_cache(maxsize=4)
def by_default(networks: tuple[Network, ...]) -> InForce:
    """What counts without a file."""
    return InForce(tuple(map(Entry, remote(networks))), is_default=True)


@lru_cache(maxsize=4)
def of_file(listing: allow_file.Listing) -> InForce:
    """What a file makes count; nothing, where it is not understood, and the log says so once."""
    if listing.problem:
        log.error("only loopback may reach the site: %s", listing.problem)
    return InForce(listing.entries, listing.problem)


def remote(networks: Sequence[Network]) -> list[Network]:
    """Those that are not loopback, which needs no entry."""
    return [network for network in networks if not network.is_loopback]


def is_allowed(text: str) -> bool:
    """Whether this address may ask; what is no address may not."""
    address = address_of(text)
    if address is None:
        return False
    return address.is_loopback or any(address in entry.network for entry in in_force().entries)


def guarded() -> tuple[Network, ...]:
    """Whom the guard of the panel's port lets through: these, and the proxies, by which they may come."""
    return (*in_force().networks, *remote(settings.PIRANHA_PROXIES))


def asked_for(text: str) -> Network:
    """The network that somebody typed; AllowRefused."""
    try:
        return network_of(text)
    except NetworkRefused as error:
        raise AllowRefused(str(error)) from error


def add(network: Network, note: str, *, by: str, at: datetime, everybody: bool = False) -> str:
    """Puts a network on the list; a remark on that in a sentence, "": there is none. AllowRefused, OSError.

    everybody: that a network of all addresses is meant was said.
    """
    if network.is_loopback:
        raise AllowRefused(FROM_THIS_MACHINE)
    if is_everything(network) and not everybody:
        raise EverybodyMeant(
            f"{network} is every IPv{network.version} address there is: whoever can send a packet to this "
            "machine may then try passwords. Say that you mean it, or write a smaller network."
        )
    entry = entry_for(network, note, by=by, at=at)
    remarks: list[str] = []

    def put(lines: tuple[Line, ...]) -> list[Line]:
        present = [one.network for one in allow_file.entries_of(lines)]
        if network in present:
            raise AllowRefused(f"{network} is on the list already.")
        if len(present) >= MOST:
            raise AllowRefused(f"The list has {MOST} networks, as many as it takes: write larger ones.")
        remarks.append(remark(network, present))
        return [*lines, Line(entry.line, entry)]

    allow_file.change(settings.PIRANHA_ALLOW_FILE, remote(settings.PIRANHA_ALLOW), put)
    return remarks[0]


def choose(wanted: Mapping[Network, str], *, by: str, at: datetime) -> tuple[list[Network], list[Network]]:
    """Makes these networks, with notes on them, the whole list: what came on it, what went. AllowRefused.

    What stays keeps its line. Who calls has asked whether a network of all addresses is meant.
    """
    came: list[Network] = []
    went: list[Network] = []

    def put(lines: tuple[Line, ...]) -> list[Line]:
        present = [one.network for one in allow_file.entries_of(lines)]
        came[:] = [network for network in remote(list(wanted)) if network not in present]
        went[:] = [network for network in present if network not in wanted]
        kept = [line for line in lines if line.entry is None or line.entry.network in wanted]
        made = [entry_for(network, wanted[network], by=by, at=at) for network in came]
        return [*kept, *(Line(entry.line, entry) for entry in made)]

    allow_file.change(settings.PIRANHA_ALLOW_FILE, (), put)
    return came, went


def entry_for(network: Network, note: str, *, by: str, at: datetime) -> Entry:
    """A network as the list has it; nothing in its note or name can be another line, or another column."""
    words = " ".join(harmless(note, LONGEST_NOTE).split())
    return Entry(network, words, harmless(by, 64).replace(":", "."), at)


def remark(network: Network, present: Sequence[Network]) -> str:
    """What a further network changes less than it seems, in a sentence."""
    if wider := [one for one in present if is_within(network, one)]:
        return f"It is within {wider[0]}: as long as that is on the list, it changes nothing."
    if narrower := [str(one) for one in present if is_within(one, network)]:
        return f"It holds {', '.join(narrower[:5])}{' and others' if len(narrower) > 5 else ''} as well."
    return ""


def is_within(network: Network, other: Network) -> bool:
    """Whether all of a network is in another one."""
    return (
        network.version == other.version
        and network.prefixlen > other.prefixlen
        and network.network_address in other
    )


def remove(network: Network, *, own: Address | None) -> tuple[Entry, ...]:
    """Takes a network off the list; what is left. AllowRefused, OSError.

    own: the address in use, which keeps a way in; None: at the console, where there is one.
    """

    def take(lines: tuple[Line, ...]) -> list[Line]:
        left = [line for line in lines if line.entry is None or line.entry.network != network]
        if len(left) == len(lines):
            more = FROM_THIS_MACHINE if network.is_loopback else "Look at the list as it is now."
            raise AllowRefused(f"{network} is not on the list. {more}")
        networks = [one.network for one in allow_file.entries_of(left)]
        if own is not None and not own.is_loopback and not covering(own, networks):
            raise AllowRefused(
                f"{network} stays: your own address {own} is in no other network of the list, and you "
                f"would be locked out. Add one that {own} is in, then remove this."
            )
        return left

    return allow_file.change(settings.PIRANHA_ALLOW_FILE, remote(settings.PIRANHA_ALLOW), take)
