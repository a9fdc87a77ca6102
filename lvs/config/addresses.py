"""The kinds of value that are addresses: of a machine, of a service with its device, and netmasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from lvs.config.address import address_of
from lvs.config.model import Address, FloatingAddress
from lvs.config.text import BadValue, bare, shown
from lvs.config.values import Context, Kind, want

_DOTTED = re.compile(r"[0-9]+(\.[0-9]+){0,3}")
_DOTTED_MASKS = tuple(str(IPv4Address((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF)) for length in range(33))
_PREFIX_OF_MASK = {dotted: length for length, dotted in enumerate(_DOTTED_MASKS)}


def parse_address(word: str) -> Address:
    """An IPv4 address with all four numbers, or an IPv6 address without a zone."""
    if "%" not in word:
        with suppress(ValueError):  # the sentence below says more than the exception
            return address_of(word)
    raise BadValue(f"{shown(word)} {_address_remedy(word)}")


def _address_remedy(word: str) -> str:
    if "/" in word:
        return "has a prefix length: write the address alone (its mask has a directive of its own)"
    if "%" in word:
        return "names a zone: write the address alone"
    if word.count(":") == 1 and _DOTTED.fullmatch(word.partition(":")[0]):
        return "has a port: write the address alone (the port has a directive of its own)"
    if ":" in word:
        return "is not an IPv6 address: write one such as 2001:db8::10"
    if _DOTTED.fullmatch(word):
        return "is not a whole IPv4 address: write four numbers from 0 to 255 without leading zeros"
    return "is not an address: host names are not looked up, write the address itself"


@dataclass(frozen=True, slots=True)
class Host(Kind):
    """The address of a machine. none_for_zeros: 0.0.0.0 says "none", as the old GUI wrote it."""

    none_for_zeros: bool = False
    says = "address"

    def parse(self, words: Sequence[str], context: Context) -> Address | None:
        address = parse_address(words[0])
        if int(address):
            return address
        if self.none_for_zeros:
            return None
        raise BadValue(f"{address} is nobody's address: write the machine's own, or leave the directive out")

    def faults(self, value: Address, context: Context) -> Iterator[str]:
        yield from address_faults(value)


class Multicast(Kind):
    """The address of a multicast group."""

    says = "multicast address"

    def parse(self, words: Sequence[str], context: Context) -> Address:
        return parse_address(words[0])

    def faults(self, value: Address, context: Context) -> Iterator[str]:
        if not value.is_multicast:
            yield "is no multicast group: write one of 224.0.0.0/4 (such as 239.0.0.81) or ff00::/8"


def address_faults(address: Address) -> Iterator[str]:
    """Addresses that no single machine can have."""
    if address.is_unspecified:
        yield "is nobody's address: write a machine's own"
    elif address.is_multicast or address == IPv4Address("255.255.255.255"):
        yield "is an address for many machines: write a single machine's"
    elif isinstance(address, IPv6Address) and address.scope_id:
        yield "names a zone: write the address alone"


class Floating(Kind):
    """An address and the device that carries it."""

    words = 2
    says = "address device"

    def parse(self, words: Sequence[str], context: Context) -> FloatingAddress:
        return FloatingAddress(address=parse_address(words[0]), device=words[1])

    def format(self, value: FloatingAddress, context: Context) -> str:
        return f"{value.address} {bare(value.device)}"

    def faults(self, value: FloatingAddress, context: Context) -> Iterator[str]:
        # 0.0.0.0 is what the old GUI gave a new virtual server; rules says what is missing once it is active.
        if not value.address.is_unspecified:
            yield from address_faults(value.address)
        yield from device_faults(value.device)


def device_faults(device: str) -> Iterator[str]:
    """Names that Linux takes neither as interface nor as label (dev_valid_name, IFNAMSIZ 16 with its NUL)."""
    interface, colon, label = device.partition(":")
    if not re.fullmatch(r"[!-~]+", device) or "/" in device or re.search(r"[\"'#{}]", device):
        yield f"has a device that Linux cannot have, {shown(device)}: write one such as eth0 or eth0:1"
    elif len(device) > 15:
        yield f"has a device name of {len(device)} characters: Linux takes 15, its label included"
    elif interface in ("", ".", "..") or (colon and not label) or ":" in label:
        yield f"has a device that is neither an interface nor a label, {shown(device)}: write eth0 or eth0:1"


class Mask(Kind):
    """A netmask, kept as a prefix length: dotted for IPv4, the length itself for IPv6. 0: not set."""

    says = "netmask (IPv6: prefix length)"

    def parse(self, words: Sequence[str], context: Context) -> int | None:
        word = words[0]
        length = _PREFIX_OF_MASK.get(word)
        if length is not None:
            if context.family == 6 and length:
                raise BadValue(
                    f"{word} is an IPv4 netmask, the address is IPv6: write a prefix length such as 64"
                )
            return length or None
        digits = word.removeprefix("/")
        if not re.fullmatch(r"[0-9]{1,3}", digits, re.ASCII):
            raise BadValue(
                f"{shown(word)} is not a netmask: write one such as 255.255.255.0, its ones together"
            )
        length = int(digits)
        if context.family == 4 and length <= 32:
            if word == digits:
                raise BadValue(
                    f"{word} is not an IPv4 netmask (Piranha took it as 0.0.0.{length}): "
                    f"if {length} bits are meant, write {_DOTTED_MASKS[length]}"
                )
            context.notes.append(f"{word} was taken as {_DOTTED_MASKS[length]}: write that")
        elif context.family == 4 or length > 128:
            raise BadValue(f"{shown(word)} is not a netmask: IPv4 has 32 bits, IPv6 has 128")
        return length or None

    def format(self, value: int, context: Context) -> str:
        return str(self.to_json(value, context))

    def to_json(self, value: int, context: Context) -> str | int:
        return _DOTTED_MASKS[value] if context.family == 4 and 0 <= value <= 32 else value

    def from_json(self, value: object, context: Context) -> int | None:
        if isinstance(value, int) and context.family == 6:
            return self.parse([str(want(value, int, "a prefix length"))], context)
        return self.parse([want(value, str, "a netmask such as 255.255.255.0")], context)

    def faults(self, value: int, context: Context) -> Iterator[str]:
        limit = 128 if context.family == 6 else 32
        if not 1 <= value <= limit:
            yield f"does not fit an IPv{context.family} address: choose 1 to {limit} bits, or none"
