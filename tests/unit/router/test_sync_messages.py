"""The messages that tell another router of half-open connections, byte for byte as the kernel takes them."""

from __future__ import annotations

from ipaddress import ip_address

from lvs.config.model import Forwarding, PortRange, Protocol
from lvs.router.state import (
    Destination,
    DestinationKey,
    Family,
    KernelState,
    MarkRule,
    Netfilter,
    Service,
    ServiceKey,
)
from lvs.router.sync import SHORTEST_READ
from lvs.router.sync_messages import HalfOpen, half_open, messages

LISTED = b"""\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C0A81A64 C350 C0A81A0A 0050 0A0B0C01 1F90 SYN_RECV         59
TCP C0A81A64 C351 C0A81A0A 0050 0A0B0C02 1F90 ESTABLISHED     899
UDP C0A81A64 C352 C0A81A0A 0035 0A0B0C02 0035 UDP             299
TCP fd00:0026:0000:0000:0000:0000:0000:0100 C350 fd00:0026:0000:0000:0000:0000:0000:0010 0050 \
fd00:0011:0012:0000:0000:0000:0000:0001 0050 SYN_RECV         12
TCP fd00:0026:0000:0000:0000:0000:0000:0100 C353 fd00:0026:0000:0000:0000:0000:0000:0010 0050 \
0A0B0C01 0050 SYN_RECV         12
"""
CLIENT, VIRTUAL, REAL = (ip_address(text) for text in ("192.168.26.100", "192.168.26.10", "10.11.12.1"))
YOUNG = HalfOpen((CLIENT, 50000), (VIRTUAL, 80), (REAL, 8080))
YOUNG6 = HalfOpen(
    (ip_address("fd00:26::100"), 50000), (ip_address("fd00:26::10"), 80), (ip_address("fd00:11:12::1"), 80)
)


def balanced(
    key: ServiceKey, port: int, forwarding: Forwarding, netfilter: Netfilter | None = None
) -> KernelState:
    real = REAL if key.family is Family.V4 else YOUNG6.real[0]
    members = {DestinationKey(real, port): Destination(forwarding, 1)}
    return KernelState(services={key: Service("rr")}, destinations={key: members}, netfilter=netfilter)


def test_of_the_kernels_list_the_half_open_tcp_connections_of_one_family_are_taken() -> None:
    assert list(half_open(LISTED)) == [YOUNG, YOUNG6]


def test_a_message_has_what_the_kernel_expects() -> None:
    service = ServiceKey(Family.V4, Protocol.TCP, VIRTUAL, 80)
    (made,) = messages([YOUNG], 7, balanced(service, 8080, Forwarding.DIRECT))
    assert made == bytes.fromhex(
        "00 07 002c 01 01 0000"  # zero, id, 44 bytes, one connection, version 1, zero
        "00 06 0024 00000103 0003"  # IPv4, TCP, 36 bytes, inactive and direct routing, SYN_RECV
        "c350 0050 1f90 00000000 0000003c"  # ports, no mark, 60 s
        "c0a81a64 c0a81a0a 0a0b0c01"
    )


def test_a_message_of_ipv6_has_its_longer_addresses() -> None:
    service = ServiceKey(Family.V6, Protocol.TCP, *YOUNG6.virtual)
    (made,) = messages([YOUNG6], 0, balanced(service, 80, Forwarding.NAT))
    assert made[:16] == bytes.fromhex("00 00 0050 01 01 0000  01 06 0048 00000100")
    assert made[-48:] == b"".join(
        address.packed for address, _ in (YOUNG6.client, YOUNG6.virtual, YOUNG6.real)
    )


def test_a_service_of_several_ports_is_named_by_its_firewall_mark() -> None:
    marks = Netfilter((MarkRule(VIRTUAL, Protocol.TCP, PortRange(80, 90), 5),))
    state = balanced(ServiceKey(Family.V4, fwmark=5), 0, Forwarding.TUNNEL, marks)
    (made,) = messages([YOUNG], 0, state)
    assert made[12:16] == bytes.fromhex("00000102")
    assert made[24:28] == bytes.fromhex("00000005")


def test_a_real_server_that_is_no_longer_in_the_table_is_told_of_all_the_same() -> None:
    (made,) = messages([YOUNG], 0, KernelState())
    assert made[12:16] == bytes.fromhex("00000100")


def test_every_message_is_short_enough_for_any_router() -> None:
    made = list(messages([YOUNG6, YOUNG] * 100, 0, KernelState()))
    assert max(map(len, made)) <= SHORTEST_READ
    assert sum(message[4] for message in made) == 200
    assert all(len(message) == int.from_bytes(message[2:4]) for message in made)
