"""What the call `rules` answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from lvs.config.model import Forwarding, LvsConfig, PortRange, Protocol
from lvs.pulse.rules import described, missing, modules_document, rules
from lvs.router import passing, plan
from lvs.router.netfilter.counts import NONE, Count, Counts
from lvs.router.saved_rules import SavedRules
from lvs.router.state import Guard, Netfilter, Role
from tests.unit.pulse.world import World, installed, lvs_cf
from tests.unit.router.cluster import config, real, virtual
from tests.unit.router_edges.test_netfilter_text import mark

SHOP = config(
    virtual(fwmark=80, ports=(PortRange(443, 443),), forwarding=Forwarding.NAT, real_servers=(real(1),))
)


def rules_of(wanted: LvsConfig) -> Netfilter:
    found = plan.wanted(wanted, Role.ACTIVE, {}, guard=Guard(3636, (ip_network("10.0.0.0/8"),))).netfilter
    assert found is not None
    return found


def test_each_rule_is_told_with_whose_it_is_and_what_it_counted() -> None:
    found = rules_of(SHOP)
    secure = found.marks[1]
    counts = Counts({secure: Count(3, 180)}, {4: Count(2, 120), 6: Count(1, 80)}, Count(5, 300))
    answer = described(SHOP, found, counts)
    of_shop = {"virtual_server": "shop", "address": "192.0.2.1", "protocol": "tcp", "fwmark": 80}
    assert answer["marks"] == [
        of_shop | {"ports": "80", "packets": 0, "bytes": 0},
        of_shop | {"ports": "443", "packets": 3, "bytes": 180},
    ]
    assert answer["masquerade"] == {"real_servers": ["10.0.0.11"], "packets": 3, "bytes": 200}
    assert answer["guard"] == {"port": 3636, "networks": ["10.0.0.0/8"], "packets": 5, "bytes": 300}
    assert answer["nft"].startswith("table inet piranha {\n")
    assert "packets" not in answer["nft"]
    assert '--dport 443 -m comment --comment "shop" -j MARK --set-mark 80' in answer["iptables"]
    assert answer["drift"] == []


def test_without_a_table_there_is_nothing_to_tell() -> None:
    nothing = {"nft": "", "iptables": "", "drift": [], "marks": [], "masquerade": None, "guard": None}
    assert described(SHOP, None, NONE) == nothing


def test_what_somebody_changed_by_hand_is_told_and_a_rule_of_nobody_has_no_name() -> None:
    found = replace(rules_of(SHOP), marks=(mark("10.9.9.9", 1, 2),), drift=("chain mine is not pulse's",))
    answer = described(SHOP, found, NONE)
    assert answer["drift"] == ["chain mine is not pulse's"]
    assert [(each["virtual_server"], each["ports"]) for each in answer["marks"]] == [("", "1-2")]


def test_a_rule_has_the_names_of_all_that_ask_for_its_ports() -> None:
    of_one_mark = config(
        virtual("shop", fwmark=7, ports=(PortRange(8000, 8010),)),
        virtual("mail", fwmark=7, port=25, ports=(PortRange(8005, 8020),)),
        virtual("dns", fwmark=7, port=25, protocol=Protocol.UDP),
        virtual("off", fwmark=7, active=False),
        virtual("else", "192.0.2.2", fwmark=7),
    )
    found = plan.wanted(of_one_mark, Role.ACTIVE, {}).netfilter
    assert found is not None
    named = {str(rule.ports): name for rule, name in passing.owners(of_one_mark, found.marks).items()}
    assert named["8000:8020"] == "shop, mail"
    names = sorted(passing.owners(of_one_mark, found.marks).values())
    assert names == ["dns", "else", "mail", "shop", "shop, mail"]


def test_modules_are_told_with_whether_they_are_there() -> None:
    (found,) = modules_document({"ip_vs_no_such"})
    assert (found["name"], found["loaded"]) == ("ip_vs_no_such", False)


def test_pulse_tells_what_is_in_force_and_where_it_is_kept(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def story() -> None:
        async with world.pulse() as lvsd:
            before = await rules(lvsd.keeper)
            assert (before["nft"], before["saved"], before["modules"]) == ("", None, [])
        installed(world, lvs_cf(more="  fwmark = 7\n  ports = 80\n"))
        async with world.pulse() as lvsd:
            saved = lvsd.keeper.work.saved = SavedRules(world.state / "piranha.nft")
            saved.keep(world.kernel.netfilter)
            answer = await rules(lvsd.keeper)
            assert [(each["virtual_server"], each["ports"]) for each in answer["marks"]] == [
                ("web", "80"),
                ("web", "443"),
            ]
            assert answer["saved"]["path"] == str(saved.path)
            assert answer["saved"]["at"] == saved.path.stat().st_mtime
            assert isinstance(answer["remarks"], list)
            assert answer["drift"] == []
            world.kernel.netfilter = None
            (sentence,) = (await rules(lvsd.keeper))["drift"]
            assert "is not there" in sentence

    asyncio.run(story())


def test_masquerade_and_guard_alone_are_told_too() -> None:
    found = Netfilter(masquerade=(ip_address("fd01::11"),))
    answer = described(LvsConfig(), found, NONE)
    assert answer["masquerade"] == {"real_servers": ["fd01::11"], "packets": 0, "bytes": 0}
    assert answer["guard"] is None
    assert answer["marks"] == []


def test_a_table_with_other_elements_than_lvs_cf_wants_is_said_to_be_changed_whatever_its_guard() -> None:
    wanted = rules_of(SHOP)
    assert [*missing(wanted, wanted)] == []
    assert [*missing(replace(wanted, guard=None), wanted)] == []
    assert [*missing(None, Netfilter(guard=wanted.guard))] == []
    (sentence,) = missing(replace(wanted, masquerade=()), wanted)
    assert "not those of lvs.cf" in sentence
    assert [*missing(replace(wanted, masquerade=(), drift=("by hand",)), wanted)] == []
