from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs.router import announce, frames

MAC = bytes.fromhex("02a1b2c3d4e5")
SENDER = bytes.fromhex("02000000000f")
V4 = IPv4Address("192.0.2.100")
V6 = IPv6Address("2001:db8::1234:5678")
ETHERNET_HEADER = 14  # bytes that announce's frames have in front

ARP_REPLY = announce.arp_frames(V4, MAC)[1][ETHERNET_HEADER:]
ADVERTISEMENT = announce.advertisement_frame(V6, MAC, router=False)[ETHERNET_HEADER:]


def changed(packet: bytes, at: int, value: str) -> bytes:
    new = bytes.fromhex(value)
    return packet[:at] + new + packet[at + len(new) :]


def test_an_arp_probe_names_no_sender_as_rfc_5227_says() -> None:
    assert frames.arp_probe(V4, MAC).hex(" ") == (
        "00 01 08 00 06 04 00 01 "  # Ethernet, IPv4, their lengths, request
        "02 a1 b2 c3 d4 e5 00 00 00 00 "  # sender: a MAC without an address
        "00 00 00 00 00 00 c0 00 02 64"
    )


def test_a_solicitation_is_laid_out_as_rfc_4861_says() -> None:
    packet = frames.solicitation(V6, IPv6Address("fe80::1"), MAC)
    assert changed(packet, 42, "0000").hex(" ") == (
        "60 00 00 00 00 20 3a ff "  # version 6, 32 bytes of ICMPv6, hop limit 255
        "fe 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01 "
        "ff 02 00 00 00 00 00 00 00 00 00 01 ff 34 56 78 "  # the solicited-node group
        "87 00 00 00 00 00 00 00 "  # neighbour solicitation, its checksum left out here
        "20 01 0d b8 00 00 00 00 00 00 00 00 12 34 56 78 "
        "01 01 02 a1 b2 c3 d4 e5"  # source link-layer address
    )


def test_a_solicitation_from_the_unspecified_address_names_no_mac() -> None:
    packet = frames.solicitation(V6, frames.NOWHERE, MAC)
    assert MAC not in packet
    assert packet[4:6] == b"\0\x18"


@pytest.mark.parametrize("source", ["::", "fe80::1", "fe80::ffff:ffff:ffff:fffe"])
def test_a_solicitations_checksum_makes_the_whole_sum_up_to_all_ones(source: str) -> None:
    packet = frames.solicitation(V6, IPv6Address(source), MAC)
    summed = packet[8:] + struct.pack("!II", len(packet) - 40, 58)
    assert sum(struct.unpack(f"!{len(summed) // 2}H", summed)) % 0xFFFF == 0


def test_a_group_has_its_multicast_mac() -> None:
    assert frames.multicast_mac(frames.solicited_node(V6)).hex() == "3333ff345678"


@pytest.mark.parametrize("form", [0, 1], ids=["request", "reply"])
def test_an_arp_request_and_a_reply_claim_their_senders_address(form: int) -> None:
    packet = announce.arp_frames(V4, MAC)[form][ETHERNET_HEADER:]
    assert frames.arp_sender(packet) == (V4, MAC)


def test_the_padding_of_a_short_frame_does_not_matter() -> None:
    assert frames.arp_sender(ARP_REPLY + bytes(18)) == (V4, MAC)
    assert frames.advertised(ADVERTISEMENT + b"\xaa" * 5, SENDER) == (V6, MAC)


NO_ARP_CLAIMS = {
    "a probe": frames.arp_probe(V4, MAC),
    "cut off": ARP_REPLY[:-1],
    "not Ethernet": changed(ARP_REPLY, 0, "0006"),
    "not IPv4": changed(ARP_REPLY, 2, "86dd"),
    "longer MACs": changed(ARP_REPLY, 4, "08"),
    "another operation": changed(ARP_REPLY, 7, "03"),
    "no MAC": changed(ARP_REPLY, 8, "000000000000"),
    "multicast": changed(ARP_REPLY, 14, "e0000001"),
    "loopback": changed(ARP_REPLY, 14, "7f000001"),
    "broadcast": changed(ARP_REPLY, 14, "ffffffff"),
}


@pytest.mark.parametrize("packet", NO_ARP_CLAIMS.values(), ids=NO_ARP_CLAIMS)
def test_an_arp_packet_that_is_none_or_names_no_machine_claims_nothing(packet: bytes) -> None:
    assert frames.arp_sender(packet) is None


def test_an_advertisement_claims_its_target_at_the_mac_that_it_names() -> None:
    assert frames.advertised(ADVERTISEMENT, SENDER) == (V6, MAC)


def test_an_advertisement_that_names_no_mac_claims_its_senders() -> None:
    bare = changed(ADVERTISEMENT, 4, "0018")[:64]
    assert frames.advertised(bare, SENDER) == (V6, SENDER)
    assert frames.advertised(bare, b"") is None


def test_an_option_before_the_mac_is_passed_over() -> None:
    nonce = bytes.fromhex("0e01a1a2a3a4a5a6")
    packet = changed(ADVERTISEMENT, 4, "0028")[:64] + nonce + ADVERTISEMENT[64:]
    assert frames.advertised(packet, SENDER) == (V6, MAC)


NO_ADVERTISEMENTS = {
    "cut off": ADVERTISEMENT[:63],
    "not IPv6": changed(ADVERTISEMENT, 0, "45"),
    "too short by its own account": changed(ADVERTISEMENT, 4, "0010"),
    "not ICMPv6": changed(ADVERTISEMENT, 6, "11"),
    "passed on by a router": changed(ADVERTISEMENT, 7, "fe"),
    "a solicitation": changed(ADVERTISEMENT, 40, "87"),
    "a code": changed(ADVERTISEMENT, 41, "01"),
    "multicast": changed(ADVERTISEMENT, 48, "ff02"),
    "unspecified": changed(ADVERTISEMENT, 48, "00" * 16),
    "an option of no length": changed(ADVERTISEMENT, 65, "00"),
    "an option longer than the packet": changed(ADVERTISEMENT, 65, "02"),
    "an option cut off": ADVERTISEMENT[:65],
    "no MAC": changed(ADVERTISEMENT, 66, "000000000000"),
}


@pytest.mark.parametrize("packet", NO_ADVERTISEMENTS.values(), ids=NO_ADVERTISEMENTS)
def test_an_advertisement_that_no_host_may_believe_claims_nothing(packet: bytes) -> None:
    assert frames.advertised(packet, SENDER) is None


@given(st.binary(max_size=120))
def test_whatever_comes_is_understood_or_ignored(packet: bytes) -> None:
    frames.arp_sender(packet)
    frames.advertised(packet, SENDER)


@given(st.lists(st.tuples(st.integers(0, len(ADVERTISEMENT) - 1), st.integers(0, 255)), max_size=4))
def test_a_garbled_packet_is_understood_or_ignored(garbled: list[tuple[int, int]]) -> None:
    packet = bytearray(ADVERTISEMENT)
    for at, value in garbled:
        packet[at] = value
    frames.advertised(bytes(packet), SENDER)
    frames.arp_sender(bytes(packet[: len(ARP_REPLY)]))
