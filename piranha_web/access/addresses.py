"""Whose request it is, and whether it came by TLS, also where a proxy stands in between.

Theory. Anybody can write a forwarding header. It is believed of a peer that PIRANHA_PROXIES names, and of
nobody else. Each proxy puts the address of whoever asked *it* at the right end of X-Forwarded-For, so the
list is read from there: past the proxies that are named, up to the first address that is none. What stands
left of that one its owner may have written, and it is never looked at. A proxy that does not say for whom it
asks, or says what is no address, is refused: else all that come through it would pass as the proxy itself.

Forwarded (RFC 7239) is not read. Two headers that say the same are two chances to forge one, and every proxy
can write this one.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from lvs.flood import Flood
from piranha_web.access.networks import Address, address_of, covering, shown

log = logging.getLogger("piranha.access")

FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"
SOCKET = ""  # what WSGI servers say of a peer at a unix socket
LONGEST_ADDRESS = 64
LONGEST_HEADER = 64  # of X-Forwarded-Proto
MOST_PROXIES = 16  # in a row; more is a header that was made, not a way that was gone
# Some proxies put the port behind: 192.0.2.7:4711, [2001:db8::7]:4711, and [2001:db8::7] without one.
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. problem: why that cannot be known (address is then the proxy's); "": it is.

    address: in its one spelling; what a server gave that is no address stays as it is, cut.
    """

    address: str
    secure: bool
    problem: str = ""


class _Unclear(Exception):
    """What a proxy says is not to be understood."""


def client_address(request: HttpRequest) -> str:
    """Who asks, in the one spelling of that address: IPv4 as IPv4, no zone.

    Where a proxy was not understood this is the proxy; the allowlist refuses such a request before anything
    else sees it.
    """
    return origin_of(request).address


def is_secure(request: HttpRequest) -> bool:
    """Whether the browser's connection is TLS: to this server, or to a named proxy that says so."""
    return origin_of(request).secure


def origin_of(request: HttpRequest) -> Origin:
    """Both, judged once for each request."""
    known: Origin | None = getattr(request, "piranha_origin", None)
    if known is None:
        known = judged(request)
        request.piranha_origin = known  # type: ignore[attr-defined]
    return known


def judged(request: HttpRequest) -> Origin:
    """What the peer and, if it is a named proxy, its headers say."""
    said = str(request.META.get("REMOTE_ADDR", ""))
    peer = address_of(said)
    text = str(peer) if peer is not None else said[:LONGEST_ADDRESS]
    secure = request.META.get("wsgi.url_scheme") == "https"
    believed = settings.PIRANHA_PROXY_SOCKET if said == SOCKET else peer is not None and is_proxy(peer)
    if not believed:
        if FORWARDED_FOR in request.META or FORWARDED_PROTO in request.META:
            IGNORED.count(text)
        return Origin(text, secure)
    try:
        address = forwarded_for(request.META.get(FORWARDED_FOR, ""))
        secure = forwarded_secure(request.META.get(FORWARDED_PROTO), secure)
    except _Unclear as error:
        return Origin(text, secure, f"The proxy {text or 'at the socket'} {error}")
    return Origin(str(address), secure)


def is_proxy(address: Address) -> bool:
    """Whether PIRANHA_PROXIES names it."""
    return bool(covering(address, settings.PIRANHA_PROXIES))


def forwarded_for(header: str) -> Address:
    """The client that a proxy names: from the right the first that is no proxy, else the leftmost."""
    rest = header
    for _ in range(MOST_PROXIES):
        rest, comma, last = rest.rpartition(",")
        address = element(last.strip(" \t"))
        if not comma or not is_proxy(address):
            return address
    raise _Unclear(f"names more than {MOST_PROXIES} proxies in a row. Look at its X-Forwarded-For.")


def element(text: str) -> Address:
    """One address of the header."""
    if not text:
        raise _Unclear(
            "does not say for whom it asks. Have it add the client's address to X-Forwarded-For, or take it "
            "out of PIRANHA_PROXIES."
        )
    with_port = _WITH_PORT.fullmatch(text)
    address = address_of((with_port["six"] or with_port["four"]) if with_port else text)
    if address is None or (with_port and with_port["six"] and ":" not in with_port["six"]):
        raise _Unclear(
            f"asks for {shown(text)}, which is no address. Have it put the client's address at the end of "
            "X-Forwarded-For."
        )
    return address


def forwarded_secure(header: str | None, own: bool) -> bool:
    """Whether X-Forwarded-Proto says https; of several words each must. own: what holds without one."""
    if header is None:
        return own
    found = {word.strip(" \t").lower() for word in header.split(",")}
    if len(header) > LONGEST_HEADER or not found <= {"http", "https"}:
        raise _Unclear(f"says {shown(header)} in X-Forwarded-Proto. Have it say http or https.")
    return found == {"https"}


class Ignored:
    """Tells the log, once a minute, of forwarding headers that were not believed."""

    def __init__(self) -> None:
        self._flood = Flood(most=1, seconds=60.0)
        self._lock = threading.Lock()

    def count(self, address: str) -> None:
        """One more, from that address."""
        with self._lock:
            left_out = self._flood.heard(time.monotonic())
        if left_out is None:
            return
        before = f" (and {left_out} more since the last line like this)" if left_out else ""
        log.warning(
            "ignored a forwarding header of %r, which is no proxy that PIRANHA_PROXIES names%s",
            address,
            before,
        )


IGNORED = Ignored()
