"""Refuses what came in plain HTTP to a server that others can reach: its passwords and cookies could be read.

That happens where PIRANHA_TLS=off leaves TLS to a proxy, and somebody goes past it; or where the proxy does
not say by what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden

from piranha_web.access.addresses import client_address, is_secure

REFUSAL = (
    "This site is not to be asked in plain HTTP, which everybody on the way can read. Use https://, by the "
    "proxy that stands before it. If you did: the proxy must set X-Forwarded-Proto to https.\n"
)


class PlainMiddleware:
    """Stands behind the allowlist, before anything that reads a cookie or a form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.PIRANHA_ONLY_TLS and not is_secure(request) and not is_own_machine(request):
            return HttpResponseForbidden(REFUSAL, content_type="text/plain; charset=utf-8")
        return self.get_response(request)


def is_own_machine(request: HttpRequest) -> bool:
    """Whether somebody on this machine asks, whom nobody on the way can hear."""
    try:
        return ip_address(client_address(request)).is_loopback
    except ValueError:
        return False
