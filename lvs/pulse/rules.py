"""The call `rules`: the rule set in force, what it has counted, where it is kept (ARCHITECTURE.md).

Loaded at the first call, as `preflight` is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from lvs.config.model import LvsConfig
from lvs.pulse.keeping import Keeper
from lvs.router import modules, netfilter, passing
from lvs.router.judges.marks import marks
from lvs.router.netfilter import iptables
from lvs.router.netfilter.counts import NONE, NOTHING, Count, Counts
from lvs.router.preflight import unseen, worst_first
from lvs.router.saved_rules import SavedRules
from lvs.router.sentences import MODULE_REASONS
from lvs.router.state import MarkRule, Netfilter
from lvs.router.surroundings import look_at_marks

Document = dict[str, Any]


async def rules(keeper: Keeper) -> Document:
    """The answer of the call. Reading ten thousand rules takes half a second, and nobody waits for that."""
    config = keeper.running.config if keeper.running else LvsConfig()
    found, counts = await keeper.work.rules() or (None, NONE)
    owned = await keeper.work.owned()
    seen = await asyncio.to_thread(look_at_marks, owned)
    remarks = [*marks(seen, config), *map(unseen, seen.unseen)]
    there = await asyncio.to_thread(described, config, found, counts)
    return there | {
        "drift": [*there["drift"], *missing(found, keeper.account.wanted.netfilter)],
        "saved": await asyncio.to_thread(saved_document, keeper.work.saved),
        "modules": await asyncio.to_thread(modules_document, keeper.account.wanted.modules),
        "remarks": [remark.document() for remark in worst_first(remarks)],
    }


def described(config: LvsConfig, found: Netfilter | None, counts: Counts) -> Document:
    """What the table does, and has counted."""
    if found is None:
        return {"nft": "", "iptables": "", "drift": [], "marks": [], "masquerade": None, "guard": None}
    names = passing.owners(config, found.marks)
    sources = found.masquerade
    connections = sum(counts.masquerade.values(), NOTHING)
    return {
        "nft": netfilter.text(found),
        "iptables": iptables.text(found, names),
        "drift": list(found.drift),
        "marks": [_mark(rule, names, counts.marks.get(rule, NOTHING)) for rule in found.marks],
        "masquerade": {"real_servers": list(map(str, sources)), **_counted(connections)} if sources else None,
        "guard": {
            "port": found.guard.port,
            "networks": list(map(str, found.guard.networks)),
            **_counted(counts.refused),
        }
        if found.guard
        else None,
    }


def missing(found: Netfilter | None, wanted: Netfilter | None) -> Iterator[str]:
    """That the table does not have what pulse wants of it for lvs.cf, in a sentence."""
    unguarded = [replace(each or Netfilter(), guard=None, drift=()) for each in (found, wanted)]
    if unguarded[0] == unguarded[1]:
        return
    if found is None:
        yield f"the table {netfilter.TABLE} is not there; pulse puts it back within ten seconds, if it can"
    elif not found.drift:
        yield "marks or masqueraded addresses are not those of lvs.cf; pulse mends that within ten seconds"


def _mark(rule: MarkRule, names: dict[MarkRule, str], count: Count) -> Document:
    return {
        "virtual_server": names.get(rule, ""),
        "address": str(rule.address),
        "protocol": rule.protocol.value,
        "ports": str(rule.ports).replace(":", "-"),
        "fwmark": rule.fwmark,
        **_counted(count),
    }


def _counted(count: Count) -> Document:
    return {"packets": count.packets, "bytes": count.bytes}


def saved_document(saved: SavedRules | None) -> Document | None:
    """Where the rules are kept, and since when."""
    at = saved.written_at() if saved else None
    return None if saved is None or at is None else {"path": str(saved.path), "at": at}


def modules_document(wanted: Collection[str]) -> list[Document]:
    """The kernel modules that pulse loads, by name."""
    loaded = modules.read(wanted)
    return [
        {"name": name, "loaded": name in loaded, "why": MODULE_REASONS.get(name, "")}
        for name in sorted(wanted)
    ]
