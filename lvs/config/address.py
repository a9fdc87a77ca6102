"""An IP address of either version. Apart from `lvs.config.model` for who needs no more of it (the heart)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


def host(address: Address | str) -> str:
    """As it is written in front of a port: IPv6 in brackets (RFC 3986, 3.2.2)."""
    text = str(address)
    return f"[{text}]" if ":" in text else text
