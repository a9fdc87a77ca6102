"""The DNS check against servers on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lvs.config.model import DnsType, Protocol
from lvs.nanny.checks import Kind, Question
from lvs.nanny.probes.finding import Finding, Record, What
from tests.unit.nanny.probing import found, probe, to_check, transcript
from tests.unit.nanny.servers import closed_port, says_nothing, tcp_server, udp_server

Answer = Callable[[dns.message.Message], dns.message.Message]
NAME = "shop.example"


def records(*lines: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, flags: int = 0) -> Answer:
    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        response.flags |= flags
        for line in lines:
            name, ttl, kind, text = line.split(maxsplit=3)
            response.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, text))
        return response

    return answer


ADDRESS = records("shop.example. 60 A 192.0.2.1")
NOTHING = records()


@asynccontextmanager
async def name_server(*wires: Callable[[bytes], bytes], host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Answers a question with a datagram of each of wires, made from the question."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.bind((host, 0))
        opened.setblocking(False)

        def answer() -> None:
            question, client = opened.recvfrom(65536)
            for wire in wires:
                opened.sendto(wire(question), client)

        loop.add_reader(opened, answer)
        try:
            yield opened.getsockname()[1]
        finally:
            loop.remove_reader(opened)


def wire(answer: Answer) -> Callable[[bytes], bytes]:
    return lambda question: answer(dns.message.from_wire(question)).to_wire()


def ask(*wires: Callable[[bytes], bytes], host: str = "127.0.0.1", **settings: Any) -> Finding:
    return found(name_server(*wires, host=host), **over_udp(address=ip_address(host), **settings))


def over_udp(**settings: Any) -> dict[str, Any]:
    question = Question(NAME, DnsType.A)
    return {"kind": Kind.DNS, "protocol": Protocol.UDP, "question": question, **settings}


@pytest.mark.parametrize(
    ("answer", "settings", "reason"),
    [
        (ADDRESS, {}, "answered NOERROR"),
        (NOTHING, {}, "answered NOERROR"),
        (ADDRESS, {"expect": b"192.0.2.1"}, "answered NOERROR with the expected record"),
        (ADDRESS, {"expect": b"*"}, "answered NOERROR with the expected record"),
        (
            records("shop.example. 60 CNAME a.example.", "a.example. 60 A 192.0.2.7"),
            {"expect": rb"^192\.0\.2\.[0-9]$", "use_regex": True},
            "answered NOERROR with the expected record",
        ),
        (records(flags=dns.flags.TC), {}, "answered NOERROR"),
    ],
)
def test_a_good_answer_is_good(answer: Answer, settings: dict[str, Any], reason: str) -> None:
    assert ask(wire(answer), **settings) == Finding(True, reason)


def test_a_server_is_asked_over_ipv6_too() -> None:
    assert ask(wire(ADDRESS), host="::1").ok


@pytest.mark.parametrize(
    ("answer", "settings", "reason"),
    [
        (records(rcode=dns.rcode.NXDOMAIN), {}, "answered NXDOMAIN"),
        (records(rcode=dns.rcode.SERVFAIL), {}, "answered SERVFAIL"),
        (records(rcode=dns.rcode.REFUSED), {"expect": b"x"}, "answered REFUSED"),
        (ADDRESS, {"expect": b"192.0.2.9"}, "expected '192.0.2.9' in a record, got '192.0.2.1'"),
        (NOTHING, {"expect": b"*"}, "expected anything in a record, got no record"),
        (
            records("shop.example. 60 A 192.0.2.1", flags=dns.flags.TC),
            {"expect": b"192.0.2.2"},
            "expected '192.0.2.2' in a record, got '192.0.2.1' (the answer was truncated)",
        ),
    ],
)
def test_another_answer_is_bad_and_says_why(answer: Answer, settings: dict[str, Any], reason: str) -> None:
    assert ask(wire(answer), **settings) == Finding(False, reason)


def test_answers_to_other_questions_are_left_aside() -> None:
    def to_another_name(question: bytes) -> bytes:
        other = dns.message.make_query("other.example", "A", id=dns.message.from_wire(question).id)
        return wire(records(rcode=dns.rcode.NXDOMAIN))(other.to_wire())

    def with_another_id(question: bytes) -> bytes:
        answer = wire(records(rcode=dns.rcode.NXDOMAIN))(question)
        return bytes([answer[0] ^ 1]) + answer[1:]

    def the_question(question: bytes) -> bytes:
        return question

    foreign = (to_another_name, with_another_id, the_question, lambda _: b"", lambda _: b"garbage")
    assert ask(*foreign, wire(ADDRESS)) == Finding(True, "answered NOERROR")
    assert ask(*foreign, timeout=0.1) == Finding(False, "read: the answer was not complete within 0.1 s")


def test_a_truncated_answer_that_ends_in_the_middle_of_a_record_counts_and_another_does_not() -> None:
    def cut(answer: Answer) -> Callable[[bytes], bytes]:
        return lambda question: wire(answer)(question)[:-3]

    two = ("shop.example. 60 A 192.0.2.1", "shop.example. 60 A 192.0.2.2")
    assert ask(cut(records(*two, flags=dns.flags.TC)), expect=b"192.0.2.1").ok
    finding = ask(cut(records(*two)))
    assert not finding.ok
    assert finding.reason.startswith("read: the answer is malformed")


def hostile(count: int, name: bytes = b"\x01a" * 127 + b"\0") -> Callable[[bytes], bytes]:
    """An answer with so many records, that all point to a name of as many labels as there may be."""

    def answer(question: bytes) -> bytes:
        at = len(question).to_bytes(2, "big")
        pointer = bytes([at[0] | 0xC0, at[1]])
        record = pointer + b"\0\x02\0\x01\0\0\0\x3c\0\x02" + pointer
        first = name + b"\0\x02\0\x01\0\0\0\x3c\0\x02" + pointer
        counts = b"\0\x01" + count.to_bytes(2, "big") + bytes(4)
        return question[:2] + b"\x81\x80" + counts + question[12:] + first + record * (count - 1)

    return answer


def test_a_hostile_answer_takes_no_time_that_the_other_checks_would_miss() -> None:
    assert ask(hostile(2), expect=b"a.a.a.").ok  # it is a real one
    begun = time.process_time()
    shown = "'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.…'"
    assert ask(hostile(100), expect=b"nothing") == Finding(
        False, f"expected 'nothing' in a record, got {shown}, {shown}, {shown}"
    )
    assert time.process_time() - begun < 0.5  # dnspython alone: seconds
    assert ask(hostile(101)).reason == (
        "read: the answer has 101 records, and 100 at most are looked at: ask for less"
    )


def test_names_that_point_in_a_circle_are_malformed() -> None:
    def circle(question: bytes) -> bytes:
        at = len(question).to_bytes(2, "big")
        record = bytes([at[0] | 0xC0, at[1]]) + b"\0\x01\0\x01\0\0\0\x3c\0\x04abcd"
        return question[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question[12:] + record

    assert ask(circle).reason.startswith("read: the answer is malformed")


def test_a_dead_server_and_a_silent_one_are_named() -> None:
    check = to_check(closed_port(socket.SOCK_DGRAM), **over_udp())
    assert asyncio.run(probe(check)).reason in ("read: refused", "send: refused")
    assert found(udp_server(), **over_udp(timeout=0.1)) == Finding(False, "read: no answer within 0.1 s")


async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = int.from_bytes(await reader.readexactly(2), "big")
    answer = wire(ADDRESS)(await reader.readexactly(size))
    writer.write(len(answer).to_bytes(2, "big") + answer)
    await writer.drain()


async def cut_over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(2)
    writer.write(b"\x00\x50abc")
    await writer.drain()


async def nonsense_over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    size = int.from_bytes(await reader.readexactly(2), "big")
    await reader.readexactly(size)
    writer.write(b"\x00\x05abcde")
    await writer.drain()


def test_a_server_can_be_asked_over_tcp() -> None:
    tcp = over_udp(protocol=Protocol.TCP)
    assert found(tcp_server(over_tcp), expect=b"192.0.2.1", **tcp).ok
    assert not found(tcp_server(cut_over_tcp), **tcp).ok
    assert found(tcp_server(nonsense_over_tcp), **tcp) == Finding(
        False, "read: the answer is not to the question"
    )
    assert found(tcp_server(says_nothing), **tcp, timeout=0.1) == Finding(
        False, "read: no answer within 0.1 s"
    )


def test_a_name_that_cannot_be_asked_for_is_bad_and_says_what_to_correct() -> None:
    finding = ask(wire(ADDRESS), question=Question("a..example", DnsType.A))
    assert not finding.ok
    assert finding.reason.startswith("the question cannot be asked, correct dns_name: ")


def test_the_transcript_has_both_messages_and_says_what_they_mean() -> None:
    record = Record()
    assert found(name_server(wire(ADDRESS)), record, **over_udp()).ok
    assert len(transcript(record, What.SENT)) == 30
    assert dns.message.from_wire(transcript(record, What.RECEIVED)).answer
    notes = transcript(record, What.NOTE).decode()
    assert "asks for shop.example. IN A" in notes
    assert "shop.example. 60 IN A 192.0.2.1" in notes
