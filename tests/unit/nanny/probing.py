"""How tests carry out a check against a server of their own."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
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


@contextmanager
def descriptors_left(more: int) -> Iterator[None]:
    """This process may open so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open("/", os.O_PATH) for _ in range(more + 1)]
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def transcript(record: Record, what: What) -> bytes:
    """All that was sent, or received, or noted."""
    return b"".join(entry.data for entry in record.entries if entry.what is what)
