"""The check that asks a DNS server (RFC 1035), over UDP or TCP.

dnspython builds the question; `records` reads the answer; the sockets are ours.
"""

from __future__ import annotations

import dns.exception
import dns.message
import dns.rcode

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.probes.contents import expectation, has_expected
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.records import MOST_BYTES, Answer, answer_to
from lvs.nanny.probes.stream import Ended, Stream, talk
from lvs.nanny.quoting import quote

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
    if stream.check.protocol is Protocol.TCP:
        await stream.send(len(wire).to_bytes(2, "big") + wire)
        answer = await _over_tcp(stream, query)
    else:
        await stream.send(wire)
        answer = await _datagram(stream, query)
    if answer.problem and not answer.is_truncated:
        raise Ended(f"read: {answer.problem}")
    return _judged(stream, answer)


async def _over_tcp(stream: Stream, query: dns.message.Message) -> Answer:
    size = int.from_bytes(await stream.exactly(2), "big")
    if size > MOST_BYTES:
        raise Ended(
            f"read: the answer has {size} bytes, and {MOST_BYTES} at most are looked at: ask for less"
        )
    answer = answer_to(query, await stream.exactly(size))
    if answer is None:
        raise Ended("read: the answer is not to the question")
    return answer


async def _datagram(stream: Stream, query: dns.message.Message) -> Answer:
    """The answer to query; what is none may come from anybody, and is left aside."""
    while True:
        answer = answer_to(query, await stream.receive(MOST_BYTES))
        if answer is not None:
            return answer
        stream.record.note("left aside: not an answer to the question")


def _judged(stream: Stream, answer: Answer) -> Finding:
    check = stream.check
    code = dns.rcode.to_text(answer.code)
    stream.record.note("\n".join((code, *answer.lines)))
    if answer.code != dns.rcode.NOERROR:
        return Finding(False, f"answered {code}")
    if not check.expect:
        return Finding(True, f"answered {code}")
    if any(has_expected(check, text.encode()) for text in answer.records):
        return Finding(True, f"answered {code} with the expected record")
    got = ", ".join(quote(text.encode()) for text in answer.records[:_SHOWN]) or "no record"
    cut = " (the answer was truncated)" if answer.is_truncated else ""
    return Finding(False, f"expected {expectation(check)} in a record, got {got}{cut}")
