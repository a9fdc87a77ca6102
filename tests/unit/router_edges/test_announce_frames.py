from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from lvs.router import announce

MAC = bytes.fromhex("02a1b2c3d4e5")


def test_the_gratuitous_request_is_laid_out_as_rfc_826_says() -> None:
    request, _ = announce.arp_frames(IPv4Address("192.0.2.100"), MAC)
    assert request.hex(" ") == (
        "ff ff ff ff ff ff 02 a1 b2 c3 d4 e5 08 06 "  # to all, from us, ARP
        "00 01 08 00 06 04 00 01 "  # Ethernet, IPv4, their lengths, request
        "02 a1 b2 c3 d4 e5 c0 00 02 64 "  # sender: our MAC has this address
        "00 00 00 00 00 00 c0 00 02 64"  # target: who has it?
    )


def test_the_gratuitous_reply_names_the_sender_as_target_too() -> None:
    request, reply = announce.arp_frames(IPv4Address("192.0.2.100"), MAC)
    assert reply[:20] == request[:20]
    assert reply[20:].hex(" ") == (
        "00 02 "  # reply
        "02 a1 b2 c3 d4 e5 c0 00 02 64 "
        "02 a1 b2 c3 d4 e5 c0 00 02 64"
    )


@pytest.mark.parametrize(("router", "flags"), [(True, "a0"), (False, "20")])
def test_the_advertisement_is_laid_out_as_rfc_4861_says(router: bool, flags: str) -> None:
    frame = announce.advertisement_frame(IPv6Address("2001:db8::64"), MAC, router=router)
    checked = frame[:56] + b"\0\0" + frame[58:]
    assert checked.hex(" ") == (
        "33 33 00 00 00 01 02 a1 b2 c3 d4 e5 86 dd "  # to all nodes, from us, IPv6
        "60 00 00 00 00 20 3a ff "  # version 6, 32 bytes of ICMPv6, hop limit 255
        "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 64 "
        "ff 02 00 00 00 00 00 00 00 00 00 00 00 00 00 01 "
        "88 00 00 00 "  # neighbour advertisement, its checksum left out here
        f"{flags} 00 00 00 "  # override, and whether a router speaks; not solicited
        "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 64 "
        "02 01 02 a1 b2 c3 d4 e5"  # target link-layer address
    )


@pytest.mark.parametrize("address", ["2001:db8::64", "fe80::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"])
def test_the_advertisements_checksum_makes_the_whole_sum_up_to_all_ones(address: str) -> None:
    frame = announce.advertisement_frame(IPv6Address(address), MAC, router=True)
    addresses, message = frame[22:54], frame[54:]
    summed = addresses + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    assert total % 0xFFFF == 0
