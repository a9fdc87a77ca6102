"""How an entry of the audit log is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils.safestring import SafeString

from lvs import models
from piranha_web.templatetags.piranha import shown

register = template.Library()

OUTCOMES = {
    "done": ("✔", "success", "done"),
    "asked": ("…", "info", "asked"),
    "failed": ("✖", "danger", "failed"),
    "refused": ("✖", "warning", "refused"),
}
Action = models.AuditEntry.Action
CHANGES = (Action.CANDIDATE, Action.IMPORT, Action.DISCARD, Action.TAKE_BACK, Action.TAKE_IN)
NEWEST_CHANGES = 5  # that a page names
MOST_LINES = 200  # of one detail on the page; the exports have all


@register.simple_tag
def audit_outcome(outcome: str) -> SafeString:
    """What came of it, as sign, colour and word."""
    return shown(*OUTCOMES.get(outcome, ("?", "secondary", outcome)))


@register.simple_tag
def details_of(value: Any) -> list[str]:
    """A detail in lines."""
    lines = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    more = [f"… and {len(lines) - MOST_LINES} more: export them"] if len(lines) > MOST_LINES else []
    return lines[:MOST_LINES] + more


@register.simple_tag
def changes_since(
    cluster: models.Cluster, since: datetime, most: int = NEWEST_CHANGES
) -> list[models.AuditEntry]:
    """Who changed the candidate since then: the newest entries, oldest first."""
    done = models.AuditEntry.Outcome.DONE
    found = models.AuditEntry.objects.filter(
        cluster=cluster.name, action__in=CHANGES, outcome=done, at__gte=since
    )
    return list(found.order_by("-at", "-pk")[:most])[::-1]
