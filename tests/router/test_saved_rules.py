"""The file piranha.nft and this machine's nft."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from lvs.router import netfilter
from lvs.router.saved_rules import NAME, SavedRules
from lvs.router.state import Guard, Netfilter
from tests.router.conftest import Namespace
from tests.router.test_netfilter import SHOP, VALUES

pytestmark = pytest.mark.root

GUARD = Guard(3636, (ip_network("192.0.2.0/24"), ip_network("fd00::/8")))


@pytest.mark.parametrize("value", [*VALUES, Netfilter(SHOP.marks, SHOP.masquerade, guard=GUARD)])
def test_nft_loads_the_file_by_itself_and_pulse_finds_its_own_table(
    router: Namespace, tmp_path: Path, value: Netfilter
) -> None:
    saved = SavedRules(tmp_path / NAME)
    router.call(netfilter.replace, value)
    router.call(saved.keep, value)
    listing = router.run("nft", "--stateless", "list", "ruleset")
    router.run("nft", "delete", "table", "inet", "piranha")  # the machine boots
    router.run("nft", "-f", str(saved.path))
    assert router.call(netfilter.read) == value
    router.run("nft", "-f", str(saved.path))  # and once more, over what is there
    assert router.call(netfilter.read) == value
    assert router.run("nft", "--stateless", "list", "ruleset") == listing


def test_the_file_of_a_router_without_rules_takes_pulses_table_out_and_no_other(
    router: Namespace, tmp_path: Path
) -> None:
    saved = SavedRules(tmp_path / NAME)
    router.call(netfilter.replace, SHOP)
    router.call(saved.keep, SHOP)
    router.call(netfilter.remove)
    router.call(saved.keep, None)
    router.run("nft", "add table inet other")
    router.call(netfilter.replace, SHOP)
    router.run("nft", "-f", str(saved.path))
    assert router.run("nft", "list", "tables").split() == ["table", "inet", "other"]


def test_a_file_written_without_a_look_at_the_kernel_loads_as_well(router: Namespace, tmp_path: Path) -> None:
    saved = SavedRules(tmp_path / NAME)
    router.call(saved.keep, SHOP)
    router.run("nft", "-f", str(saved.path))
    found = router.call(netfilter.read)
    assert found is not None
    assert (found.marks, found.masquerade) == (SHOP.marks, SHOP.masquerade)
    assert found.drift  # so that the next look at it replaces it
