"""State as sign, colour and word (never colour alone), and times for reading."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lvs.dispatch import duration

register = template.Library()

# sign, Bootstrap colour, word
STATES = {
    "healthy": ("✔", "success", "healthy"),
    "failed": ("✖", "danger", "failed"),
    "unknown": ("?", "secondary", "unknown"),
    "draining": ("◐", "warning", "draining"),
    "drained": ("◐", "warning", "drained"),
    "departing": ("◐", "warning", "departing"),
    "maintenance": ("⚒", "primary", "maintenance"),
    "protected": ("✖", "danger", "failed, kept in"),
    "forced_up": ("✔", "warning", "forced up"),
    "forced_down": ("✖", "warning", "forced down"),
    "unserved": ("✖", "danger", "no real server serves it"),
    "on_sorry": ("!", "warning", "only the sorry server serves it"),
    "holding": ("✖", "danger", "pool protection holds"),
    "sorry": ("!", "warning", "sorry server"),
    "inactive": ("◌", "secondary", "inactive"),
    "in_service": ("✔", "success", "in service"),
    "some_failed": ("✖", "danger", "some failed"),
    "out": ("✖", "danger", "failed"),
    "in_hand": ("◐", "warning", "in hand"),
    "unapplied": ("◌", "secondary", "not applied yet"),
}
DEPLOYMENTS = {
    "queued": ("◌", "secondary", "queued"),
    "sent": ("…", "info", "sent, waiting for its answer"),
    "applied": ("✔", "success", "applied"),
    "failed": ("✖", "danger", "failed"),
    "superseded": ("◌", "secondary", "superseded by a newer revision"),
    "done": ("✔", "success", "done"),
    "dropped": ("◌", "secondary", "not needed any more"),
    "cancelled": ("◌", "secondary", "cancelled"),
    "putting_back": ("…", "warning", "putting back the revision before"),
    "waiting": ("◐", "warning", "applied, waits for confirmation"),
    "confirming": ("…", "info", "kept, telling the router"),
    "rolled_back": ("↶", "warning", "rolled back"),
}
ERRANDS = {
    "catch_up": "the running revision, since it was behind",
    "keys": "the cluster's key",
    "put_back": "the running revision, in place of what was changed outside",
}
ROLES = {
    "active": ("✔", "success", "active"),
    "standby": ("◌", "body", "standby"),
}
LINKS = {
    True: ("✔", "success", "heard"),
    False: ("✖", "danger", "silent"),
    None: ("?", "secondary", "unknown"),
}
HOUR = 60  # minutes
SHORT = 10  # seconds; below this, tenths matter
SIGNS = {"success": "✔", "warning": "!", "danger": "✖"}
LEVELS = {"info": "body", "notice": "body", "warning": "warning", "error": "danger", "critical": "danger"}


@register.simple_tag
def state(name: str) -> SafeString:
    """The state of a server."""
    if name not in STATES or name == "unknown":
        return shown(*STATES["unknown"], more="hatched")
    return shown(*STATES[name])


@register.simple_tag
def role(name: str) -> SafeString:
    """What a router does."""
    return shown(*ROLES.get(name, ("?", "secondary", name)))


@register.simple_tag
def link_state(alive: bool | None) -> SafeString:
    """A way between the two routers; None: nobody says."""
    return shown(*LINKS[alive])


@register.simple_tag
def deployment(name: str) -> SafeString:
    """How far a deployment or an errand is."""
    return shown(*DEPLOYMENTS.get(name, ("?", "secondary", name)))


@register.simple_tag
def errand_kind(kind: str) -> str:
    """What a router was given besides a new revision."""
    return ERRANDS.get(kind, kind)


@register.simple_tag
def sign(level: str) -> str:
    """The sign that goes with a level."""
    return SIGNS.get(level, "?")


@register.simple_tag
def level(name: str) -> str:
    """The colour of an event's level."""
    return LEVELS.get(name, "body")


@register.filter
def age(seconds: float | None) -> str:
    """8 s, 5 min, 3 h; "never" for None."""
    return "never" if seconds is None else duration(seconds)


@register.filter
def span(seconds: float | None) -> str:
    """A length of time that may be far below a second: 0.03 s, 4.2 s, 12 s, 5 min; "never" for None."""
    if seconds is None:
        return "never"
    if seconds >= SHORT:
        return duration(seconds)
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


@register.filter
def remaining(seconds: float) -> str:
    """What is left of a count-down, to the second: 42 s, 59 min 58 s, 1 h 5 min."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes >= HOUR:
        return f"{minutes // HOUR} h {minutes % HOUR} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@register.filter
def milliseconds(value: float) -> str:
    """A number of milliseconds: 0.4 ms, 12 ms, 1250 ms."""
    return f"{value:.1f} ms" if value < SHORT else f"{value:.0f} ms"


@register.filter
def when(at: datetime | None) -> str:
    """A time for reading: the day only when it is not today's; "never" for None."""
    if at is None:
        return "never"
    here = timezone.localtime(at)
    is_today = here.date() == timezone.localtime(timezone.now()).date()
    return here.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S")


@register.filter
def uptime(pulse: Mapping[str, Any]) -> str:
    """How long pulse has run, by its own clock."""
    return duration(max(0.0, pulse["now"] - pulse["started_at"]))


def shown(sign: str, colour: str, word: str, more: str = "") -> SafeString:
    """Sign, colour and word together. more: another class."""
    return format_html(
        '<span class="state text-{}-emphasis{}"><span aria-hidden="true">{}</span> {}</span>',
        colour,
        f" {more}" if more else "",
        sign,
        word,
    )
