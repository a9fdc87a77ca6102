"""Firewall marks of other programs' rules, as this machine's nftables and iptables have them."""

from __future__ import annotations

import pytest

from lvs.config.model import PortRange
from lvs.router.judges.marks import marks, marks_of
from lvs.router.seen import Level
from lvs.router.state import Owned
from lvs.router.surroundings import look_at_marks
from tests.router.conftest import Namespace
from tests.unit.router.cluster import config, virtual

pytestmark = pytest.mark.root

SHOP = config(virtual(address="192.0.2.80", fwmark=80, ports=(PortRange(443, 443),)))
GUIDE = "-t mangle -A PREROUTING -p tcp -d 192.0.2.80/32 --dport {} -j MARK --set-mark 80"


def test_the_guides_recipe_for_iptables_is_seen_and_its_remedy_takes_it_out(router: Namespace) -> None:
    for port in (80, 443):
        router.run("iptables-nft", *GUIDE.format(port).split())
    router.run("iptables-nft", *GUIDE.replace("--set-mark 80", "--or-mark 0x100").format(8080).split())
    for number in (1, 2):
        found = [*marks(router.call(look_at_marks, Owned()), SHOP)]
        assert [each.level for each in found] == [Level.WARNING] * (3 - number)
        assert found[0].what.startswith("Rule 1 in chain PREROUTING of table ip mangle sets firewall mark 80")
        command = found[0].remedy.partition(": ")[2].partition(";")[0]
        router.run(*command.replace("iptables", "iptables-nft").split())
    assert [*marks(router.call(look_at_marks, Owned()), SHOP)] == []


def test_marks_from_maps_are_followed(router: Namespace) -> None:
    router.run(
        "nft",
        "table inet own { map ports { type inet_service : mark; flags interval; elements = { 80-90 : 7 }; }; "
        "map names { type ifname : mark; }; chain pre { type filter hook prerouting priority mangle; "
        "meta mark set tcp dport map @ports; meta mark set tcp dport map { 443 : 8 }; "
        "meta mark set iifname map @names; }; }",
    )
    found = marks_of(router.call(look_at_marks, Owned()).rules)
    assert [each.fwmarks for each in found.settings] == [{7}, {8}]
