"""The packets of an examination as bytes, and what answers are taken for."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.router.examination import packets
from lvs.router.examination.packets import ICMP, ICMPV6, TCP, UDP, Flow, Kind

FOUR = Flow(TCP, ip_address("10.0.0.9"), ip_address("10.0.0.1"), (40000, 80))
SIX = Flow(TCP, ip_address("fd00::9"), ip_address("fd00::1"), (40000, 80))
PATH = ip_address("10.0.0.254")


def back(flow: Flow, protocol: int | None = None) -> Flow:
    """The same from the other side."""
    return Flow(protocol or flow.protocol, flow.destination, flow.source, flow.ports[::-1])


def tcp(flow: Flow, flags: int, options: bytes = b"") -> bytes:
    """What the other side says to a flow."""
    words = 5 + len(options) // 4
    head = struct.pack("!HHIIBBHHH", *flow.ports[::-1], 7, 8, words << 4, flags, 0, 0, 0)
    return packets._packet(back(flow), head + options, 64)


def error(sent: bytes, kind: int, code: int, source: str = "10.0.0.254") -> bytes:
    """An ICMP message about a packet, as a router on the way sends it: the header and eight bytes."""
    six = sent[0] >> 4 == 6
    flow = Flow(ICMPV6 if six else ICMP, ip_address(source), ip_address("fd00::9" if six else "10.0.0.9"))
    return packets._packet(flow, struct.pack("!BBHI", kind, code, 0, 0) + sent[: 48 if six else 28], 64)


def words_sum(octets: bytes) -> int:
    return sum(struct.unpack(f"!{len(octets) // 2}H", octets)) % 0xFFFF


@pytest.mark.parametrize("flow", [FOUR, SIX])
def test_the_checksums_make_the_sums_up_to_all_ones(flow: Flow) -> None:
    packet = packets.syn(flow, 12345)
    start = packets.OUTER[flow.source.version]
    if start == 20:
        assert words_sum(packet[:20]) == 0
    pseudo = flow.source.packed + flow.destination.packed + struct.pack("!II", len(packet) - start, TCP)
    assert words_sum(pseudo + packet[start:]) == 0
    odd = packets.datagram(Flow(UDP, flow.source, flow.destination, flow.ports), b"abc")
    pseudo = flow.source.packed + flow.destination.packed + struct.pack("!II", 11, UDP)
    assert words_sum(pseudo + odd[start:] + b"\0") == 0


def test_a_farewell_has_the_number_after_the_syns() -> None:
    assert packets.reset(FOUR, 0xFFFFFFFF)[24:28] == bytes(4)
    assert packets.reset(FOUR, 6)[24:28] == (7).to_bytes(4, "big")
    assert packets.reset(FOUR, 6)[33] == 0x04


@pytest.mark.parametrize("flow", [FOUR, SIX])
def test_an_answer_is_known_by_the_flow_that_it_answers(flow: Flow) -> None:
    said = packets.answer(tcp(flow, 0x12, struct.pack("!BBBBH", 1, 1, 2, 4, 1380) + b"\0\0"))
    assert said is not None
    assert (said.kind, said.flow, said.source, said.segment) == (Kind.SYN_ACK, flow, flow.destination, 1380)
    refused = packets.answer(tcp(flow, 0x14))
    assert refused is not None
    assert (refused.kind, refused.flow, refused.segment) == (Kind.RESET, flow, None)
    assert packets.answer(tcp(flow, 0x10)) is None


def test_an_echo_of_a_size_is_that_big_and_must_not_be_fragmented() -> None:
    ping = packets.echo(Flow(ICMP, FOUR.source, FOUR.destination, (5, 6)), 1420)
    assert len(ping) == 1420
    assert ping[6] & 0x40
    assert len(packets.echo(Flow(ICMPV6, SIX.source, SIX.destination, (5, 6)), 1420)) == 1420


@pytest.mark.parametrize("flow", [FOUR, SIX])
def test_an_echo_reply_is_known_by_identifier_and_number(flow: Flow) -> None:
    asked = Flow(ICMPV6 if flow is SIX else ICMP, flow.source, flow.destination, (5, 6))
    body = struct.pack("!BBHHH", 129 if flow is SIX else 0, 0, 0, 5, 6)
    said = packets.answer(packets._packet(back(asked), body, 64))
    assert said is not None
    assert (said.kind, said.flow) == (Kind.ECHO, asked)


@pytest.mark.parametrize(
    ("flow", "kind", "code", "meaning"),
    [
        (FOUR, 3, 1, Kind.NO_HOST),
        (FOUR, 3, 2, Kind.NO_PROTOCOL),
        (FOUR, 3, 3, Kind.NO_PORT),
        (FOUR, 3, 4, Kind.TOO_BIG),
        (FOUR, 3, 13, Kind.FORBIDDEN),
        (FOUR, 11, 0, Kind.EXPIRED),
        (SIX, 1, 0, Kind.NO_HOST),
        (SIX, 1, 1, Kind.FORBIDDEN),
        (SIX, 1, 4, Kind.NO_PORT),
        (SIX, 2, 0, Kind.TOO_BIG),
        (SIX, 3, 0, Kind.EXPIRED),
        (SIX, 4, 1, Kind.NO_PROTOCOL),
    ],
)
def test_an_icmp_error_is_about_the_packet_that_it_quotes(
    flow: Flow, kind: int, code: int, meaning: Kind
) -> None:
    source = "fd00::ff" if flow is SIX else str(PATH)
    said = packets.answer(error(packets.syn(flow, 1), kind, code, source))
    assert said is not None
    assert (said.kind, said.flow, said.source) == (meaning, flow, ip_address(source))


def test_an_error_about_a_tunnel_is_known_by_its_ends() -> None:
    inside = packets.syn(SIX, 1)
    ends = ip_address("10.0.0.9"), ip_address("10.0.0.1")
    outside = packets.enclosed(inside, *ends)
    assert len(outside) == len(inside) + 20
    said = packets.answer(error(outside, 3, 2))
    assert said is not None
    assert (said.kind, said.flow) == (Kind.NO_PROTOCOL, packets.tunnel(inside, *ends))
    assert said.flow.protocol == 41


@settings(max_examples=200)
@given(st.binary(max_size=120), st.integers(0, 120))
def test_whatever_comes_is_read_without_harm(tail: bytes, cut: int) -> None:
    for start in (b"", tcp(FOUR, 0x12), tcp(SIX, 0x12), error(packets.syn(FOUR, 1), 3, 3)):
        packets.answer(start[:cut] + tail)


@settings(max_examples=50)
@given(st.binary(max_size=40))
def test_options_of_whatever_form_are_no_trouble(options: bytes) -> None:
    said = packets.answer(tcp(FOUR, 0x12, options[: len(options) // 4 * 4]))
    assert said is None or said.kind is Kind.SYN_ACK
