"""How an entry of the audit log is shown."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from piranha_web.templatetags.piranha import shown

register = template.Library()

OUTCOMES = {
    "done": ("✔", "success", "done"),
    "asked": ("…", "info", "asked"),
    "failed": ("✖", "danger", "failed"),
    "refused": ("✖", "warning", "refused"),
}
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
