"""Which machines an alert may go to: judged by address, whatever way the address was written. No Django.

Refused is what no alert is ever meant for and only an attacker asks for: this link, all machines at once, no
machine, and the addresses at which a cloud tells its machines their secrets.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_INSIDE = ip_network("64:ff9b::/96")  # an IPv4 address behind NAT64, RFC 6052
_NOWHERE, _ALL = ip_network("0.0.0.0/8"), ip_address("255.255.255.255")
METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)  # Alibaba, Azure, Oracle, AWS, Google: the others are link-local


def is_refused(text: str) -> bool:
    """Whether nothing may be sent to that address. ValueError: it is none."""
    return any(map(_is_bad, _meanings(ip_address(text.partition("%")[0]))))


def _meanings(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and the IPv4 address that it stands for."""
    yield address
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped or address.sixtofour:
            yield address.ipv4_mapped or address.sixtofour or address
        if address in _INSIDE or 1 < int(address) < 1 << 32:  # the second: IPv4-compatible, RFC 4291
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _is_bad(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
        or address in _NOWHERE
        or address == _ALL
    )


def refused_of(host: str, *, ask: bool) -> str:
    """The address of a host to which nothing may be sent; "": none. Also numbers such as 0xA9FEA9FE.

    ask: names too, as this machine resolves them; one without an address is judged when it is sent to.
    """
    try:
        found = socket.getaddrinfo(
            host, 0, type=socket.SOCK_STREAM, flags=0 if ask else socket.AI_NUMERICHOST
        )
    except (OSError, UnicodeError):
        return ""
    return next((str(one[4][0]) for one in found if is_refused(str(one[4][0]))), "")
