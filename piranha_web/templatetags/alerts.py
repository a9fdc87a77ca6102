"""For ALERTS: signs of levels, and the times of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from piranha_web.alerts.rules import DANGER, KINDS, Kind

register = template.Library()


@register.simple_tag
def level_sign(kind: str) -> SafeString:
    """How bad it is: a sign, and the same word for a screen reader."""
    is_danger = kind in KINDS and KINDS[kind].level == DANGER
    sign, colour, word = ("✖", "danger", "danger") if is_danger else ("!", "warning", "warning")
    return format_html(
        '<span class="text-{}-emphasis"><span aria-hidden="true">{}</span>'
        '<span class="visually-hidden">{}:</span></span>',
        colour,
        sign,
        word,
    )


@register.filter
def at_seconds(seconds: float) -> SafeString:
    """Seconds since the epoch as a moment of the site's time zone."""
    at = timezone.localtime(datetime.fromtimestamp(seconds, timezone.get_current_timezone()))
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}")


@register.filter
def of(masks: Mapping[str, str], name: str) -> str:
    """A target's mask by its id; one that was removed has none."""
    return masks.get(name, "removed")


@register.simple_tag
def alert_kinds() -> list[tuple[str, Kind]]:
    """Every kind, for the help."""
    return list(KINDS.items())
