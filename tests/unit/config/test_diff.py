"""Differences in sentences."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from lvs.config.diff import Difference, Verb, differences, text_difference
from lvs.config.model import (
    FloatingAddress,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    PortRange,
    RealServer,
    Scheduler,
    VirtualServer,
)

WEB1 = RealServer(name="web1", address=IPv4Address("10.0.0.11"), active=True)
WEB2 = RealServer(name="web2", address=IPv4Address("10.0.0.12"), active=True, port=8080)
SHOP = VirtualServer(
    name="shop-http",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.0.2.1"), device="eth0:1"),
    real_servers=(WEB1, WEB2),
)
SIX = replace(
    SHOP,
    name="six",
    address=FloatingAddress(address=IPv6Address("2001:db8::1"), device="eth0"),
    real_servers=(),
)
BASE = LvsConfig(virtual_servers=(SHOP,))


def shop(**changes):
    return replace(BASE, virtual_servers=(replace(SHOP, **changes),))


def settings(**changes):
    return replace(BASE, global_settings=replace(GlobalSettings(), **changes))


ROWS = [
    ("a global value", settings(tcp_timeout=900), ["tcp_timeout 0 → 900"]),
    (
        "a global value that was not set",
        settings(primary=IPv4Address("10.0.0.1")),
        ["set primary to 10.0.0.1"],
    ),
    ("the scheduler", shop(scheduler=Scheduler.SH), ["shop-http: scheduler wlc → sh"]),
    ("a mask", shop(address_mask=24), ["shop-http: set vip_nmask to 255.255.255.0"]),
    ("a check", shop(check=HealthCheck(expect="220")), ['shop-http: set expect to "220"']),
    ("activity", shop(active=False), ["deactivate virtual server shop-http"]),
    (
        "a weight",
        shop(real_servers=(replace(WEB1, weight=5), WEB2)),
        ["web1 of shop-http: weight 1 → 5"],
    ),
    (
        "activity of a real server",
        shop(real_servers=(replace(WEB1, active=False), WEB2)),
        ["deactivate real server web1 of shop-http"],
    ),
    (
        "one more real server",
        shop(
            real_servers=(WEB1, WEB2, RealServer(name="web4", address=IPv4Address("10.0.0.14"), active=True))
        ),
        ["add real server web4 10.0.0.14:80 to shop-http, weight 1"],
    ),
    (
        "one real server less",
        shop(real_servers=(WEB1,)),
        ["remove real server web2 10.0.0.12:8080 from shop-http"],
    ),
    (
        "one virtual server more",
        replace(BASE, virtual_servers=(SHOP, SIX)),
        ["add virtual server six tcp [2001:db8::1]:80 on eth0, scheduler wlc, 0 real servers"],
    ),
    (
        "one of several ports more",
        replace(
            BASE,
            virtual_servers=(SHOP, replace(SIX, fwmark=7, ports=(PortRange(443, 443), PortRange(9, 10)))),
        ),
        [
            "add virtual server six tcp [2001:db8::1]:80 on eth0, fwmark 7 with ports 443, 9:10, "
            "scheduler wlc, 0 real servers"
        ],
    ),
    (
        "one virtual server less",
        replace(BASE, virtual_servers=()),
        ["remove virtual server shop-http tcp 192.0.2.1:80 and its 2 real servers"],
    ),
    (
        "another name",
        shop(name="shop"),
        [
            "remove virtual server shop-http tcp 192.0.2.1:80 and its 2 real servers",
            "add virtual server shop tcp 192.0.2.1:80 on eth0:1, scheduler wlc, 2 real servers",
        ],
    ),
    (
        "the order of real servers",
        shop(real_servers=(WEB2, WEB1)),
        ["shop-http: put its real servers in another order"],
    ),
    (
        "a failover service",
        replace(BASE, failover_services=(VirtualServer(name="print", port=631),)),
        ["add failover service print (tcp port 631, no address), scheduler wlc, 0 real servers, inactive"],
    ),
    ("the serial number", settings(serial_no=5), []),
    ("comments", replace(BASE, comments=(("primary", ("# x",)),)), []),
    ("comments of a real server", shop(real_servers=(replace(WEB1, comments=(("", ("# x",)),)), WEB2)), []),
]


@pytest.mark.parametrize(("new", "sentences"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_change_is_said_in_one_sentence(new, sentences):
    assert [str(difference) for difference in differences(BASE, new)] == sentences


def test_the_order_of_virtual_servers_is_a_change_of_its_own():
    one, other = replace(BASE, virtual_servers=(SHOP, SIX)), replace(BASE, virtual_servers=(SIX, SHOP))
    assert [str(difference) for difference in differences(one, other)] == [
        "put the virtual servers in another order"
    ]


def test_a_difference_knows_its_place_and_field():
    new = shop(real_servers=(replace(WEB1, weight=5), WEB2))
    (difference,) = differences(BASE, new)
    place = ("virtual", "shop-http", "server", "web1")
    assert difference == Difference(Verb.CHANGE, place, "weight", "web1 of shop-http: weight 1 → 5")


def test_what_is_taken_away_is_a_removal():
    (difference,) = differences(settings(primary=IPv4Address("10.0.0.1")), BASE)
    assert (difference.verb, str(difference)) == (Verb.REMOVE, "remove primary 10.0.0.1")


def test_a_line_that_begins_with_hyphens_or_pluses_is_part_of_a_texts_difference() -> None:
    assert text_difference("-- old\nkept\n", "kept\n++ new\n") == (
        ("place", "@@ -1,2 +1,2 @@"),
        ("remove", "--- old"),
        ("same", " kept"),
        ("add", "+++ new"),
    )
