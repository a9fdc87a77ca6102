"""Which addresses may ask at all, and under which names the site may be asked for.

The middleware stands before everything else, static files included: to an address that is not on the list
there is nothing to see. A forwarded-for header is never believed: anybody can write one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.http.request import split_domain_port

from piranha_web import audit

log = logging.getLogger("piranha.access")


class AllowlistMiddleware:
    """Refuses foreign addresses, and host names that are not the site's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = request.META.get("REMOTE_ADDR", "")
        if not is_allowed(address):
            log.warning("refused %s: not in the allowed networks", address)
            audit.refused(request, audit.Action.NETWORK, "reached the site from outside the allowed networks")
            return refusal(
                f"The address {address} may not use this site. An administrator can add its network to "
                "PIRANHA_ALLOW, then restart the web server."
            )
        host = request.META.get("HTTP_HOST", "localhost")
        if not is_own_name(host):
            log.warning("refused %s: asked for the host %r", address, host)
            audit.refused(request, audit.Action.NETWORK, "asked for the site by a name that is not its own")
            return refusal(
                "This site is not known by the name that was asked for. Use its IP address, or add the name "
                "to PIRANHA_HOSTS, then restart the web server."
            )
        return self.get_response(request)


def refusal(text: str) -> HttpResponse:
    """A refusal in plain words; it comes before templates, sessions and messages exist."""
    return HttpResponseForbidden(text + "\n", content_type="text/plain; charset=utf-8")


def is_allowed(text: str) -> bool:
    """Whether the address is in one of the allowed networks; what is no address is not."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in settings.PIRANHA_ALLOW)


def is_own_name(host: str) -> bool:
    """Whether a Host header names this site.

    Any IP address does: a page elsewhere whose name is made to point here (DNS rebinding) cannot use one.
    """
    name, _port = split_domain_port(host)
    if name in (known.lower() for known in settings.PIRANHA_HOSTS):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
