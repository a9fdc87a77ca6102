"""How tests carry out a check against a server of their own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_address
from typing import Any

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.probes import registry
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, What


def found(
    server: AbstractAsyncContextManager[int], record: Record = NOTHING_KEPT, **settings: Any
) -> Finding:
    """What a check with these settings finds of server."""

    async def check() -> Finding:
        async with server as port:
            return await probe(to_check(port, **settings), record)

    return asyncio.run(check())


async def probe(check: Check, record: Record = NOTHING_KEPT) -> Finding:
    return await registry.probe(check, record)


def to_check(port: int, **settings: Any) -> Check:
    given: dict[str, Any] = {"address": ip_address("127.0.0.1"), "protocol": Protocol.TCP, "timeout": 5.0}
    return Check(port=port, **(given | settings))


def transcript(record: Record, what: What) -> bytes:
    """All that was sent, or received, or noted."""
    return b"".join(entry.data for entry in record.entries if entry.what is what)
