"""Reads, replaces and removes the table, in the network namespace of the calling thread."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from lvs.errors import KernelError
from lvs.router import nft
from lvs.router.netfilter.counts import NONE, Counts
from lvs.router.netfilter.exchange import steps
from lvs.router.netfilter.listing import fingerprint, sealed_with, understood, with_counts
from lvs.router.netfilter.table import REMOVING, SEAL, TABLE, check, replacing, sealed
from lvs.router.state import Netfilter

READING = f"read the nftables table {TABLE}"


def read() -> Netfilter | None:
    """What the table does now; None if there is no such table."""
    things = _listing()
    return None if things is None else understood(things)


def read_counted() -> tuple[Netfilter, Counts] | None:
    """The same, with what it has counted."""
    things = _listing(counters=True)
    return None if things is None else with_counts(things)


def _listing(*, counters: bool = False) -> list[dict[str, Any]] | None:
    if not nft.available():
        return None
    family, name = TABLE.split()
    tables = nft.objects(f"list tables {family}", READING)
    if not any(thing.get("table", {}).get("name") == name for thing in tables):
        return None
    return nft.objects(f"list table {TABLE}", READING, counters=counters)


def replace(netfilter: Netfilter) -> None:
    """Makes the table do exactly this; no packet meets half of it, or a moment without.

    Rules that stay go on counting from where they were; only what passes between reading the counters and
    the change is not counted, and where the marks stay, not even that. A table that somebody changed by hand
    is replaced in one transaction, which is quick but not without a gap of microseconds (see `exchange`).
    """
    change = f"replace the nftables table {TABLE}"
    check(netfilter, change)
    counts = NONE
    before = _listing_or_none()
    if before is not None:
        found, counts = with_counts(before)
    if before is None or found.drift or not _exchanged(steps(before, found, counts, netfilter), change):
        nft.run(replacing(netfilter, counts), change)
    things = nft.objects(f"list table {TABLE}", change, terse=True)
    # Only the kernel's listing can be told from itself later, so it is sealed after it was read back; a crash
    # before that leaves a table that works and shows as drift.
    nft.run(f"table {TABLE} {{ {sealed(fingerprint(things, netfilter))}; }}", change)


def _exchanged(transactions: Iterable[str], change: str) -> bool:
    """Whether the kernel took each; where not, all of the table can still be replaced at once."""
    with suppress(KernelError):
        for transaction in transactions:
            nft.run(transaction, change)
        return True
    return False


def loadable(netfilter: Netfilter | None) -> str:
    """What `nft -f` makes the kernel's table of, so that it reads as this one again; None: no table.

    The fingerprint is that of the table in force, which is to be this one.
    """
    if netfilter is None:
        return REMOVING
    with suppress(KernelError):  # without: it works as well, and is replaced by the first look at it
        seal = sealed_with(nft.objects(f"list chain {TABLE} {SEAL}", READING))
        return replacing(netfilter, fingerprint=seal or "")
    return replacing(netfilter)


def _listing_or_none() -> list[dict[str, Any]] | None:
    with suppress(KernelError):  # a table that cannot be read is replaced all the same
        return _listing(counters=True)
    return None


def remove() -> None:
    """Takes the table out; fine if there is none."""
    if nft.available():
        nft.run(REMOVING, f"remove the nftables table {TABLE}")
