"""The ways into the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from lvs import models
from piranha_web.guide.links import address_of
from piranha_web.guide.pages import BY_NAME, page_for

register = template.Library()


@register.simple_tag
def topic(place: str, text: str = "") -> SafeString:
    """A link to a help page, or to a place on it ("checks#times"); text "": the page's title."""
    page = BY_NAME[place.partition("#")[0]]
    return format_html('<a href="{}">{}</a>', address_of(place), text or page.title)


@register.simple_tag
def of_guide(place: str, text: str) -> SafeString:
    """A link to a place in the guide ("router.html#ftp")."""
    name, sign, anchor = place.partition("#")
    return format_html('<a href="{}{}{}">{}</a>', reverse("guide-page", args=[name]), sign, anchor, text)


@register.simple_tag
def never_applied(cluster: models.Cluster) -> bool:
    """Whether no router was ever given anything: the first set-up is offered then."""
    return not cluster.revisions.exists()


@register.simple_tag(takes_context=True)
def help_address(context: Mapping[str, Any]) -> str:
    """Where Help leads from the page that is shown."""
    match = context["request"].resolver_match if "request" in context else None
    found = page_for(match.url_name or "") if match else None
    return address_of(found.name) if found else reverse("help")
