"""The check that connects and no more (TCP, SCTP)."""

from __future__ import annotations

import asyncio
import socket

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.swift import once

_KINDS = {
    Protocol.TCP: (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    Protocol.UDP: (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    Protocol.SCTP: (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}


def open_socket(check: Check) -> socket.socket:
    """A non-blocking socket for the check; raises OSError where protocol or descriptors are missing."""
    family = socket.AF_INET6 if check.address.version == 6 else socket.AF_INET
    kind, protocol = _KINDS[check.protocol]
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    return opened


async def connect(opened: socket.socket, check: Check) -> None:
    """Connect opened to the real server; raises OSError."""
    await asyncio.get_running_loop().sock_connect(opened, (str(check.address), check.port))


async def probe(check: Check, record: Record) -> Finding:
    """Good as soon as the real server accepts the connection."""
    return await once(check, record)
