from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from lvs.router import rtnetlink
from lvs.router.genetlink import attribute
from lvs.router.links import LinkChange, differences
from lvs.router.rtnetlink import IFF_LOWER_UP, IFF_RUNNING, IFF_UP, Link

CARRIES = IFF_UP | IFF_RUNNING | IFF_LOWER_UP


def a_link(name: str = "eth0", flags: int = CARRIES, carrier_changes: int = 2) -> Link:
    return Link(2, name, flags, 1, b"\x02\0\0\0\0\x01", carrier_changes)


def message(kind: int, body: bytes) -> bytes:
    whole = struct.pack("=IHHII", 16 + len(body), kind, 0, 7, 0) + body
    return whole + bytes(-len(body) & 3)


def test_a_link_message_is_read_by_its_attributes() -> None:
    body = struct.pack("=BxHiII", 0, 1, 4, CARRIES, 0)
    body += attribute(3, b"bond0\0") + attribute(1, b"\x02\0\0\0\0\x01") + attribute(35, struct.pack("=I", 9))
    assert rtnetlink.link(body) == Link(4, "bond0", CARRIES, 1, b"\x02\0\0\0\0\x01", 9)


def test_only_an_interface_with_all_three_flags_can_carry() -> None:
    assert a_link().is_up
    for missing in (IFF_UP, IFF_RUNNING, IFF_LOWER_UP):
        assert not a_link(flags=CARRIES & ~missing).is_up


def test_an_ipv4_address_has_its_label_and_long_flags() -> None:
    body = struct.pack("=BBBBi", socket.AF_INET, 24, 0x80, 0, 2)
    body += attribute(1, b"\x0a\0\0\x01") + attribute(2, b"\x0a\0\0\x01") + attribute(3, b"eth0:1\0")
    assert rtnetlink.local_address(body).flags == 0x80
    told = rtnetlink.local_address(body + attribute(8, struct.pack("=I", 0x281)))
    assert (told.label, told.prefix, told.flags) == ("eth0:1", 24, 0x281)
    assert told.local == told.peer == b"\x0a\0\0\x01"


def test_behind_a_point_to_point_link_the_local_address_is_this_machines() -> None:
    body = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, 2)
    told = rtnetlink.local_address(body + attribute(1, b"\x0a\0\0\x02") + attribute(2, b"\x0a\0\0\x01"))
    assert (told.local, told.peer) == (b"\x0a\0\0\x01", b"\x0a\0\0\x02")


def test_an_ipv6_address_has_no_local_attribute() -> None:
    body = struct.pack("=BBBBi", socket.AF_INET6, 64, 0, 0, 2) + attribute(1, bytes(15) + b"\x01")
    told = rtnetlink.local_address(body)
    assert (told.local, told.label) == (bytes(15) + b"\x01", "")


def test_several_messages_of_one_receive_come_apart() -> None:
    received = message(16, b"one") + message(17, b"twotwo")
    assert [(kind, body) for kind, _, _, body in rtnetlink.split(received)] == [(16, b"one"), (17, b"twotwo")]


def test_a_message_that_was_cut_off_is_left_out() -> None:
    received = message(16, b"four") + message(17, b"four")[:-1]
    assert [body for *_, body in rtnetlink.split(received)] == [b"four"]


@given(st.binary(max_size=200))
def test_whatever_comes_reading_ends(received: bytes) -> None:
    assert len(list(rtnetlink.split(received))) <= len(received) // 16
    assert len(rtnetlink.attributes(received, 0)) <= len(received) // 4


def told(before: Link | None, after: Link | None) -> list[LinkChange]:
    return list(differences(before, after))


def test_an_interface_that_stays_as_it_was_is_not_told_of() -> None:
    down = a_link(flags=IFF_UP)
    assert told(a_link(), a_link()) == told(down, down) == told(None, down) == told(down, None) == []


def test_coming_and_going_are_told() -> None:
    down = a_link(flags=IFF_UP)
    up = [LinkChange("eth0", True)]
    assert told(down, a_link()) == told(None, a_link()) == up
    assert told(a_link(), down) == told(a_link(), None) == [LinkChange("eth0", False)]


def test_a_carrier_that_was_lost_and_found_between_two_messages_is_told_as_both() -> None:
    lost_and_found = [LinkChange("eth0", False), LinkChange("eth0", True)]
    assert told(a_link(), a_link(carrier_changes=4)) == lost_and_found


def test_a_renamed_interface_is_down_under_its_old_name() -> None:
    renamed = [LinkChange("eth0", False), LinkChange("wan", True)]
    assert told(a_link(), a_link("wan")) == renamed
