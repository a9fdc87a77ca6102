"""Which probe carries out which kind of check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lvs.nanny.checks import Check, Kind
from lvs.nanny.probes import agent, load, ping, program, smtp, swift
from lvs.nanny.probes.finding import Finding, Record

Probe = Callable[[Check, Record], Awaitable[Finding]]


async def _unchecked(check: Check, record: Record) -> Finding:
    """Of kind NONE: always healthy."""
    return Finding(True, "not checked")


async def _http(check: Check, record: Record) -> Finding:
    """Loaded at the first check of its kind: h11 and dnspython are much of what pulse would load."""
    from lvs.nanny.probes import http

    return await http.probe(check, record)


async def _dns(check: Check, record: Record) -> Finding:
    """As `_http`."""
    from lvs.nanny.probes import dns

    return await dns.probe(check, record)


PROBES: Mapping[Kind, Probe] = {
    Kind.CONNECT: swift.once,
    Kind.EXCHANGE: swift.once,
    Kind.HTTP: _http,
    Kind.SMTP: smtp.probe,
    Kind.DNS: _dns,
    Kind.PING: ping.probe,
    Kind.PROGRAM: program.probe,
    Kind.NONE: _unchecked,
    Kind.AGENT: agent.probe,
    Kind.LOAD: load.probe,
}


async def probe(check: Check, record: Record) -> Finding:
    """Carry check out; it ends within its timeout, and what it found is a value."""
    return await PROBES[check.kind](check, record)
