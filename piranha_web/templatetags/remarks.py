"""Remarks and instructions for reading: level as sign, colour and word; what is between backticks as code."""

from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from piranha_web.templatetags.piranha import shown

register = template.Library()

# sign, Bootstrap colour, word
LEVELS = {
    "error": ("✖", "danger", "error"),
    "warning": ("!", "warning", "warning"),
    "note": ("·", "secondary", "note"),
}
TRIALS = {
    True: ("✔", "success", "good"),
    False: ("✖", "danger", "bad"),
    None: ("?", "secondary", "cannot tell"),
}


@register.simple_tag
def remark_level(name: str) -> SafeString:
    """How bad a remark is."""
    return shown(*LEVELS.get(name, ("·", "secondary", name)))


@register.simple_tag
def trial(good: bool | None) -> SafeString:
    """What became of something that was tried."""
    return shown(*TRIALS[good])


@register.filter
def code(text: str) -> SafeString:
    """Text whose parts between backticks are names or commands; an odd backtick stays as it is."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return format_html("{}", text)
    pieces = (
        (format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in enumerate(parts)
    )
    return format_html_join("", "{}", pieces)
