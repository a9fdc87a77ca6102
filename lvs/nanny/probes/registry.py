"""Which probe carries out a check."""

from __future__ import annotations

from lvs.nanny.checks import Check
from lvs.nanny.probes import connect
from lvs.nanny.probes.finding import Finding, Record


async def probe(check: Check, record: Record) -> Finding:
    """Carry check out with the probe of its kind."""
    return await connect.probe(check, record)
