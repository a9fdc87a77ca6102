"""Whether a packet that is known in part meets what a rule of nft asks (libnftables-json(5)). Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Any

from lvs.config.model import Address


class State(Enum):
    """What connection tracking makes of a packet: bits of ct state (nf_conntrack_common.h, nft_ct.c)."""

    INVALID = 1
    ESTABLISHED = 2
    RELATED = 4
    NEW = 8
    UNTRACKED = 64


@dataclass(frozen=True, slots=True)
class Packet:
    """What is known of a packet; None: anything. is_local: it is for an address of this machine."""

    version: int
    protocol: int  # IANA's number
    source: Address | None = None
    destination: Address | None = None
    source_port: int | None = None
    destination_port: int | None = None
    arrives: str | None = None  # the interface
    leaves: str | None = None
    state: State = State.NEW
    is_local: bool = False


class _Special(Enum):
    UNKNOWN = "unknown"  # the packet may be any such
    ABSENT = "absent"  # it has no such part, so no rule that asks for it matches


UNKNOWN, ABSENT = _Special.UNKNOWN, _Special.ABSENT

STATE_NAMES = {state.name.lower(): state.value for state in State}
PROTOCOL_NAMES = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmpv6": 58, "sctp": 132, "udplite": 136}
LOCAL = (2, "local")  # RTN_LOCAL, include/uapi/linux/rtnetlink.h
WITH_PORTS = ("tcp", "udp", "sctp", "udplite", "dccp")


def matches(content: Mapping[str, Any], packet: Packet) -> bool | None:
    """Whether a match statement is true for the packet; None: nobody can say."""
    left = _value(content.get("left"), packet)
    if left is ABSENT:
        return False
    operator, right = content.get("op"), content.get("right")
    if operator in ("==", "in"):
        return _equals(left, right, bits=operator == "in")
    if operator == "!=":
        equal = _equals(left, right, bits=False)
        return None if equal is None else not equal
    if isinstance(left, int) and isinstance(right, int):
        orders = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}
        return orders.get(str(operator))
    return None


def picked(content: Mapping[str, Any], packet: Packet) -> Iterator[tuple[bool, Any]]:
    """The verdicts that a verdict map may give: (whether it surely does, verdict)."""
    left, data = _value(content.get("key"), packet), content.get("data")
    pairs = data.get("set", []) if isinstance(data, dict) else []
    if left is ABSENT:
        return
    if not pairs:  # a named map: its elements are not listed
        yield False, {"drop": None}
        yield False, {"accept": None}
        return
    for key, verdict in pairs:
        equal = _equals(left, key, bits=False)
        if equal is not False:
            yield equal is True, verdict
        if equal:
            return


def _value(left: Any, packet: Packet) -> Any:
    """What the packet has where a rule looks: a number, a text, an address, a tuple, or one of _Special."""
    if not isinstance(left, dict):
        return UNKNOWN
    ((kind, content),) = left.items()
    if kind == "payload" and "field" in content:
        return _field(content["protocol"], content["field"], packet)
    if kind == "meta":
        return _meta(content["key"], packet)
    if kind == "ct" and content["key"] == "state":
        return packet.state.value
    if kind == "fib" and content.get("result") == "type" and "daddr" in content.get("flags", ()):
        return LOCAL[0] if packet.is_local else UNKNOWN
    if kind == "concat":
        return tuple(_value(each, packet) for each in content)
    return UNKNOWN


def _field(protocol: str, field: str, packet: Packet) -> Any:
    if protocol in ("ip", "ip6"):
        if packet.version != {"ip": 4, "ip6": 6}[protocol]:
            return ABSENT
        known: dict[str, Any] = {
            "saddr": packet.source,
            "daddr": packet.destination,
            "protocol": packet.protocol,
            "nexthdr": packet.protocol,
        }
    elif protocol in WITH_PORTS or protocol == "th":
        if protocol != "th" and PROTOCOL_NAMES.get(protocol) != packet.protocol:
            return ABSENT
        known = {"sport": packet.source_port, "dport": packet.destination_port}
    elif protocol in PROTOCOL_NAMES:
        return UNKNOWN if PROTOCOL_NAMES[protocol] == packet.protocol else ABSENT
    else:
        return UNKNOWN
    found = known.get(field)
    return UNKNOWN if found is None else found


def _meta(key: str, packet: Packet) -> Any:
    known: dict[str, Any] = {
        "nfproto": {4: 2, 6: 10}[packet.version],
        "protocol": {4: 0x0800, 6: 0x86DD}[packet.version],
        "l4proto": packet.protocol,
        "iif": packet.arrives,
        "iifname": packet.arrives,
        "oif": packet.leaves,
        "oifname": packet.leaves,
    }
    found = known.get(key)
    return UNKNOWN if found is None else found


NAMES = {**STATE_NAMES, **PROTOCOL_NAMES, "ipv4": 2, "ipv6": 10, "ip": 0x0800, "ip6": 0x86DD, "local": 2}


def _equals(left: Any, right: Any, *, bits: bool) -> bool | None:
    """Whether a value is the one, or among those, that a rule names."""
    if left is ABSENT:
        return False
    if isinstance(right, list):  # flags: any of them
        return _any(_equals(left, each, bits=bits) for each in right)
    if isinstance(right, dict):
        ((kind, content),) = right.items()
        if kind == "set":
            return _any(_equals(left, each, bits=False) for each in content)
        if kind == "concat":
            return _all_equal(left, content)
        if kind == "elem":
            return _equals(left, content["val"], bits=bits)
        return None if left is UNKNOWN else _within(left, kind, content)
    if left is UNKNOWN or isinstance(left, tuple) or (isinstance(right, str) and right.startswith("@")):
        return None
    if isinstance(left, int):
        number = NAMES.get(right, right) if isinstance(right, str) else right
        if not isinstance(number, int):
            return None
        return bool(left & number) if bits else left == number
    if isinstance(left, str):
        text = str(right)
        return left.startswith(text[:-1]) if text.endswith("*") else left == text
    return bool(left == _address(str(right)))


def _within(left: Any, kind: str, content: Any) -> bool | None:
    if kind == "prefix" and not isinstance(left, int | str | tuple):
        return left in _network(f"{content['addr']}/{content['len']}")
    if kind == "range":
        first, last = content
        if isinstance(left, int) and isinstance(first, int) and isinstance(last, int):
            return first <= left <= last
        low, high = _address(str(first)), _address(str(last))
        if low and high and not isinstance(left, int | str | tuple) and left.version == low.version:
            return int(low) <= int(left) <= int(high)
    return None


def _all_equal(left: Any, parts: list[Any]) -> bool | None:
    if not isinstance(left, tuple) or len(left) != len(parts):
        return None
    truths = [_equals(one, part, bits=False) for one, part in zip(left, parts, strict=True)]
    if False in truths:
        return False
    return None if None in truths else True


def _any(truths: Iterator[bool | None]) -> bool | None:
    found: bool | None = False
    for truth in truths:
        if truth:
            return True
        found = None if truth is None else found
    return found


@functools.lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


@functools.lru_cache(maxsize=4096)
def _network(text: str) -> Any:
    return ip_network(text, strict=False)
