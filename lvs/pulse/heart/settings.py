"""What pulse tells its heart to work with: the message `settings`, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from lvs.config.address import Address
from lvs.pulse.election.failover import Rules
from lvs.pulse.heart.messages import Message
from lvs.pulse.heartbeat import KEY_BYTES, MAX_KEYS, Link
from lvs.router.floating import InterfaceAddress, Node


@dataclass(frozen=True, slots=True)
class Way:
    """The two ends of a link."""

    own: Address
    peer: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Durations in seconds; keys newest first; addresses: the floating ones; sha256: 32 bytes, zero for none.

    watched: interfaces that must carry for this router to be of use; monitor_links: each of them, else any.
    held: the floating addresses are up already. forced: an administrator wants this router active.
    """

    node: Node
    name: str
    ways: Mapping[Link, Way]
    port: int
    keepalive: float
    deadtime: float
    failback: float
    gateway: Address | None
    keys: tuple[bytes, ...]
    watched: tuple[str, ...]
    monitor_links: bool
    addresses: tuple[InterfaceAddress, ...]
    serial: int
    sha256: bytes
    held: bool
    forced: bool

    def rules(self, *, witness: bool) -> Rules:
        """The election's part; witness: whether the network can be asked."""
        return Rules(
            node=self.node,
            keepalive=self.keepalive,
            deadtime=self.deadtime,
            failback=self.failback,
            witness=witness and bool(self.addresses),
            links=frozenset(self.ways),
        )


def parse(message: Message) -> Settings:
    """The settings in a message; ValueError if something is missing or of no use."""
    try:
        settings = Settings(
            node=Node(message["node"]),
            name=str(message.get("name") or message["node"]),
            ways=_ways(message["links"]),
            port=int(message["port"]),
            keepalive=float(message["keepalive"]),
            deadtime=float(message["deadtime"]),
            failback=float(message.get("failback") or 0),
            gateway=_address(message.get("gateway")),
            keys=tuple(bytes.fromhex(key) for key in message["keys"]),
            watched=tuple(str(name) for name in message.get("watched") or ()),
            monitor_links=bool(message.get("monitor_links")),
            addresses=tuple(
                InterfaceAddress.of({"label": "", **one}) for one in message.get("addresses") or ()
            ),
            serial=int(message.get("serial") or 0),
            sha256=digest(message.get("sha256")),
            held=bool(message.get("held")),
            forced=bool(message.get("forced")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"settings without or with a wrong {error}") from error
    _check(settings)
    return settings


def digest(text: object) -> bytes:
    """A SHA-256 from its hexadecimal digits; zero bytes for none."""
    found = bytes.fromhex(str(text)) if text else bytes(32)
    if len(found) != 32:
        raise ValueError("a SHA-256 has 64 hexadecimal digits")
    return found


def _check(settings: Settings) -> None:
    if not settings.ways:
        raise ValueError("settings without a link to the other router")
    if not 1 <= settings.port <= 65535:
        raise ValueError(f"port {settings.port} does not exist")
    if not 0 < settings.keepalive < settings.deadtime < float("inf"):
        raise ValueError("keepalive must be above 0 and below deadtime")
    if not 1 <= len(settings.keys) <= MAX_KEYS or any(len(key) < KEY_BYTES for key in settings.keys):
        raise ValueError(f"there must be 1 or {MAX_KEYS} keys of at least {KEY_BYTES} bytes")


def _ways(document: Mapping[str, Mapping[str, str] | None]) -> dict[Link, Way]:
    found = {}
    for link in Link:
        ends = document.get(link.name.lower())
        if ends and ends.get("own") and ends.get("peer"):
            found[link] = Way(ip_address(ends["own"]), ip_address(ends["peer"]))
    return found


def _address(text: Any) -> Address | None:
    return ip_address(text) if text else None
