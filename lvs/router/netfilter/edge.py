"""Reads, replaces and removes the table, in the network namespace of the calling thread."""

from __future__ import annotations

from lvs.router import nft
from lvs.router.netfilter.listing import SEAL, fingerprint, understood
from lvs.router.netfilter.table import TABLE, check, text
from lvs.router.state import Netfilter


def read() -> Netfilter | None:
    """What the table does now; None if there is no such table."""
    change = f"read the nftables table {TABLE}"
    if not nft.available():
        return None
    family, name = TABLE.split()
    tables = nft.objects(f"list tables {family}", change)
    if not any(thing.get("table", {}).get("name") == name for thing in tables):
        return None
    things = nft.objects(f"list table {TABLE}", change)
    return understood(things)


def replace(netfilter: Netfilter) -> None:
    """Makes the table do exactly this, in one transaction: no packet meets half of it."""
    change = f"replace the nftables table {TABLE}"
    check(netfilter, change)
    nft.run(f"table {TABLE}\ndelete table {TABLE}\n{text(netfilter)}", change)
    seal = fingerprint(nft.objects(f"list table {TABLE}", change), netfilter)
    # Only the kernel's listing can be told from itself later, so it is sealed after it was read back; a crash
    # before that leaves a table that works and shows as drift.
    nft.run(f'table {TABLE} {{ chain {SEAL} {{ return comment "{seal}"; }}; }}', change)


def remove() -> None:
    """Takes the table out; fine if there is none."""
    if nft.available():
        nft.run(f"table {TABLE}\ndelete table {TABLE}", f"remove the nftables table {TABLE}")
