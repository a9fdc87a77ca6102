"""Firewall marks that do not come together, as far as rules can be followed."""

from __future__ import annotations

from typing import Any

import pytest

from lvs.config.model import LvsConfig, PortRange
from lvs.router.iptables_marks import hides_marks, with_marks
from lvs.router.judges.marks import marks, marks_of
from lvs.router.seen import Ipvs, Level, Remark, Seen
from lvs.router.state import Family, Owned, ServiceKey
from tests.unit.router.cluster import config, virtual
from tests.unit.router.test_ruleset import ACCEPT, DPORT, match, meta

SHOP = config(virtual(fwmark=80, ports=(PortRange(443, 443),)))
NOBODY = LvsConfig()
SEVEN = ServiceKey(Family.V4, fwmark=7)
EIGHTY = ServiceKey(Family.V4, fwmark=80)
TARGET = {"xt": {"type": "target", "name": "MARK"}}
MARK = meta("mark")


def sets(value: Any) -> dict[str, Any]:
    return {"mangle": {"key": MARK, "value": value}}


def made(
    *expressions: Any, table: str = "filter", chain: str = "pre", family: str = "inet"
) -> dict[str, Any]:
    """A rule with the handle 11."""
    place = {"family": family, "table": table, "chain": chain, "handle": 11}
    return {"rule": place | {"expr": list(expressions)}}


def mapped(name: str, elements: list[Any] | None) -> dict[str, Any]:
    kept = {"family": "inet", "table": "filter", "name": name, "map": "mark"}
    return {"map": kept if elements is None else kept | {"elem": elements}}


def through(data: Any) -> dict[str, Any]:
    return sets({"map": {"key": DPORT, "data": data}})


def remarks(
    *rules: dict[str, Any], wanted: LvsConfig = NOBODY, services: tuple[ServiceKey, ...] = (), **more: Any
) -> list[Remark]:
    ipvs = Ipvs(frozenset(services)) if services else None
    return list(marks(Seen(rules=rules, ipvs=ipvs, **more), wanted))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param([sets(7)], {7}, id="a number"),
        pytest.param([match(DPORT, 80), {"counter": None}, sets(7)], {7}, id="behind a match"),
        pytest.param([through({"set": [[80, 7], [{"range": [90, 99]}, 8]]})], {7, 8}, id="a map"),
        pytest.param([through("@known")], {5, 6}, id="a named map"),
        pytest.param([through("@hidden")], None, id="a named map whose elements were not listed"),
        pytest.param([through("@nowhere")], None, id="a named map that was not listed"),
        pytest.param([TARGET], None, id="iptables, by its name"),
        pytest.param(["# xt_MARK"], None, id="iptables, as a remark"),
        pytest.param(["meta mark set 0x50"], {80}, id="iptables, translated"),
    ],
)
def test_a_rule_sets_what_it_says(given: list[Any], found: set[int] | None) -> None:
    known = mapped("known", [[80, 5], [{"range": [81, 90]}, 6]])
    (setting,) = marks_of([known, mapped("hidden", None), made(*given)]).settings
    assert setting.fwmarks == found


@pytest.mark.parametrize(
    "given",
    [
        [sets({"|": [MARK, 16]})],
        [sets({"ct": {"key": "mark"}})],
        [sets(MARK)],
        [{"mangle": {"key": {"ct": {"key": "mark"}}, "value": 7}}],
        [{"mangle": {"key": {"payload": {"protocol": "ip", "field": "dscp"}}, "value": 7}}],
        [{"xt": {"type": "target", "name": "CONNMARK"}}],
        [{"xt": {"type": "match", "name": "mark"}}, ACCEPT],
        ["mark match 0x50", None],
        [match(MARK, 7), ACCEPT],
    ],
)
def test_what_sets_no_mark_or_works_it_out_from_something_else_is_passed_over(given: list[Any]) -> None:
    assert marks_of([made(*given)]).settings == ()


def test_nothing_is_said_where_marks_rules_and_services_come_together() -> None:
    assert remarks() == []
    assert remarks(wanted=SHOP) == []
    assert remarks(wanted=SHOP, services=(EIGHTY,), owned=Owned(services=frozenset({EIGHTY}))) == []
    assert remarks(made(sets(7)), services=(SEVEN,)) == []


