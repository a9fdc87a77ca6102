"""Which machine of the pair a router takes itself for."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvs.config.model import GlobalSettings, LvsConfig, Redundancy
from lvs.pulse.node import is_local, place
from lvs.router.state import Node, Role

PRIMARY, BACKUP = ip_address("192.0.2.1"), ip_address("192.0.2.2")
PAIR = LvsConfig(
    global_settings=GlobalSettings(primary=PRIMARY), redundancy=Redundancy(backup_active=True, backup=BACKUP)
)


@pytest.mark.parametrize(
    ("own", "expected"),
    [(PRIMARY, Node.PRIMARY), (BACKUP, Node.BACKUP)],
)
def test_auto_finds_itself_by_its_address(own: object, expected: Node) -> None:
    found = place(PAIR, "auto", lambda address: address == own, planning=False)
    assert (found.node, found.problem) == (expected, None)


def test_a_router_with_neither_address_is_the_backup_and_says_what_to_do() -> None:
    found = place(PAIR, "auto", lambda address: False, planning=False)
    assert found.role is Role.STANDBY
    assert found.problem is not None
    assert found.problem.startswith("Neither primary (192.0.2.1) nor backup (192.0.2.2) is an address")
    assert "--node primary" in found.problem


def test_without_a_primary_address_or_a_configuration_it_is_the_only_router() -> None:
    for config in (None, LvsConfig()):
        assert place(config, "auto", lambda address: False, planning=False).role is Role.ACTIVE


def test_what_was_asked_for_counts_whatever_the_addresses_are() -> None:
    assert place(PAIR, "backup", lambda address: address == PRIMARY, planning=False).role is Role.STANDBY


def test_planning_mode_plans_as_the_primary() -> None:
    assert place(PAIR, "auto", lambda address: False, planning=True).role is Role.ACTIVE


def test_the_kernel_knows_which_addresses_are_local() -> None:
    assert is_local(ip_address("127.0.0.1"))
    assert not is_local(ip_address("192.0.2.77"))
    assert not is_local(ip_address("2001:db8::77"))
