"""What stands against a configuration on the router that was seen, before anything is applied. Pure.

`lvs.router.surroundings` looks, and what it found is judged here: one remark for each thing that an
administrator should know of, the worst first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from lvs.config.model import LvsConfig
from lvs.router.judges import firewall, kernel, marks, network, rivals
from lvs.router.parameter_table import Row
from lvs.router.seen import About, Interface, Level, Remark, Seen, Way

JUDGES: Final[tuple[Callable[[Seen, LvsConfig], Iterator[Remark]], ...]] = (
    kernel.modules,
    network.interfaces,
    network.addresses,
    network.routes,
    firewall.firewall,
    marks.marks,
    rivals.managers,
    rivals.table,
    rivals.listeners,
    kernel.parameters,
    kernel.limits,
    kernel.clock,
)
ORDER: Final = tuple(Level)


def judged(seen: Seen, config: LvsConfig) -> tuple[Remark, ...]:
    """What is to be said of this router as a place for that configuration, the worst first."""
    remarks = [remark for judge in JUDGES for remark in judge(seen, config)]
    remarks += (unseen(sentence) for sentence in seen.unseen)
    return worst_first(remarks)


def worst_first(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """In the order of their levels."""
    return tuple(sorted(remarks, key=lambda remark: ORDER.index(remark.level)))


def document(remarks: tuple[Remark, ...], seen: Seen) -> dict[str, Any]:
    """The answer of pulse's call `preflight` (ARCHITECTURE.md)."""
    return {
        "remarks": [remark.document() for remark in remarks],
        "parameters": [row_document(row) for row in seen.parameters],
        "interfaces": [interface_document(one, seen) for one in seen.interfaces.values()],
        "ways_out": {str(version): way_document(way) for version, way in sorted(seen.way_out.items())},
    }


def interface_document(interface: Interface, seen: Seen) -> dict[str, Any]:
    """An interface with the machine's own addresses on it: not those that pulse put there."""
    ours = {each.address for each in seen.owned.addresses}
    own = [one for one in seen.addresses if one.interface == interface.name and one.address not in ours]
    own.sort(key=lambda one: (one.address.version, int(one.address)))
    return {
        "name": interface.name,
        "carries": interface.carries,
        "addresses": [f"{one.address}/{one.prefix}" for one in own if not one.address.is_link_local],
    }


def way_document(way: Way | None) -> dict[str, Any] | None:
    """The way of what is for nowhere near; None: there is none."""
    if way is None:
        return None
    return {"interface": way.interface, "gateway": str(way.gateway) if way.gateway else None}


def row_document(row: Row) -> dict[str, Any]:
    """A row of the table of kernel parameters as JSON has it."""
    saved = row.persisted
    return {
        "path": row.path,
        "wanted": row.wanted,
        "found": row.found,
        "why": row.why,
        "when": row.when,
        "persisted": {"value": saved.value, "place": saved.place} if saved else None,
    }


def unseen(sentence: str) -> Remark:
    """On what could not be looked at."""
    return Remark(
        Level.NOTE,
        About.LIMITS,
        sentence,
        "So nothing can be said of it here.",
        "Ask as root, or have pulse run as its unit has it.",
    )