def test_a_service_whose_mark_no_rule_sets_is_named() -> None:
    (found,) = remarks(wanted=SHOP, services=(SEVEN, EIGHTY))
    assert found.level is Level.WARNING
    assert found.what == "No rule that can be seen here sets the firewall mark of the IPVS service fwmark 7."
    assert "ipvsadm -D -f 7" in found.remedy
    six = ServiceKey(Family.V6, fwmark=9)
    (found,) = remarks(services=(SEVEN, six))
    assert "services fwmark 7 and fwmark 9 (IPv6)" in found.what
    assert "ipvsadm -D -f 9 -6" in found.remedy


def test_a_service_that_pulse_is_about_to_take_out_is_not_named() -> None:
    assert remarks(services=(SEVEN,), owned=Owned(services=frozenset({SEVEN}))) == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"rules": (made(TARGET, table="mangle", family="ip"),)}, "rule 1 in chain pre of table ip mangle"),
        ({"old_tables": ("ip mangle",)}, "the rules of iptables-legacy (ip mangle)"),
    ],
)
def test_where_a_rule_cannot_be_followed_the_service_is_only_noted(given: dict[str, Any], named: str) -> None:
    (found,) = remarks(*given.pop("rules", ()), services=(SEVEN,), **given)
    assert found.level is Level.NOTE
    assert f"What is set by {named} cannot be followed" in found.why


def test_the_guides_rules_made_by_hand_are_to_be_taken_out() -> None:
    other = made(match(DPORT, 22), ACCEPT, table="mangle", chain="PREROUTING", family="ip")
    hand = made(match(DPORT, 80), sets(80), table="mangle", chain="PREROUTING", family="ip")
    (found,) = remarks(other, hand, wanted=SHOP, services=(EIGHTY,))
    assert found.level is Level.WARNING
    assert found.what == (
        "Rule 2 in chain PREROUTING of table ip mangle sets firewall mark 80, which is that of shop."
    )
    assert "pulse sets it itself now" in found.why
    assert found.remedy.startswith("Take that rule out: iptables -t mangle -D PREROUTING 2;")
    (found,) = remarks(made(through({"set": [[80, 80], [81, 80]]})), wanted=SHOP)
    assert found.remedy.startswith("Take that rule out: nft delete rule inet filter pre handle 11;")


def test_rules_that_cannot_be_followed_beside_marks_of_ours_are_noted() -> None:
    (found,) = remarks(made(through("@hidden")), wanted=SHOP)
    assert found.level is Level.NOTE
    assert found.what == (
        "Rule 1 in chain pre of table inet filter sets a firewall mark that cannot be followed here."
    )
    assert found.remedy == "If it sets 80, take it out: nft delete rule inet filter pre handle 11."


def test_a_rule_whose_mark_nobody_looks_for_is_noted_on_a_machine_with_services() -> None:
    (found,) = remarks(made(sets(21)), wanted=SHOP)
    assert found.level is Level.NOTE
    assert "sets firewall mark 21, which no IPVS service uses" in found.what
    assert "ip rule" in found.why
    assert remarks(made(sets(21))) == [], "without IPVS, marks are for something else"
    assert remarks(made(sets(0)), wanted=SHOP) == [], "0 takes a mark away"


@pytest.mark.parametrize(
    "asking",
    [
        match(MARK, 21),
        match(MARK, {"set": [20, 21]}),
        match({"&": [MARK, 255]}, 21),
        match({"concat": [MARK, DPORT]}, {"concat": [21, 80]}),
        {"vmap": {"key": MARK, "data": {"set": [[21, ACCEPT]]}}},
    ],
)
def test_a_mark_that_another_rule_asks_for_has_its_use(asking: dict[str, Any]) -> None:
    assert remarks(made(sets(21)), made(asking, ACCEPT), wanted=SHOP) == []


def test_iptables_marks_are_taken_from_the_listing_in_nfts_language() -> None:
    things = [made(match(DPORT, 80), TARGET, table="mangle"), made(ACCEPT), {"table": {"name": "mangle"}}]
    assert hides_marks(things)
    assert not hides_marks(things[1:])
    line = "\t\tip daddr 10.0.0.100 tcp dport 80 counter meta mark set {} # handle 11\n"
    for written, fwmarks in (("0x50", {80}), ('7 comment "shop"', {7})):
        (setting,) = marks_of(with_marks(things[:1], line.format(written))).settings
        assert setting.fwmarks == fwmarks
    assert marks_of(with_marks(things[:1], line.format("mark or 0x8"))).settings == ()
    (setting,) = marks_of(with_marks(things[:1], "something else # handle 11\n")).settings
    assert setting.fwmarks is None
    assert with_marks(things, "") == things
