"""The connections that a kernel would tell of late or never, told at once: two routers of the lab."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.namespaces import inside
from lvs.config.model import LvsConfig
from lvs.errors import KernelError
from lvs.router import connections, parting, plan
from lvs.router.apply import LinuxKernel
from lvs.router.state import Change, Health, KernelState, Part, Role, Service, SyncDaemon, SyncState, Verb
from lvs.router.sync_messages import HalfOpen, half_open, messages
from tests.conftest import eventually
from tests.kernel import traffic
from tests.kernel.namespace import fresh_network
from tests.kernel.test_sync import CONFIG, R1, R2, WAYS, Pair, client, known
from tests.kernel.test_sync import pair as pair  # a fixture
from tests.kernel.traffic import NAT

pytestmark = pytest.mark.kernel

FLUSH = 2.0  # seconds before which the kernel sends nothing that waits by itself (IPVS_SYNC_FLUSH_TIME)
NOBODY = {4: "192.168.26.200", 6: "fd00:26::200"}  # no machine's: nobody confirms or resets a connection
PORTS = itertools.count(50001)  # one for each connection: the kernels remember them for a minute


def wanted(config: LvsConfig = CONFIG) -> KernelState:
    return plan.wanted(config, Role.ACTIVE, dict.fromkeys(plan.keys(config).values(), Health.HEALTHY))


def master(state: KernelState) -> SyncDaemon:
    (found,) = (each for each in state.sync if each.state is SyncState.MASTER)
    return found


def knock(way: traffic.Way) -> HalfOpen:
    """The first packet of a connection, from an address that nobody has; the connection as r1 lists it."""
    port = next(PORTS)
    target = ip_address(way[0])
    source = ip_address(NOBODY[target.version])
    syn = struct.pack("!HHIIBBHHH", port, 80, 1, 0, 5 << 4, 0x02, 65535, 0, 0)  # RFC 9293, 3.1
    if target.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(syn), socket.IPPROTO_TCP, 64)  # RFC 8200, 3
        family = socket.AF_INET6
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(syn), 0, 0, 64, socket.IPPROTO_TCP, 0)
        family = socket.AF_INET
    with inside(network.CLIENT), socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as opened:
        opened.sendto(head + source.packed + target.packed + syn, (way[0], 0))
    eventually(lambda: bool(listed(R1, port)), "r1 has the connection")
    (made,) = listed(R1, port)
    return made


def listed(router: str, port: int) -> set[HalfOpen]:
    """The half-open connections of a router from this port of the client's."""
    with inside(router):
        found = half_open(Path(parting.LISTING).read_bytes())
        return {each for each in found if each.client[1] == port}


def tell(young: Iterable[HalfOpen], state: KernelState) -> None:
    """In r1's place, tells r2 of these."""
    with inside(R1), parting._sending(master(state)) as opened:
        for message in messages(young, CONFIG.redundancy.syncd_id, state):
            opened.send(message)


@pytest.mark.parametrize("maxlen", [0, 1472], ids=["short", "long"])
def test_what_waits_for_a_full_message_is_pushed_out(pair: Pair, maxlen: int) -> None:
    config = replace(CONFIG, redundancy=replace(CONFIG.redundancy, syncd_maxlen=maxlen))
    for router, role in ((R2, Role.STANDBY), (R1, Role.ACTIVE)):
        pair.bring(router, role, config=config)
    begun = time.monotonic()
    with closing(client(NAT)) as last:
        with inside(R1):
            LinuxKernel().push_out(master(wanted(config)), "wlc")
        eventually(lambda: last.getsockname()[1] in known(R2), "r2 knows of it")
        assert time.monotonic() - begun < FLUSH
        with inside(R1):
            assert parting.SERVICE not in LinuxKernel().table().services
        with inside(R2):
            assert "7F000051" in Path(parting.LISTING).read_text(), "it was told of what pushed that out"
            rows = connections.read(connections.Wanted(), 1000, 5.0)["connections"]
            assert {row[3] for row in rows} == {NAT[0]}, "which is nobody's connection"


def test_what_a_push_that_was_cut_short_left_is_taken_out_at_the_next_start() -> None:
    kernel = LinuxKernel()
    with fresh_network():
        kernel.carry_out([Change(Part.SERVICE, Verb.ADD, "push", parting.SERVICE, Service("rr"))])
        assert list(kernel.table().services) == [parting.SERVICE]
        kernel.recover()
        assert not kernel.table().services


@WAYS
def test_a_half_open_connection_is_told_of_with_its_real_server(pair: Pair, way: traffic.Way) -> None:
    state, young = wanted(), knock(way)
    with inside(R1):
        assert LinuxKernel().tell_half_open(master(state), state, 30) >= 1
    port = young.client[1]
    eventually(lambda: bool(listed(R2, port)), "r2 knows of it")
    assert listed(R2, port) == {young}


@WAYS
def test_a_connection_that_began_anew_at_the_other_router_stays_as_it_is_there(
    pair: Pair, way: traffic.Way
) -> None:
    state, young = wanted(), knock(way)
    port = young.client[1]
    other = next(ip_address(each) for each in way[3] if ip_address(each) != young.real[0])
    anew = replace(young, real=(other, young.real[1]))
    tell([anew], state)
    eventually(lambda: bool(listed(R2, port)), "r2 has it, at another real server")
    with inside(R1):
        LinuxKernel().tell_half_open(master(state), state, 30)
    last = replace(young, client=(young.client[0], next(PORTS)))
    tell([last], state)
    eventually(lambda: bool(listed(R2, last.client[1])), "r2 has heard all")
    assert listed(R2, port) == {anew}


def test_without_its_interface_nothing_can_be_told_and_the_refusal_says_so() -> None:
    with fresh_network(), pytest.raises(KernelError, match="half-open"):
        parting.tell_half_open(SyncDaemon(SyncState.MASTER, "eth9"), KernelState(), 1)
