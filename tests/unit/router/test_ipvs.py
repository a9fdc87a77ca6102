"""The bytes of IPVS messages, and the words for its refusals."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest

from lvs.config.model import Forwarding
from lvs.router.genetlink import attribute, attributes
from lvs.router.ipvs import refusal, sync_refusal
from lvs.router.ipvs_messages import (
    destination,
    destination_attribute,
    requests,
    service,
    sync_daemon,
    sync_daemon_attributes,
    timeouts_attributes,
)
from lvs.router.state import Change, Destination, Part, Service, SyncDaemon, SyncState, Timeouts, Verb
from tests.unit.router.kernel_suite import DIRECT, MEMBERS, ONE, SERVICES, WEB, WEB6, add_service, member


def test_a_destination_is_packed_as_the_kernel_wants_it():
    packed = destination_attribute(ONE, Destination(Forwarding.TUNNEL, 5, 100, 50))
    assert packed.hex(" ", 4) == (
        "48000200 "  # IPVS_CMD_ATTR_DEST, 72 bytes
        "14000100 0a00000b 00000000 00000000 00000000 "  # ADDR
        "06000200 00500000 "  # PORT, big-endian
        "08000300 02000000 08000400 05000000 08000500 64000000 08000600 32000000 "
        "06000b00 02000000"  # ADDR_FAMILY
    )


def test_a_services_netmask_is_a_mask_in_ipv4_and_a_length_in_ipv6():
    four = requests([add_service(WEB, Service("wlc", 1, 60, 24))])[0][1]
    six = requests([add_service(WEB6, Service("wlc", 1, 60, 64))])[0][1]
    assert four.endswith(attribute(9, bytes([255, 255, 255, 0])))
    assert six.endswith(attribute(9, (64).to_bytes(4, "little")))


@pytest.mark.parametrize(("service_key", "key", "value"), MEMBERS, ids=lambda value: str(value)[:60])
def test_a_destination_reads_back(service_key, key, value):
    packed = bytearray(destination_attribute(key, value))
    assert destination(packed, 0, len(packed)) == (key, value)


@pytest.mark.parametrize(("key", "value"), SERVICES, ids=lambda value: str(value)[:60])
def test_a_service_reads_back(key, value):
    packed = bytearray(requests([add_service(key, value)])[0][1])
    assert service(packed, 0, len(packed)) == (key, value)


@pytest.mark.parametrize(
    "daemon",
    [
        SyncDaemon(SyncState.BACKUP, "eth0"),
        SyncDaemon(SyncState.MASTER, "a-name-of-15-ch", 255, 44, ip_address("224.0.0.99"), 9000, 255),
        SyncDaemon(SyncState.MASTER, "eth0", 7, 65535, ip_address("ff02::99"), 65535, 1),
    ],
)
def test_a_half_of_the_sync_daemon_reads_back(daemon):
    packed = bytearray(sync_daemon_attributes(daemon))
    assert sync_daemon(packed, 0, len(packed)) == daemon


def test_a_refused_sync_daemon_is_told_with_a_remedy():
    half = SyncDaemon(SyncState.MASTER, "eth7", port=9000)
    assert sync_refusal(half, errno.ENODEV).startswith("this machine has no interface eth7: set syncd_iface")
    assert sync_refusal(half, errno.ENETUNREACH).endswith("bring it up (ip link set eth7 up)")
    assert "syncd_port" in sync_refusal(half, errno.EADDRINUSE)
    assert "ip address add" in sync_refusal(half, errno.EADDRNOTAVAIL)
    assert "CAP_NET_ADMIN" in sync_refusal(half, errno.EPERM)


def test_a_service_of_another_protocol_is_passed_over():
    packed = bytearray(requests([add_service(WEB)])[0][1])
    place = attributes(packed, 4, len(packed))[2]
    packed[place] = 50  # ESP
    assert service(packed, 0, len(packed)) is None


def test_each_change_is_its_command():
    edit = Change(Part.SERVICE, Verb.CHANGE, "", service_key=WEB, service=Service("rr"))
    changes = [
        add_service(WEB),
        edit,
        member(Verb.ADD, WEB, ONE, DIRECT),
        member(Verb.CHANGE, WEB, ONE, DIRECT),
        member(Verb.REMOVE, WEB, ONE),
        Change(Part.SERVICE, Verb.REMOVE, "", service_key=WEB),
    ]
    assert [command for command, _ in requests(changes)] == [1, 2, 5, 6, 7, 3]


def test_a_change_of_something_else_is_a_mistake_of_ours():
    with pytest.raises(ValueError):
        requests([Change(Part.TIMEOUTS, Verb.CHANGE, "set timeouts", timeouts=Timeouts(1, 2, 3))])


def test_timeouts_of_0_are_not_sent():
    assert timeouts_attributes(Timeouts(0, 60, 0)) == attribute(5, (60).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (add_service(WEB, Service("mh")), errno.ENOENT, "modprobe ip_vs_mh"),
        (add_service(WEB), errno.EEXIST, "another program just added it"),
        (add_service(WEB6), errno.EAFNOSUPPORT, "without IPv6"),
        (add_service(WEB), errno.EPERM, "CAP_NET_ADMIN"),
        (member(Verb.ADD, WEB, ONE, DIRECT), errno.ESRCH, "its service is not in the kernel's table"),
        (member(Verb.REMOVE, WEB, ONE), errno.ENOENT, "another program just removed it"),
        (member(Verb.ADD, WEB, ONE, DIRECT), errno.ENOMEM, "Cannot allocate memory (error 12)"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(change, code, words):
    assert words in refusal(change, code)
