"""The call `connections`: what is open through this router now, filtered and counted (ARCHITECTURE.md).

Loaded at the first call: it is no part of what pulse needs to serve.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from lvs.config.model import LvsConfig
from lvs.config.ports import asked_ports
from lvs.errors import RouterError
from lvs.pulse.keeping import Keeper
from lvs.router.connections import Place, Wanted, read

PATIENCE = 2.5  # seconds that a large table is read
TURN_SECONDS = 4.0  # that a reading waits for the one before it
MOST_ROWS = 1000
PROTOCOLS = ("", "TCP", "UDP", "SCTP", "ICMP", "IP")
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>\d{1,5})")
LAST_PORT = 65_535


async def connections(keeper: Keeper, turn: asyncio.Lock, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer; RouterError where the request asks for what there is not. turn: of the one that reads."""
    limit = limit_of(request.get("limit"))
    config = keeper.running.config if keeper.running else LvsConfig()
    wanted = wanted_of(config, request)
    if keeper.locator.planning:
        raise RouterError("This pulse only plans: no connection goes through it. Ask a router.")
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError as error:
        raise RouterError("Others read the connections just now: try again in a few seconds.") from error
    # To its end, whatever becomes of who asked: a thread does not stop, and the next one waits for it.
    under_way = asyncio.ensure_future(asyncio.to_thread(read, wanted, limit, PATIENCE))
    under_way.add_done_callback(lambda _: turn.release())
    return await asyncio.shield(under_way)


def limit_of(given: object) -> int:
    """How many connections are to be told; the rest is counted."""
    if given is None:
        return MOST_ROWS
    if type(given) is not int or not 0 <= given <= MOST_ROWS:
        raise RouterError(f"limit must be a number from 0 to {MOST_ROWS}.")
    return given


def wanted_of(config: LvsConfig, request: Mapping[str, Any]) -> Wanted:
    """What the texts of a request mean, names by this configuration; RouterError where one means nothing."""
    texts = {name: text_of(request, name) for name in ("client", "virtual_server", "real_server")}
    protocol = text_of(request, "protocol").upper()
    if protocol not in PROTOCOLS:
        raise RouterError(f"There is no protocol {protocol!r} here: write TCP, UDP or SCTP.")
    owner = texts["virtual_server"]
    return Wanted(
        client=(place_of(texts["client"], "client"),) if texts["client"] else None,
        virtual=virtual_places(config, owner) if owner else None,
        real=real_places(config, owner, texts["real_server"]) if texts["real_server"] else None,
        protocol=protocol,
        state=text_of(request, "state").upper(),
    )


def text_of(request: Mapping[str, Any], name: str) -> str:
    """A text of the request; "" where it says nothing."""
    text = request.get(name)
    if text is not None and not isinstance(text, str):
        raise RouterError(f"{name} must be a text.")
    return (text or "").strip()


def virtual_places(config: LvsConfig, text: str) -> tuple[Place, ...]:
    """Where the clients of a virtual server go, which its name or its address says."""
    named = [one for one in config.virtual_servers if one.name == text and one.address is not None]
    if not named:
        return (place_of(text, "virtual_server"),)
    return tuple(
        Place.of(ip_network(one.address.address), ports.first, ports.last, protocol.upper())
        for one in named
        if one.address is not None
        for protocol, ports in asked_ports(one)
    )


def real_places(config: LvsConfig, owner: str, text: str) -> tuple[Place, ...]:
    """Where a real server is, which its name or its address says. owner: a virtual server's name, if any."""
    named = [
        real
        for virtual in config.virtual_servers
        if not owner or virtual.name == owner
        for real in virtual.real_servers
        if real.name == text and real.address is not None
    ]
    if not named:
        return (place_of(text, "real_server"),)
    return tuple(
        Place.of(ip_network(one.address), one.port or 0, one.port or LAST_PORT)
        for one in named
        if one.address is not None
    )


def place_of(text: str, what: str) -> Place:
    """An address, a network, or an address with its port."""
    try:
        if found := _WITH_PORT.fullmatch(text):
            port = int(found["port"])
            return Place.of(ip_network(ip_address(found["six"] or found["four"])), port, port)
        return Place.of(ip_network(text.strip("[]"), strict=False))
    except ValueError as error:
        names = "" if what == "client" else "the name of one, "
        raise RouterError(
            f"{what} {text!r} is nothing that this router knows: write {names}an address, a network "
            "such as 192.0.2.0/24, or an address with its port such as 192.0.2.1:80."
        ) from error
