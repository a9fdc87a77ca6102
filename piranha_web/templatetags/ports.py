"""The ports of a virtual server for reading."""

from __future__ import annotations

from collections.abc import Sequence

from django import template

from lvs.config.model import PortRange, Protocol

register = template.Library()

MOST = 6  # that a line has room for


@register.filter
def further(ports: Sequence[Sequence[int | str]]) -> str:
    """The column `ports` of a virtual server's row: ", 443, udp/443", with the number of those left out."""
    words = [
        str(PortRange(int(first), int(last), Protocol(str(protocol[0])) if protocol else None))
        for first, last, *protocol in ports
    ]
    more = len(words) - MOST
    return "".join(f", {word}" for word in words[:MOST]) + (f" and {more} more" if more > 0 else "")
