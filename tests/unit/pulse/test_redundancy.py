"""What makes a router one of two, and what its heart is told."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.pulse.heart.settings import parse
from lvs.pulse.heartbeat import Link
from lvs.pulse.node import Place
from lvs.pulse.redundancy import (
    Keys,
    alone_because,
    heartbeat_links,
    is_meant,
    missing_interfaces,
    settings,
)
from lvs.pulse.running import understood
from lvs.router.state import InterfaceAddress, Node
from tests.unit.pulse.world import KEY, TWO, lvs_cf

PAIR = understood(lvs_cf(7, pair=TWO))
KEYS = Keys((KEY,))
PRIMARY = Place(Node.PRIMARY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lvs_cf(pair=TWO), True),
        (lvs_cf(), False),
        (lvs_cf(pair=TWO.replace("backup_active = 1", "backup_active = 0")), False),
        (lvs_cf(pair="backup_active = 0\nbackup = 0.0.0.0\n"), False),
    ],
)
def test_two_routers_are_meant_where_both_have_an_address_and_the_backup_is_active(
    text: str, expected: bool
) -> None:
    assert is_meant(understood(text).config) is expected


@pytest.mark.parametrize(
    ("place", "keys", "reason"),
    [
        (PRIMARY, KEYS, None),
        (PRIMARY, Keys(), "no cluster key: there is no cluster.key, apply a revision or copy it; until then"),
        (PRIMARY, Keys(problem="it is open"), "no cluster key: it is open; until then the primary is active"),
        (Place(Node.BACKUP, "Neither …"), KEYS, "This machine is neither of the two routers of lvs.cf"),
    ],
)
def test_what_keeps_a_router_from_being_one_of_two_is_said(
    place: Place, keys: Keys, reason: str | None
) -> None:
    found = alone_because(PAIR.config, place, keys)
    assert found is None if reason is None else str(found).startswith(reason)


def test_a_single_router_needs_no_reason_to_be_alone() -> None:
    assert alone_because(understood(lvs_cf()).config, PRIMARY, Keys()) is None


def test_each_router_sees_the_links_from_its_own_end() -> None:
    assert heartbeat_links(PAIR.config, Node.BACKUP) == {
        "public": {"own": "192.0.2.2", "peer": "192.0.2.1"},
        "private": {"own": "10.0.0.102", "peer": "10.0.0.101"},
    }
    one = understood(lvs_cf(pair="backup_active = 1\nbackup = 192.0.2.2\nprimary_private = 10.0.0.1\n"))
    assert heartbeat_links(one.config, Node.PRIMARY) == {"public": {"own": "192.0.2.1", "peer": "192.0.2.2"}}


def interface_of(address: Address) -> str | None:
    if address == ip_address("192.0.2.1"):
        return "bond0"
    raise KernelError("look", "not now")


def test_the_heart_understands_the_settings_as_they_are_meant() -> None:
    said = settings(PAIR, PRIMARY, KEYS, name="r1", held=True, forced=False, interface_of=interface_of)
    understood_so = parse(said)
    assert understood_so.node is Node.PRIMARY
    assert understood_so.keys == (KEY,)
    assert understood_so.ways[Link.PRIVATE].own == ip_address("10.0.0.101")
    assert (understood_so.keepalive, understood_so.deadtime, understood_so.port) == (0.1, 0.3, 539)
    assert understood_so.addresses == tuple(PAIR.floating)
    assert understood_so.watched == ("bond0", "eth0")
    assert (understood_so.serial, understood_so.sha256.hex()) == (7, PAIR.sha256)
    assert (understood_so.held, understood_so.forced, understood_so.gateway) == (True, False, None)


def test_missing_interfaces_are_named_once() -> None:
    addresses = [
        InterfaceAddress(ip_address(f"192.0.2.{host}"), 32, name)
        for host, name in ((1, "lo"), (2, "no-such-0"), (3, "no-such-0"), (4, "a-name-that-is-far-too-long"))
    ]
    assert missing_interfaces(addresses) == ("a-name-that-is-far-too-long", "no-such-0")
