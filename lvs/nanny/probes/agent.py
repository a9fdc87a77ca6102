"""The question to a weight agent: one line of HAProxy's agent-check (`lvs.nanny.agent_words`)."""

from __future__ import annotations

from lvs.nanny.agent_words import BOUND, said
from lvs.nanny.checks import Check
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.stream import Ended, Stream, closed, talk
from lvs.nanny.quoting import quote


async def probe(check: Check, record: Record) -> Finding:
    """Good when the agent said something, whatever it was; the finding has it as `load`."""
    return await talk(check, record, _listen)


async def _listen(stream: Stream) -> Finding:
    if stream.check.send:
        await stream.send(stream.check.send)
    stream.begin("read")
    line = await stream.line(BOUND, ends=b"\r\n")
    if not line:
        raise Ended(f"read: {closed(stream)}")
    try:
        load = said(line.strip())
    except ValueError as error:
        return Finding(False, f"expected an agent's words, got {quote(line.strip())} ({error})")
    return Finding(True, f"agent: {load.reason}", load=load)
