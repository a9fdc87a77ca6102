"""The check that sends and looks at the answer (TCP, SCTP, UDP).

One limit, the check's timeout, covers all of it. The answer may come in any number of packets; it is
judged as soon as it can be (`answer`), and at most BOUND bytes of it are kept. What happens on the wire is in
`talk`.
"""

from __future__ import annotations

from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.swift import once


async def probe(check: Check, record: Record) -> Finding:
    """Good when the real server's answer is the expected one.

    TCP and SCTP without `expect` need no answer; UDP always does: nothing else shows that anyone listens.
    """
    return await once(check, record)
