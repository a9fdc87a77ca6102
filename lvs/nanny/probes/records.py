"""Reads what a DNS server answers (RFC 1035, 4.1), record by record, within bounds. Only computes.

dnspython reads each name and record. Its own reader of whole messages compares every record with every
other one: a hostile answer of a few kilobytes, with one long name in a hundred records, takes it seconds, in
which no other check would be made.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

MOST_BYTES = 4096  # of an answer; over UDP it has 512 at most, since the question is without EDNS (RFC 6891)
MOST_RECORDS = 100

_HEADER = struct.Struct("!6H")  # number, flags; how many questions, answers, authorities, additional records
_WITHOUT_QUESTION = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)  # with these some servers leave it away


@dataclass(frozen=True, slots=True)
class Answer:
    """records: the answer section's as text, without what stands before them; lines: with that.

    problem: why there may be more of them, "" if there are not.
    """

    code: dns.rcode.Rcode
    is_truncated: bool
    records: tuple[str, ...]
    lines: tuple[str, ...]
    problem: str = ""


def answer_to(query: dns.message.Message, wire: bytes) -> Answer | None:
    """The answer to query; None: wire is none."""
    if len(wire) < _HEADER.size:
        return None
    number, flags, questions, count, _, _ = _HEADER.unpack_from(wire)
    if number != query.id or not flags & dns.flags.QR or dns.opcode.from_flags(flags) != query.opcode():
        return None
    code = dns.rcode.Rcode(flags & 0xF)
    parser = dns.wire.Parser(wire, _HEADER.size)
    if not _repeats_question(query, parser, questions) and (questions or code not in _WITHOUT_QUESTION):
        return None
    records: list[str] = []
    lines: list[str] = []
    problem = ""
    try:
        while len(lines) < min(count, MOST_RECORDS):
            head, text = _record(parser)
            records.append(text)
            lines.append(f"{head} {text}")
    except (dns.exception.DNSException, ValueError) as error:
        problem = f"the answer is malformed ({error})"
    if count > MOST_RECORDS and not problem:
        problem = f"the answer has {count} records, and {MOST_RECORDS} at most are looked at: ask for less"
    return Answer(code, bool(flags & dns.flags.TC), tuple(records), tuple(lines), problem)


def _repeats_question(query: dns.message.Message, parser: dns.wire.Parser, questions: int) -> bool:
    """Whether the one question is that of query; what comes behind it is next then."""
    if questions != 1:
        return False
    try:
        name = dns.name.from_wire_parser(parser)
        kind, of_class = parser.get_struct("!HH")
    except dns.exception.DNSException:
        return False
    asked = query.question[0]
    return bool((name, kind, of_class) == (asked.name, asked.rdtype, asked.rdclass))


def _record(parser: dns.wire.Parser) -> tuple[str, str]:
    """The next record: what stands before it, and what it says; raises DNSException, ValueError."""
    name = dns.name.from_wire_parser(parser)
    kind, of_class, seconds, size = parser.get_struct("!HHIH")
    with parser.restrict_to(size):
        text = dns.rdata.from_wire_parser(of_class, kind, parser).to_text()
    return f"{name} {seconds} {dns.rdataclass.to_text(of_class)} {dns.rdatatype.to_text(kind)}", text
