"""Addresses and networks as people and machines write them, and the one spelling this site goes by. Pure.

An address is judged as what reaches this machine: IPv4 that a dual-stack socket shows in IPv6's words
(::ffff:192.0.2.7, RFC 4291 section 2.5.5.2) is IPv4, and the zone of a link-local one (RFC 4007) is not part
of it. A network is refused, not guessed at, where it can be meant in two ways.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 64  # signs of a network as text; longer is none, and not worth showing


class NetworkRefused(ValueError):
    """What was written is no network, or can be meant in two ways; the text says what to write."""


def address_of(text: str) -> Address | None:
    """The address that is meant, unfolded and without its zone; None: it is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    return found.ipv4_mapped or IPv6Address(int(found))


def network_of(text: str) -> Network:
    """A network, or an address alone as the network of its one; NetworkRefused says what to write instead."""
    text = text.strip()
    if "%" in text:
        raise NetworkRefused(f"{shown(text)} names a zone, which differs between machines: leave it out.")
    try:
        found = ip_network(text)
    except ValueError as error:
        raise NetworkRefused(readings(text)) from error
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        raise NetworkRefused(
            f"{shown(text)} is IPv4 in IPv6's words: write {ip_network((mapped, found.prefixlen - 96))}."
        )
    return found


def readings(text: str) -> str:
    """Why a text is no network, with whatever it can mean."""
    address = text.partition("/")[0]
    try:
        wide = ip_network(text, strict=False)
    except ValueError:
        return (
            f"{shown(text)} is no network. Write one as 192.0.2.0/24 or 2001:db8::/32, or an address as "
            "192.0.2.7: each number in decimal, without zeros before it."
        )
    return (
        f"{shown(text)} can mean two things: write {wide} for the whole network, or "
        f"{ip_address(address)} for that address alone."
    )


def shown(text: str) -> str:
    """What somebody typed, in a message: short, and nothing but printable signs."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def networks_of(words: Iterable[str]) -> list[Network]:
    """Several of them, in order; NetworkRefused for the first that is none."""
    return [network_of(word) for word in words]


def is_everything(network: Network) -> bool:
    """Whether it holds every address of its family."""
    return network.prefixlen == 0


def covering(address: Address, networks: Iterable[Network]) -> list[Network]:
    """Those of the networks that the address is in."""
    return [network for network in networks if address in network]
