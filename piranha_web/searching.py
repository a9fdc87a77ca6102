"""What somebody types into a search field, and what it finds. Only computes.

Each word must be found. A word finds whatever has it in a name or an address; a number finds ports and whole
parts of addresses, so that 80 does not find 10.8.0.1; an address, a network (10.11.12.0/24) and a place
(10.11.12.1:80) find what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol, TypeVar

from lvs.config.address import address_of

MOST_SIGNS = 200  # of what is typed; the rest is no search any more
MOST_WORDS = 8
Ranges = tuple[tuple[int, int], ...]
Natural = tuple[tuple[int, int | str], ...]
_PLACE = re.compile(r"\[([0-9a-f:.]+)\]:(\d{1,5})|([0-9.]+):(\d{1,5})")


class Sought(Protocol):
    """Something that can be found. names, addresses: lines in lower case; ranges: of ports."""

    @property
    def names(self) -> str: ...
    @property
    def addresses(self) -> str: ...
    @property
    def ports(self) -> frozenset[int]: ...
    @property
    def ranges(self) -> Ranges: ...


Found = TypeVar("Found", bound=Sought)


@dataclass(frozen=True, slots=True)
class Word:
    """One word as a test. exact: asked first; where nothing passes it, loose is what was meant."""

    loose: Callable[[Sought], bool]
    exact: Callable[[Sought], bool] | None = None


def cut(text: str) -> str:
    """What of a search field's text is looked for."""
    return text.replace("\0", "").strip()[:MOST_SIGNS]


def find(text: str, among: Iterable[Found]) -> list[Found]:
    """Those that have every word of text, in their order; all of them for no word."""
    rows = list(among)
    for word in map(word_of, cut(text).casefold().split()[:MOST_WORDS]):
        exact = [row for row in rows if word.exact(row)] if word.exact else []
        rows = exact or [row for row in rows if word.loose(row)]
    return rows


def word_of(word: str) -> Word:
    """What a word in lower case means."""
    if word.isascii() and word.isdecimal():
        return Word(_number(word))
    if "/" in word and (network := _network(word)) is not None:
        return Word(_within(network))
    if place := _PLACE.fullmatch(word):
        host, port = (place[1], place[2]) if place[1] else (place[3], place[4])
        return Word(_at(_canonical(host) or host, int(port)))
    if (address := _canonical(word)) is not None:
        return Word(_part(word), _line(address))
    return Word(_part(word))


def _canonical(word: str) -> str | None:
    """An address as the lists have it; None: it is none."""
    try:
        return str(ip_address(word))
    except ValueError:
        return None


def _network(word: str) -> IPv4Network | IPv6Network | None:
    """A network with its length; None: it is none."""
    try:
        return ip_network(word, strict=False)
    except ValueError:
        return None


def _part(word: str) -> Callable[[Sought], bool]:
    return lambda row: word in row.names or word in row.addresses


def _line(address: str) -> Callable[[Sought], bool]:
    return lambda row: address in row.addresses and address in row.addresses.split("\n")


def _at(address: str, port: int) -> Callable[[Sought], bool]:
    is_there = _line(address)
    return lambda row: is_there(row) and has_port(row, port)


def _number(word: str) -> Callable[[Sought], bool]:
    part = re.compile(rf"(?<![0-9a-f]){word}(?![0-9a-f])")
    number = int(word[:9])
    return lambda row: (
        has_port(row, number)
        or word in row.names
        or (word in row.addresses and part.search(row.addresses) is not None)
    )


def _within(network: IPv4Network | IPv6Network) -> Callable[[Sought], bool]:
    return lambda row: any(_is_in(network, one) for one in row.addresses.split("\n") if one)


def _is_in(network: IPv4Network | IPv6Network, text: str) -> bool:
    address = address_of(text)
    return address.version == network.version and address in network


def has_port(row: Sought, port: int) -> bool:
    """Whether it is one of its ports."""
    return port in row.ports or any(first <= port <= last for first, last in row.ranges)


_DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> Natural:
    """A name for sorting as people count: web2 before web10, whatever the case."""
    return tuple(
        (0, int(part[:18])) if part.isascii() and part.isdecimal() else (1, part)
        for part in _DIGITS.split(name.casefold())
        if part
    )


def address_order(text: str | None) -> tuple[int, int]:
    """An address for sorting: IPv4 first, then IPv6, each by number; none at all last."""
    if not text:
        return (9, 0)
    address = address_of(text)
    return (address.version, int(address))
