"""Which addresses may ask at all, and under which names the site may be asked for.

The middleware stands before everything else, static files included: to an address that is not on the list
there is nothing to see. Whose request it is says `piranha_web.access.addresses`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

from piranha_web import audit
from piranha_web.access.addresses import origin_of
from piranha_web.access.allowed import in_force, is_allowed

log = logging.getLogger("piranha.access")


class AllowlistMiddleware:
    """Refuses foreign addresses, and host names that are not the site's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = origin_of(request)
        address = origin.address
        if origin.problem:
            log.warning("refused a request: %s", origin.problem)
            audit.refused(request, audit.Action.NETWORK, "came by a proxy that did not say for whom")
            return refusal(origin.problem, status=400)
        # What Django and its libraries take for the scheme is what is believed here, no more and no less.
        request.META["wsgi.url_scheme"] = "https" if origin.secure else "http"
        if not is_allowed(address):
            log.warning("refused %r: not in the allowed networks", address)
            audit.refused(request, audit.Action.NETWORK, "reached the site from outside the allowed networks")
            return refusal(foreign(address))
        host = request.META.get("HTTP_HOST", "localhost")
        if not is_own_name(host):
            log.warning("refused %r: asked for the host %r", address, host)
            audit.refused(request, audit.Action.NETWORK, "asked for the site by a name that is not its own")
            return refusal(
                "This site is not known by the name that was asked for. Use its IP address, or add the name "
                "to PIRANHA_HOSTS, then restart the web server."
            )
        return self.get_response(request)


def foreign(address: str) -> str:
    """What somebody is told whose address is not on the list."""
    if in_force().problem:  # where the file lies, and what stands in it, is not for them
        return (
            f"The address {address} may not use this site: its list of allowed networks cannot be used, so "
            "only its own machine may. There, `piranha allow` says what is wrong."
        )
    return (
        f"The address {address} may not use this site. An administrator can add it on the page Access, or "
        f"on the machine that serves the site by: piranha allow add {address}"
    )


def refusal(text: str, status: int = 403) -> HttpResponse:
    """A refusal in plain words; it comes before templates, sessions and messages exist."""
    return HttpResponse(text + "\n", status=status, content_type="text/plain; charset=utf-8")


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
