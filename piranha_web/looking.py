"""What a router answers to `preflight` and `rules` (ARCHITECTURE.md), as the page ROUTERS shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from lvs import dispatch, models, store
from lvs.sent import orders
from lvs.sent.asking import Told
from piranha_web.pair import moment
from piranha_web.remarks import NONE, Remarks, gathered

MOST_ROWS = 200  # of a rule set's marks: the rest is found by the filter, or downloaded
MOST_LINES = 200  # of a rule set's text, likewise


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the table of kernel parameters."""

    path: str
    wanted: str | None
    found: str | None
    why: str
    when: str
    persisted: str
    is_undone: bool

    @property
    def state(self) -> str:
        """How it stands: left, set, differs or missing."""
        if self.wanted is None:
            return "left"
        if self.found is None:
            return "missing"
        return "set" if self.found == self.wanted else "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What stands against a configuration on a router; problem: why that is not known."""

    router: models.Router
    problem: str | None = None
    at: datetime | None = None
    seconds: float = 0
    remarks: Remarks = NONE
    kept: tuple[Parameter, ...] = ()  # that pulse sets, those that differ first
    left: tuple[Parameter, ...] = ()  # that it leaves alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rule set of a router, or why it is not known. marks: what the filter leaves, MOST_ROWS at most."""

    router: models.Router
    problem: str | None = None
    at: datetime | None = None
    document: Mapping[str, Any] | None = None
    remarks: Remarks = NONE
    marks: tuple[Mapping[str, Any], ...] = ()
    found: int = 0  # marks that the filter leaves
    saved_at: datetime | None = None
    nft: tuple[str, int] = ("", 0)  # the first lines, and how many more there are
    iptables: tuple[str, int] = ("", 0)


def looks(cluster: models.Cluster) -> list[Preflight]:
    """What stands against the candidate, on each router in the order in which they get it."""
    routers = dispatch.standby_first(cluster)
    told = orders.preflight(routers, store.load(cluster))
    now = timezone.now()
    return [preflight_of(one, said, now) for one, said in zip(routers, told, strict=True)]


def preflight_of(router: models.Router, told: Told, now: datetime) -> Preflight:
    """The answer to `preflight` for the page."""
    if told.document is None:
        return Preflight(router=router, problem=told.problem)
    rows = [parameter(one) for one in told.document["parameters"]]
    kept = [one for one in rows if one.wanted is not None]
    return Preflight(
        router=router,
        at=now,
        seconds=told.document["seconds"],
        remarks=gathered(told.document["remarks"]),
        kept=tuple(sorted(kept, key=lambda one: (one.state == "set", not one.is_undone))),
        left=tuple(one for one in rows if one.wanted is None),
    )


def parameter(row: Mapping[str, Any]) -> Parameter:
    """A row of the answer."""
    saved = row["persisted"]
    return Parameter(
        path=row["path"],
        wanted=row["wanted"],
        found=row["found"],
        why=row["why"],
        when=row["when"],
        persisted=f"{saved['value']} in {saved['place']}" if saved else "",
        is_undone=bool(saved) and row["wanted"] is not None and saved["value"] != row["wanted"],
    )


def rules_of(router: models.Router, told: Told, now: datetime, sought: str = "") -> Rules:
    """The answer to `rules` for the page. sought: what a mark's row must have in it."""
    if told.document is None:
        return Rules(router=router, problem=told.problem)
    document = told.document
    marks = [one for one in document["marks"] if has(one, sought)]
    return Rules(
        router=router,
        at=now,
        document=document,
        remarks=gathered(document["remarks"]),
        marks=tuple(marks[:MOST_ROWS]),
        found=len(marks),
        saved_at=moment(document["saved"]["at"]) if document["saved"] else None,
        nft=beginning(document["nft"]),
        iptables=beginning(document["iptables"]),
    )


def has(mark: Mapping[str, Any], sought: str) -> bool:
    """Whether every word stands in the mark's row."""
    names = ("virtual_server", "address", "protocol", "ports", "fwmark")
    row = " ".join(str(mark[name]) for name in names).lower()
    either = f"{row} {str(mark['ports']).replace('-', ':')}"  # 10000-20000 as lvs.cf writes it
    return all(word in either for word in sought.lower().split())


def beginning(text: str) -> tuple[str, int]:
    """The first lines of a text, and how many more it has."""
    lines: Sequence[str] = text.splitlines()
    return "\n".join(lines[:MOST_LINES]), max(0, len(lines) - MOST_LINES)
