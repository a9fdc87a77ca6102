"""The check that asks a DNS server (RFC 1035), over UDP or TCP.

dnspython only builds and reads the messages; the sockets are ours.
"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.probes.contents import expectation, has_expected
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.stream import Ended, Stream, talk
from lvs.nanny.quoting import quote

_DATAGRAM = 65_535
_SHOWN = 3  # records in a reason


async def probe(check: Check, record: Record) -> Finding:
    """Good when the server answers NOERROR, and a record of its answer has what is expected.

    A truncated answer counts as far as it goes.
    """
    return await talk(check, record, _ask)


async def _ask(stream: Stream) -> Finding:
    question = stream.check.question
    if question is None:
        raise ValueError(f"the check of {stream.check} has no question")
    try:
        query = dns.message.make_query(question.name, question.type.value)
        wire = query.to_wire()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise Ended(f"the question cannot be asked, correct dns_name: {error}") from error
    stream.record.note(f"asks for {query.question[0]}")
    over_tcp = stream.check.protocol is Protocol.TCP
    await stream.send(len(wire).to_bytes(2, "big") + wire if over_tcp else wire)
    if over_tcp:
        size = int.from_bytes(await stream.exactly(2), "big")
        answer = _read(await stream.exactly(size))
        if answer is None or not query.is_response(answer):
            raise Ended("read: the answer is not to the question")
    else:
        answer = await _datagram(stream, query)
    if answer.errors and not answer.flags & dns.flags.TC:
        raise Ended(f"read: the answer is malformed ({answer.errors[0].exception})")
    return _judged(stream, answer)


async def _datagram(stream: Stream, query: dns.message.Message) -> dns.message.Message:
    """The answer to query; what is none may come from anybody, and is left aside."""
    while True:
        answer = _read(await stream.receive(_DATAGRAM))
        if answer is not None and query.is_response(answer):
            return answer
        stream.record.note("left aside: not an answer to the question")


def _read(wire: bytes) -> dns.message.Message | None:
    try:
        # A truncated answer may end in the middle of a record.
        return dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=True)
    except dns.exception.DNSException:
        return None


def _judged(stream: Stream, answer: dns.message.Message) -> Finding:
    check = stream.check
    stream.record.note(answer.to_text())
    code = dns.rcode.to_text(answer.rcode())
    if answer.rcode() != dns.rcode.NOERROR:
        return Finding(False, f"answered {code}")
    records = [record.to_text() for rrset in answer.answer for record in rrset]
    if not check.expect:
        return Finding(True, f"answered {code}")
    if any(has_expected(check, text.encode()) for text in records):
        return Finding(True, f"answered {code} with the expected record")
    got = ", ".join(quote(text.encode()) for text in records[:_SHOWN]) or "no record"
    cut = " (the answer was truncated)" if answer.flags & dns.flags.TC else ""
    return Finding(False, f"expected {expectation(check)} in a record, got {got}{cut}")
