"""Which revision stands: what the routers were given last and did not refuse."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from django.db.models import F, QuerySet

if TYPE_CHECKING:
    from lvs.models import Revision

REFUSED = (
    "failed",
    "cancelled",
    "putting_back",
    "rolled_back",
)  # states of a deployment; none of them keeps it
FIRST, MOST = 6, 100  # deployments that are looked at: the newest nearly always stands


def standing_of(revisions: QuerySet[Revision]) -> Revision | None:
    """The newest of a cluster's revisions that a router kept or may keep; None: there is none."""
    # Every page asks, and a revision's texts have megabytes: they are loaded when they are looked at.
    rows = revisions.defer("document", "lvs_cf").annotate(outcome=F("deployments__state")).order_by("-number")
    for limit in (FIRST, MOST):
        found = list(rows[:limit])
        for number, group in groupby(found, key=lambda row: row.number):
            same = list(group)
            is_whole = len(found) < limit or number != found[-1].number
            if any(row.outcome not in REFUSED for row in same):  # None: it was given to no router
                return same[0]
            if not is_whole:
                break
        if len(found) < limit:
            return None
    return None
