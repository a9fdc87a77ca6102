"""What a browser is told that a page of this site may do: nothing but its own files; and by which way alone
it may come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

from piranha_web.access.addresses import is_secure
from piranha_web.tls.serving import Shown, shown

# Bootstrap's style sheet draws its small signs from data: addresses.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
UNUSED = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "bluetooth", "midi", "hid")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{one}=()" for one in UNUSED),
    # Pages show the configuration: no cache keeps them. Static files have a longer life of their own.
    "Cache-Control": "no-store",
}
# With a certificate that a browser trusts anyway. Not for months: HSTS holds for every port of that name, and
# should the certificate end it is past before anybody has forgotten why the page cannot be opened.
HSTS_BY_ITSELF = timedelta(days=7)


class SecurityHeadersMiddleware:
    """Adds them to every answer, refusals of the allowlist included: it stands before everything else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_secure(request):
            # Also where PIRANHA_HTTPS says nothing: a cookie that came by TLS never goes another way.
            for cookie in response.cookies.values():
                cookie["secure"] = True
            length = hsts(request.META.get("HTTP_HOST", ""), shown(), settings.PIRANHA_HSTS)
            if length:
                response.headers["Strict-Transport-Security"] = f"max-age={int(length.total_seconds())}"
        return response


def hsts(host: str, certificate: Shown | None, wanted: timedelta | None) -> timedelta:
    """For how long a browser is to know that this name speaks TLS alone; nothing: it is not told.

    certificate: what this server shows; None: a proxy speaks TLS. wanted: the setting; None: as it makes
    sense. Never for an address or localhost, and never with a certificate that only vouches for itself: a
    browser that knows HSTS lets nobody accept that one.
    """
    name, _port = split_domain_port(host)
    if not is_name(name) or (certificate is not None and certificate.certificate.is_self_signed):
        return timedelta()
    if wanted is not None:
        return wanted
    return HSTS_BY_ITSELF if certificate is not None else timedelta()


def is_name(host: str) -> bool:
    """Whether it is a host name that is not this machine's own word for itself."""
    if not host or host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        return False
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return True
    return False
