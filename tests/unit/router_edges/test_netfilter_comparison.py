"""How a change of the table is told to whoever reviews it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from lvs.config.check import load
from lvs.config.model import LvsConfig
from lvs.router import plan
from lvs.router.netfilter import comparison
from lvs.router.state import Guard, Netfilter, Role

BEFORE = load(
    "serial_no = 1\nprimary = 192.0.2.1\nservice = lvs\nnetwork = nat\nnat_router = 10.0.0.254 eth1:1\n"
    "virtual shop {\n active = 1\n address = 192.0.2.80 eth0:1\n port = 80\n fwmark = 7\n ports = 443\n"
    " server web1 {\n  address = 10.0.0.11\n  active = 1\n }\n"
    " server web2 {\n  address = 10.0.0.12\n  active = 1\n }\n}\n"
)
GUARD = Guard(3636, (ip_network("10.1.0.0/16"), ip_network("10.7.0.0/16")))
NOBODY = LvsConfig()


def rules_of(config: LvsConfig, guard: Guard | None = None) -> Netfilter:
    found = plan.wanted(config, Role.ACTIVE, {}, guard=guard).netfilter
    assert found is not None
    return found


def words(*given: object) -> tuple[str, ...]:
    told, more = comparison.words(*given)  # type: ignore[arg-type]
    assert more == 0
    return told


def test_a_first_table_names_every_mark_and_real_server_by_what_it_is_for() -> None:
    assert words(None, rules_of(BEFORE), NOBODY, BEFORE) == (
        "set firewall mark 7 for tcp 192.0.2.80:80 (shop)",
        "set firewall mark 7 for tcp 192.0.2.80:443 (shop)",
        "masquerade what web1 of shop (10.0.0.11) asks of the outside",
        "masquerade what web2 of shop (10.0.0.12) asks of the outside",
    )


def test_what_goes_is_named_by_the_configuration_that_had_it_and_waits_for_what_drains() -> None:
    (shop,) = BEFORE.virtual_servers
    after = replace(BEFORE, virtual_servers=(replace(shop, ports=(), real_servers=shop.real_servers[:1]),))
    told = words(rules_of(BEFORE), rules_of(after), BEFORE, after, {ip_address("10.0.0.12")})
    assert told == (
        "no longer set firewall mark 7 for tcp 192.0.2.80:443 (shop)",
        "no longer masquerade what web2 of shop (10.0.0.12) asks of the outside, once it has drained",
    )
    assert words(rules_of(BEFORE), None, BEFORE, NOBODY)[-1] == (
        "no longer masquerade what web2 of shop (10.0.0.12) asks of the outside"
    )


def test_who_may_reach_the_panel_and_what_was_changed_by_hand_is_told_apart() -> None:
    old = replace(rules_of(BEFORE, GUARD), drift=("the chain x is not pulse's",))
    new = rules_of(BEFORE, Guard(3636, (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))))
    assert words(old, new, BEFORE, BEFORE) == (
        "keep 10.7.0.0/16 from port 3636 of the panel",
        "let fd00::/8 reach port 3636 of the panel",
        "undo what was changed by hand: the chain x is not pulse's",
    )
    moved = rules_of(BEFORE, Guard(80, GUARD.networks))
    assert words(old, moved, BEFORE, BEFORE)[:3] == (
        "no longer guard port 3636 of the panel",
        "guard port 80 of the panel: only this machine gets through, and who is let in",
        "let 10.1.0.0/16 reach port 80 of the panel",
    )
    assert words(Netfilter(guard=GUARD), None, NOBODY, NOBODY) == ("no longer guard port 3636 of the panel",)


def test_the_lines_that_differ_are_those_of_the_rules_and_not_of_their_neighbours() -> None:
    (shop,) = BEFORE.virtual_servers
    after = replace(BEFORE, virtual_servers=(replace(shop, ports=()),))
    lines = comparison.changed_lines(rules_of(BEFORE), rules_of(after))
    changed = [line for kind, line in lines if kind in ("add", "remove")]
    assert changed == ["-\t\t\t192.0.2.80 . tcp . 443 : 7"]
    assert {kind for kind, _ in comparison.changed_lines(None, rules_of(BEFORE))} == {"place", "add"}


def test_marks_alone_touch_no_connection_and_a_real_server_less_may() -> None:
    (shop,) = BEFORE.virtual_servers
    fewer = replace(BEFORE, virtual_servers=(replace(shop, real_servers=shop.real_servers[:1]),))
    marked = replace(BEFORE, virtual_servers=(replace(shop, fwmark=9),))
    assert comparison.only_adds(rules_of(BEFORE), rules_of(marked))
    assert comparison.only_adds(rules_of(fewer), rules_of(BEFORE))
    assert not comparison.only_adds(rules_of(BEFORE), rules_of(fewer))
    assert not comparison.only_adds(rules_of(BEFORE), rules_of(BEFORE, GUARD))


def test_of_very_many_rules_the_first_are_told_and_the_others_counted() -> None:
    many = Netfilter(masquerade=tuple(ip_address(0x0A000000 + number) for number in range(3000)))
    told, more = comparison.words(None, many, NOBODY, NOBODY)
    assert (len(told), more) == (comparison.MOST, 3000 - comparison.MOST)
