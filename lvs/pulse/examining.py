"""The call `examine`: *Check this real server* (ARCHITECTURE.md).

Loaded at the first call: it is no part of what pulse needs to serve.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.message

from lvs.config.model import Address, Forwarding, LvsConfig, Protocol, RealServer, VirtualServer
from lvs.config.ports import asked_ports
from lvs.errors import RouterError
from lvs.nanny.checks import check_of
from lvs.pulse.keeping import Keeper
from lvs.pulse.words import NO_CONFIGURATION
from lvs.router.examination.course import examine as examined
from lvs.router.examination.subject import Examination, Port, Subject
from lvs.router.state import Role

Document = dict[str, Any]

TURN_SECONDS = 4.0  # that an examination waits for the one before it


async def examine(keeper: Keeper, turn: asyncio.Lock, virtual_server: str, real_server: str) -> Document:
    """The answer for a real server, by both names; RouterError where it cannot be examined.

    turn: held by the one that is under way. In a thread of its own: nothing here waits for the network.
    """
    if keeper.locator.planning:
        raise RouterError("This pulse only plans: it sends nothing. Examine the real server on a router.")
    if keeper.running is None:
        raise RouterError(NO_CONFIGURATION)
    subject = subject_of(keeper.running.config, virtual_server, real_server, keeper.role)
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError as error:
        raise RouterError(
            "Other real servers are being examined, one after the other: try again in a few seconds."
        ) from error
    begun = time.monotonic()
    # To its end, whatever becomes of who asked: a thread does not stop, and the next one waits for it.
    under_way = asyncio.ensure_future(asyncio.to_thread(examined, subject))
    under_way.add_done_callback(lambda _: turn.release())
    found = await asyncio.shield(under_way)
    return document(found) | {"seconds": round(time.monotonic() - begun, 3)}


def document(found: Examination) -> Document:
    """The answer of the call, but for the seconds."""
    return {
        "remarks": [remark.document() for remark in found.remarks],
        "tried": [tried.document() for tried in found.tried],
    }


def subject_of(config: LvsConfig, virtual_server: str, real_server: str, role: Role) -> Subject:
    """What an examination needs of the configuration; RouterError where there is nothing to examine."""
    of, one = _named(config, virtual_server, real_server)
    if one.address is None or of.address is None or of.address.address.is_unspecified:
        raise RouterError(
            f"{virtual_server}/{real_server} has no address, or its virtual server has none: nothing can be "
            "examined. Complete the configuration and apply it."
        )
    settings, redundancy, method = config.global_settings, config.redundancy, config.forwarding_of(of)
    gateway = settings.nat_router if one.address.version == 4 else settings.nat_router6
    routers = (settings.primary, settings.primary_private, redundancy.backup, redundancy.backup_private)
    others = {each.address: each.name for each in of.real_servers if each.address and each is not one}
    return Subject(
        virtual_server=of.name,
        real_server=one.name,
        forwarding=method,
        virtual=of.address.address,
        address=one.address,
        ports=tuple(_ports(of, one, method)),
        interface=of.address.interface,
        active=role is Role.ACTIVE,
        payload=_payload(of, one),
        gateway=gateway.address if gateway and method is Forwarding.NAT else None,
        floating=frozenset(_floating(config)),
        peers=frozenset(each for each in routers if each is not None),
        others=others,
    )


def _named(config: LvsConfig, virtual_server: str, real_server: str) -> tuple[VirtualServer, RealServer]:
    for of in config.virtual_servers:
        for one in of.real_servers:
            if (of.name, one.name) == (virtual_server, real_server):
                return of, one
    raise RouterError(
        f"The lvs.cf of this router has no real server {virtual_server}/{real_server}: look at piranha "
        "server list."
    )


def _floating(config: LvsConfig) -> Iterator[Address]:
    """Every address that may be the other router's at any time, of what is not active as well."""
    settings = config.global_settings
    floating = [settings.nat_router, settings.nat_router6, *(each.address for each in config.virtual_servers)]
    yield from (each.address for each in floating if each is not None)


def _ports(of: VirtualServer, one: RealServer, method: Forwarding) -> Iterator[Port]:
    """The ports that packets have when they reach the real server: only NAT writes its own into them.

    Of ranges, which are for what is opened when it is needed (FTP's data), none but the virtual server's own.
    """
    if method is Forwarding.NAT and one.port is not None:
        yield Port(of.protocol, one.port)
        return
    singles = [
        Port(protocol, ports.first) for protocol, ports in asked_ports(of) if ports.first == ports.last
    ]
    yield from dict.fromkeys(singles)


def _payload(of: VirtualServer, one: RealServer) -> bytes:
    """What the check would send to a UDP service."""
    check = check_of(of, one)
    if check is None or of.protocol is not Protocol.UDP:
        return b""
    if check.question is None:
        return check.send
    try:
        return dns.message.make_query(check.question.name, check.question.type.value).to_wire()
    except (dns.exception.DNSException, UnicodeError):  # the check says that its name cannot be asked for
        return b""
