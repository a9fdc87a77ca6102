"""The heartbeat's sockets on the loopback interface: that nobody else of this machine gets its datagrams."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from lvs.pulse.heart.settings import Way
from lvs.pulse.heart.wires import Wire
from lvs.pulse.heartbeat import Link

OWN, PEER = "127.0.77.1", "127.0.77.2"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((OWN, 0))
        return int(probe.getsockname()[1])


def wire(port: int) -> Wire:
    return Wire(Link.PUBLIC, Way(ip_address(OWN), ip_address(PEER)), port, lambda closing: None)


def test_no_other_program_of_this_machine_can_take_a_hearts_datagrams_away() -> None:
    mine = wire(free_port())
    assert mine.open() is not None
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            # Linux gives a datagram to the socket that was bound last where all have this option (socket(7)).
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind((OWN, mine.port))
    finally:
        mine.close()


def test_a_second_heart_at_the_same_address_gets_no_socket_and_says_why() -> None:
    first, second = wire(port := free_port()), wire(port)
    assert first.open() is not None
    assert second.open() is None
    assert "another program has port" in second.trouble
    first.close()
    assert second.open() is not None
    assert second.trouble == ""
    second.close()
