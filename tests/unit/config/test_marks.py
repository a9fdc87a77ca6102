"""Free firewall marks, and virtual servers of one mark made one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvs.config.check import check
from lvs.config.marks import MOST, free_mark, free_marks, joined
from lvs.config.model import Forwarding, HealthCheck, PortRange, Protocol, RealServer, Scheduler, Severity
from lvs.config.rules import problems
from lvs.config.writer import write
from tests.unit.config.clusters import MARKED, REAL, SHOP, cluster, ip, on

HTTPS = replace(MARKED, name="shop-https", port=443)
TWO = cluster(MARKED, HTTPS)


def errors(config):
    return [problem.message for problem in problems(config) if problem.severity is Severity.ERROR]


def test_a_free_mark_is_the_wished_one_or_the_next():
    assert free_mark(cluster(SHOP), 80) == 80
    assert free_mark(cluster(MARKED), 80) == 81
    assert free_mark(cluster(MARKED, replace(HTTPS, fwmark=81, active=False)), 80) == 82
    assert free_mark(cluster(replace(MARKED, fwmark=MOST)), MOST) == 1
    assert free_mark(cluster(SHOP), 0) == 1


def test_several_free_marks_are_never_the_same():
    assert list(free_marks(cluster(MARKED), [80, 80, 443, 81])) == [81, 82, 443, 83]


def test_the_rule_names_a_mark_that_is_free():
    found = errors(cluster(MARKED, replace(SHOP, name="other", ports=(PortRange(443, 443),), active=False)))
    assert found == [
        "virtual server other: several ports are gathered by a firewall mark: "
        "write fwmark = 81, which is free"
    ]


def test_the_guides_two_blocks_of_one_mark_become_one_with_both_ports():
    assert errors(TWO)

    found = joined(TWO)

    assert found.refused == ()
    assert found.joined == ("shop-https joins shop: ports 80, 443 by firewall mark 80.",)
    (one,) = found.config.virtual_servers
    assert (one.name, one.port, one.ports, one.fwmark) == ("shop", 80, (PortRange(443, 443),), 80)
    assert one.real_servers == (REAL,)
    assert errors(found.config) == []
    assert check(write(found.config)).config == found.config


def test_a_configuration_without_shared_marks_stays_as_it_is():
    for config in (cluster(SHOP), cluster(MARKED, replace(HTTPS, fwmark=443)), cluster()):
        assert joined(config).config == config
        assert joined(config).joined == joined(config).refused == ()


def test_an_inactive_virtual_server_of_the_mark_is_left_alone():
    config = cluster(MARKED, replace(HTTPS, active=False))
    assert joined(config).config == config


def test_the_two_families_of_one_mark_are_two_services():
    six = replace(
        HTTPS, address=on("2001:db8::1", "eth0"), real_servers=(replace(REAL, address=ip("fd00::1")),)
    )
    assert joined(cluster(MARKED, six)).joined == joined(cluster(MARKED, six)).refused == ()


def test_real_servers_lose_the_port_that_is_their_blocks_and_come_together():
    more = (replace(REAL, port=443), RealServer(name="a", address=ip("10.0.0.2"), active=True, port=443))
    config = cluster(
        replace(MARKED, real_servers=(replace(REAL, port=80),)), replace(HTTPS, real_servers=more)
    )

    found = joined(config)

    (one,) = found.config.virtual_servers
    assert [(real.name, str(real.address), real.port) for real in one.real_servers] == [
        ("a", "10.0.0.1", None),
        ("a-2", "10.0.0.2", None),
    ]
    assert "a-2 was in shop-https only and gets all ports now." in found.joined[0]


def test_what_a_joined_block_said_otherwise_is_named():
    other = replace(
        HTTPS,
        timeout=99,
        check=HealthCheck(send="x"),
        real_servers=(replace(REAL, weight=7),),
        comments=(("virtual", ("# the secure one",)), ("port", ("# TLS",))),
    )
    found = joined(cluster(replace(MARKED, comments=(("virtual", ("# the shop",)),)), other))

    (one,) = found.config.virtual_servers
    assert "shop decides, not shop-https, about: the check, timeout." in found.joined[0]
    assert "a has another weight or state in shop-https: the first counts." in found.joined[0]
    assert one.comments == (("virtual", ("# the shop", "# the secure one", "# TLS")),)


def test_ports_of_other_protocols_and_overlapping_ranges_are_gathered():
    group = (
        replace(MARKED, ports=(PortRange(8000, 8100),)),
        replace(HTTPS, protocol=Protocol.UDP),
        replace(MARKED, name="more", port=8050, ports=(PortRange(8090, 8200), PortRange(80, 80))),
    )
    (one,) = joined(cluster(*group)).config.virtual_servers
    assert one.ports == (PortRange(8000, 8200), PortRange(443, 443, Protocol.UDP))


REFUSED = [
    ("another address", {"address": on("192.0.2.2", "eth0:2")}, "its address is 192.0.2.2, not 192.0.2.1"),
    ("another device", {"address": on("192.0.2.1", "eth1")}, "write the same device in both"),
    ("no address", {"address": None}, "has no address"),
    ("another scheduler", {"scheduler": Scheduler.RR}, "its scheduler is rr, that of shop is wlc"),
    ("another persistence", {"persistence": 300}, "its persistent is 300, that of shop is 0"),
    ("another persistence mask", {"persistence_mask": 24}, "its pmask is 24, that of shop is not set"),
    ("another method", {"forwarding": Forwarding.DIRECT}, "its network is direct, not nat"),
    (
        "another sorry server",
        {"sorry_server": ip("10.0.0.9")},
        "its sorry_server is 10.0.0.9, that of shop is not set",
    ),
    (
        "a translated port",
        {"real_servers": (replace(REAL, port=8443),)},
        "real server a of shop-https gets port 443 as its port 8443",
    ),
]


@pytest.mark.parametrize(("changes", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_joined_stays_and_the_sentence_says_why_and_what_to_do(changes, words):
    config = cluster(MARKED, replace(HTTPS, **changes))

    found = joined(config)

    assert found.config == config
    assert found.joined == ()
    assert len(found.refused) == 1
    assert found.refused[0].startswith(
        "shop-https cannot be joined with shop, whose firewall mark 80 it has:"
    )
    assert words in found.refused[0]


def test_a_refusal_names_a_mark_that_is_free():
    (sentence,) = joined(cluster(MARKED, replace(HTTPS, scheduler=Scheduler.RR))).refused
    assert sentence.endswith(
        "write the same in both, or give it a firewall mark of its own (fwmark = 81 is free)"
    )
