"""What becomes of packets in rules, as nft lists them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from lvs.router.ruleset import Fate, Outcome, Ruleset
from lvs.router.ruleset_matches import Packet, State

VIRTUAL = ip_address("192.0.2.80")
REQUEST = Packet(4, 6, destination=VIRTUAL, destination_port=80, arrives="eth0", is_local=True)
ACCEPT, DROP = {"accept": None}, {"drop": None}


def base(name: str = "input", hook: str = "input", prio: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "chain": {
            "family": "inet",
            "table": "filter",
            "name": name,
            "type": "filter",
            "hook": hook,
            "prio": prio,
        }
        | {"policy": "accept"}
        | more
    }


def rule(*expressions: Any, chain: str = "input", **more: Any) -> dict[str, Any]:
    return {"rule": {"family": "inet", "table": "filter", "chain": chain, "expr": list(expressions)} | more}


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


DPORT = field("tcp", "dport")
SADDR = field("ip", "saddr")
STATE = {"ct": {"key": "state"}}
CLOSED = base(policy="drop")


def fate(
    *things: dict[str, Any], packet: Packet = REQUEST, below: int | None = None
) -> tuple[Fate, bool] | None:
    outcome = Ruleset(things).obstacle("input", packet, below=below)
    return (outcome.end.fate, outcome.sure) if outcome else None


SURELY, MAYBE = (Fate.DROPPED, True), (Fate.DROPPED, False)


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        pytest.param([match(DPORT, 80), ACCEPT], None, id="its port"),
        pytest.param([match(DPORT, 443), ACCEPT], SURELY, id="another port"),
        pytest.param([match(DPORT, 443, "!="), ACCEPT], None, id="not that port"),
        pytest.param([match(DPORT, 443, "<"), ACCEPT], None, id="a lower port"),
        pytest.param([match(DPORT, {"set": [22, {"range": [80, 90]}]}), ACCEPT], None, id="among ports"),
        pytest.param([match(DPORT, "@allowed"), ACCEPT], MAYBE, id="a named set is not listed"),
        pytest.param([match(field("udp", "dport"), 80), ACCEPT], SURELY, id="another protocol"),
        pytest.param([match(field("th", "dport"), 80), ACCEPT], None, id="any transport"),
        pytest.param([match(field("icmp", "type"), 8), ACCEPT], SURELY, id="a part that it has not got"),
        pytest.param([match(field("ip6", "daddr"), "fd00::1", "!="), ACCEPT], SURELY, id="IPv6"),
        pytest.param(
            [match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}), ACCEPT], MAYBE, id="who knows"
        ),
        pytest.param(
            [match(field("ip", "daddr"), {"prefix": {"addr": "192.0.2.0", "len": 24}}), ACCEPT],
            None,
            id="its net",
        ),
        pytest.param(
            [match(field("ip", "daddr"), {"range": ["192.0.2.1", "192.0.2.9"]}), ACCEPT], SURELY, id="outside"
        ),
        pytest.param([match(meta("iifname"), "eth*"), ACCEPT], None, id="interfaces by their beginning"),
        pytest.param([match(meta("iif"), "eth1"), ACCEPT], SURELY, id="another interface"),
        pytest.param([match(meta("l4proto"), {"set": ["tcp", 17]}), ACCEPT], None, id="protocols by name"),
        pytest.param([match(meta("mark"), 5), ACCEPT], MAYBE, id="a mark"),
        pytest.param([match(STATE, [2, 4], "in"), ACCEPT], SURELY, id="established"),
        pytest.param([match(STATE, ["established", "new"], "in"), ACCEPT], None, id="states by name"),
        pytest.param([match({"fib": {"result": "type", "flags": ["daddr"]}}, 2), ACCEPT], None, id="for us"),
        pytest.param([{"limit": {"rate": 5}}, ACCEPT], MAYBE, id="a rate"),
        pytest.param([{"xt": {"type": "match", "name": "recent"}}, ACCEPT], MAYBE, id="a match of iptables"),
        pytest.param(["recent: UPDATE", ACCEPT], MAYBE, id="iptables' as a text"),
        pytest.param([{"counter": {}}, {"log": None}, ACCEPT], None, id="what only counts"),
        pytest.param(
            [
                match({"concat": [field("ip", "daddr"), DPORT]}, {"set": [{"concat": ["192.0.2.80", 80]}]}),
                ACCEPT,
            ],
            None,
            id="address and port together",
        ),
        pytest.param(
            [match({"concat": [SADDR, DPORT]}, {"set": [{"concat": ["10.0.0.1", 443]}]}), ACCEPT],
            SURELY,
            id="one part differs",
        ),
    ],
)
def test_a_rule_that_accepts_opens_a_closed_chain_to_what_it_matches(
    expressions: list[Any], expected: tuple[Fate, bool] | None
) -> None:
    assert fate(CLOSED, rule(*expressions)) == expected


def test_of_an_open_chain_a_rule_that_drops_is_named() -> None:
    ruleset = Ruleset([base(), rule(match(DPORT, 22), DROP), rule(match(DPORT, 80), {"reject": None})])
    outcome = ruleset.obstacle("input", REQUEST)
    assert outcome is not None
    assert (outcome.end.where, outcome.sure) == ("rule 2 in chain input of table inet filter", True)


def test_a_policy_is_named_by_its_chain() -> None:
    outcome = Ruleset([CLOSED]).obstacle("input", REQUEST)
    assert outcome is not None
    assert outcome.end.where == "the policy drop of chain input of table inet filter"


def test_chains_of_one_hook_are_asked_one_after_the_other() -> None:
    accepting = [base("first", prio=-5), rule(ACCEPT, chain="first")]
    assert fate(*accepting, base("second", policy="drop")) == SURELY


def test_chains_behind_the_place_where_ipvs_takes_over_do_not_count() -> None:
    assert fate(base(prio=100, policy="drop"), below=100) is None
    assert fate(base(prio=99, policy="drop"), below=100) == SURELY


def test_jumps_return_and_gotos_do_not() -> None:
    inner = rule(match(DPORT, 22), ACCEPT, chain="inner")
    back = rule({"return": None}, chain="inner")
    after = rule(ACCEPT)
    assert fate(CLOSED, rule({"jump": {"target": "inner"}}), inner, back, after) is None
    assert fate(CLOSED, rule({"goto": {"target": "inner"}}), inner, after) == SURELY


def test_what_a_jump_accepts_is_accepted() -> None:
    assert (
        fate(CLOSED, rule({"jump": {"target": "inner"}}), rule(match(DPORT, 80), ACCEPT, chain="inner"))
        is None
    )


def test_a_jump_that_may_be_taken_leaves_both_ways_open() -> None:
    jump = rule(match(SADDR, "10.0.0.1"), {"jump": {"target": "inner"}})
    assert fate(base(), jump, rule(DROP, chain="inner")) == MAYBE


def test_a_verdict_map_is_followed() -> None:
    data = {"set": [[{"range": [70, 79]}, DROP], [80, ACCEPT], [443, DROP]]}
    assert fate(CLOSED, rule({"vmap": {"key": DPORT, "data": data}})) is None
    assert fate(base(), rule({"vmap": {"key": meta("l4proto"), "data": {"set": [[6, DROP]]}}})) == SURELY
    assert fate(base(), rule({"vmap": {"key": DPORT, "data": "@ports"}})) == MAYBE


@pytest.mark.parametrize(
    ("expression", "sure"),
    [
        pytest.param({"dnat": {"addr": "10.0.0.1", "port": 80}}, True, id="nft"),
        pytest.param({"redirect": {"port": 82}}, True, id="redirect"),
        pytest.param({"xt": {"type": "target", "name": "DNAT"}}, True, id="iptables, by name"),
        pytest.param("# xt_DNAT", True, id="iptables, as a remark"),
        pytest.param("dnat to 172.17.0.2:80", True, id="iptables, translated"),
        pytest.param({"xt": None}, False, id="iptables, nameless"),
    ],
)
def test_what_sends_a_request_elsewhere_is_seen_in_each_form(expression: Any, sure: bool) -> None:
    place = {"family": "ip", "table": "nat"}
    chain = {
        **place,
        "name": "PREROUTING",
        "type": "nat",
        "hook": "prerouting",
        "prio": -100,
        "policy": "accept",
    }
    ruleset = Ruleset([{"chain": chain}, rule(match(DPORT, 80), expression, chain="PREROUTING", **place)])
    outcome = ruleset.obstacle("prerouting", REQUEST)
    assert outcome is not None
    assert (outcome.end.fate, outcome.sure) == (Fate.DIVERTED, sure)


def test_tables_of_another_family_and_chains_of_another_device_are_not_met() -> None:
    assert fate(base(family="ip6", policy="drop")) is None
    ingress = base(hook="ingress", family="netdev", dev="eth1", policy="drop")
    assert Ruleset([ingress]).obstacle("ingress", REQUEST) is None


def test_rules_without_end_are_left_with_a_doubt() -> None:
    outcome: Outcome | None = Ruleset(
        [base(), rule({"jump": {"target": "round"}}), rule({"jump": {"target": "round"}}, chain="round")]
    ).obstacle("input", REQUEST)
    assert outcome is not None
    assert not outcome.sure
    assert "too many rules" in outcome.end.where


def test_answers_of_nat_real_servers_are_not_established() -> None:
    established = rule(match(STATE, [2, 4], "in"), ACCEPT)
    for state, expected in ((State.INVALID, SURELY), (State.NEW, SURELY), (State.ESTABLISHED, None)):
        assert fate(CLOSED, established, packet=Packet(4, 6, state=state)) == expected
