"""What is said of a real server, by what answered and what did not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from lvs.config.model import Forwarding, Protocol
from lvs.router.examination.found import Found
from lvs.router.examination.judgement import full_size, judged
from lvs.router.examination.packets import Kind
from lvs.router.examination.subject import Neighbours, Port
from lvs.router.examination.trials import Name, full
from lvs.router.seen import About, Level, Remark
from tests.unit.router.examination.parts import (
    DIRECT,
    DNS,
    GATEWAY,
    NAT,
    PEER_MAC,
    REAL_MAC,
    STRANGE_MAC,
    TUNNEL,
    Said,
    found,
    place,
    subject,
)

OK, RST, ECHO = Kind.SYN_ACK, Kind.RESET, Kind.ECHO
GOOD: dict[Forwarding, dict[Name, Said]] = {
    NAT: {Name.SERVICE: OK, Name.FOREIGN: OK, Name.OUTSIDE: OK, Name.ECHO: ECHO},
    DIRECT: {
        Name.SERVICE: OK,
        Name.FOREIGN: OK,
        Name.ECHO: ECHO,
        Name.ECHO_VIRTUAL: ECHO,
        Name.OWN: OK,
    },
    TUNNEL: {Name.SERVICE: OK, Name.PLAIN: OK, Name.ECHO: ECHO, Name.ECHO_VIRTUAL: ECHO, Name.OWN: OK},
}


def remarks(brought: Found) -> list[Remark]:
    said = list(judged(brought).remarks)
    assert all(one.about is About.REAL_SERVER and one.what and one.why and one.remedy for one in said)
    return said


def only(brought: Found) -> Remark:
    (said,) = remarks(brought)
    return said


def but(method: Forwarding, **changed: Said | None) -> dict[Name, Said]:
    """As a good one, but for these; None: silence."""
    said = dict(GOOD[method])
    for name, what in changed.items():
        said.pop(Name[name], None)
        if what is not None:
            said[Name[name]] = what
    return said


@pytest.mark.parametrize("method", [NAT, DIRECT, TUNNEL])
def test_nothing_is_said_of_a_good_one_and_all_that_was_tried_is_good(method: Forwarding) -> None:
    said = judged(found(method, GOOD[method]))
    assert said.remarks == ()
    assert {one.good for one in said.tried} == {True}


@pytest.mark.parametrize("method", [NAT, DIRECT, TUNNEL])
def test_of_a_machine_that_is_not_there_nothing_else_is_said(method: Forwarding) -> None:
    nobody = Neighbours(asked=ip_address("10.0.0.1"))
    said = only(replace(found(method, {}, neighbours=nobody), trials=()))
    assert said.level is Level.ERROR
    assert "does not answer at all" in said.what


def test_of_a_machine_behind_a_gateway_silence_everywhere_is_one_fault() -> None:
    said = only(found(NAT, {}, where=place(NAT, gateway=GATEWAY)))
    assert "neither to a ping nor at tcp 80" in said.what


def test_a_gateway_that_is_not_there_is_said_of_the_gateway() -> None:
    nobody = Neighbours(asked=GATEWAY)
    assert (
        "The gateway 10.0.0.254"
        in only(found(NAT, {}, where=place(NAT, gateway=GATEWAY), neighbours=nobody)).what
    )


@pytest.mark.parametrize("method", [NAT, DIRECT, TUNNEL])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (RST, "Nothing listens on tcp 80"),
        (Kind.FORBIDDEN, "A firewall refuses tcp 80"),
        (Kind.NO_PORT, "A firewall refuses tcp 80"),
    ],
)
def test_what_refuses_the_port_is_told(method: Forwarding, answer: Kind, words: str) -> None:
    found_ = found(method, but(method, SERVICE=answer))
    assert next(one.what for one in remarks(found_) if one.level is Level.ERROR).startswith(words)


def test_a_service_on_its_own_address_alone_is_told_so() -> None:
    said = only(found(DIRECT, but(DIRECT, SERVICE=RST)))
    assert "At its own address 10.0.0.1 something does listen." in said.what


def test_a_port_that_is_dropped_is_a_firewalls_work_where_the_machine_has_the_address() -> None:
    for method in (NAT, DIRECT):
        assert (
            "something drops"
            in only(found(method, but(method, SERVICE=None, FOREIGN=None, OUTSIDE=None))).what
        )


def test_a_missing_virtual_address_is_told_by_the_answer_at_the_machines_own() -> None:
    said = only(found(DIRECT, {Name.OWN: OK, Name.ECHO: ECHO}))
    assert said.what == "web1 does not take packets for the virtual address 192.168.1.80."
    assert "firewall" not in said.remedy
    assert "way direct" in said.remedy
    assert "firewall" in only(found(DIRECT, {Name.ECHO: ECHO})).remedy


def test_a_packet_that_is_sent_on_proves_that_the_address_is_missing() -> None:
    assert "does not take packets" in only(found(DIRECT, {Name.SERVICE: Kind.EXPIRED, Name.OWN: OK})).what


# ---- ARP


def test_the_real_servers_own_mac_at_the_virtual_address_is_an_error_with_its_remedy() -> None:
    said = only(found(DIRECT, GOOD[DIRECT], neighbours=claiming(REAL_MAC)))
    assert said.level is Level.ERROR
    assert "says in ARP that the virtual address 192.168.1.80 is its own" in said.what
    assert "arp_ignore" in said.remedy
    assert "arp_announce" in said.remedy
    assert REAL_MAC.hex(":") in said.evidence


def test_the_other_router_may_have_the_virtual_address_and_a_stranger_may_not() -> None:
    assert remarks(found(DIRECT, GOOD[DIRECT], neighbours=claiming(PEER_MAC))) == []
    said = only(found(DIRECT, GOOD[DIRECT], neighbours=claiming(STRANGE_MAC)))
    assert said.level is Level.WARNING
    assert "neither of the routers" in said.what
    named = replace(claiming(STRANGE_MAC), names={STRANGE_MAC: "web2"})
    assert "The real server web2" in only(found(DIRECT, GOOD[DIRECT], neighbours=named)).what


def claiming(mac: bytes) -> Neighbours:
    return Neighbours(
        asked=ip_address("10.0.0.1"), hop=(REAL_MAC,), virtual=(mac,), peers=frozenset({PEER_MAC})
    )


def test_two_machines_with_one_address_are_a_warning() -> None:
    two = Neighbours(asked=ip_address("10.0.0.1"), hop=(REAL_MAC, STRANGE_MAC))
    assert "Two machines" in only(found(NAT, GOOD[NAT], neighbours=two)).what


# ---- NAT


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"FOREIGN": None, "OUTSIDE": None}, "clients in other networks does not come to this router"),
        (
            {"FOREIGN": (OK, "eth0", STRANGE_MAC), "OUTSIDE": None},
            "comes on eth0 from 02:00:00:00:00:04, not through 10.0.0.10",
        ),
        ({"FOREIGN": (OK, "eth1", STRANGE_MAC), "OUTSIDE": None}, "comes on eth1 from 02:00:00:00:00:04"),
        ({"OUTSIDE": None}, "clients elsewhere does not come to this router"),
    ],
)
def test_an_answer_that_takes_another_way_names_the_gateway(answers: dict[str, Any], words: str) -> None:
    said = only(found(NAT, but(NAT, **answers)))
    assert said.level is Level.ERROR
    assert words in said.what
    assert "Make 10.0.0.10 its default gateway: ip route replace default via 10.0.0.10." in said.remedy
    assert "way nat" in said.remedy


@pytest.mark.parametrize("answer", [None, (OK, "eth0", STRANGE_MAC)])
def test_a_network_of_its_own_beside_the_right_gateway_is_a_warning(answer: Said | None) -> None:
    said = only(found(NAT, but(NAT, FOREIGN=answer)))
    assert said.level is Level.WARNING
    assert "to clients in the network of 192.168.1.9; to clients elsewhere it does." in said.what
    assert "way nat-answers" in said.remedy


def test_where_no_gateway_is_chosen_that_comes_first() -> None:
    said = only(found(NAT, but(NAT, FOREIGN=None, OUTSIDE=None), about=subject(NAT, gateway=None)))
    assert "Choose the real servers' gateway in lvs.cf (nat_router)" in said.remedy


def test_a_refusal_comes_back_as_an_answer_does() -> None:
    every = dict.fromkeys((Name.SERVICE, Name.FOREIGN, Name.OUTSIDE), RST)
    assert "Nothing listens" in only(found(NAT, every)).what


def test_the_standby_believes_what_the_active_router_passes_on_and_says_what_it_cannot_tell() -> None:
    about, where = subject(NAT, active=False), place(NAT, outside=None)
    near = replace(claiming(PEER_MAC), virtual=())
    through = but(NAT, FOREIGN=(OK, "eth0", PEER_MAC))
    assert remarks(found(NAT, through, about=about, where=where, neighbours=near)) == []
    past = but(NAT, FOREIGN=(OK, "eth0", STRANGE_MAC))
    assert "wrong gateway" in only(found(NAT, past, about=about, where=where, neighbours=near)).what
    nothing = only(found(NAT, but(NAT, FOREIGN=None), about=about, where=where, neighbours=near))
    assert nothing.level is Level.NOTE
    assert "Check this real server on the active router." in nothing.remedy
    alone = replace(where, foreign=None)
    assert "cannot be told" in only(found(NAT, GOOD[NAT], about=about, where=alone, neighbours=near)).what


# ---- direct routing


def test_silence_towards_another_network_leaves_two_causes_and_both_are_said() -> None:
    said = only(found(DIRECT, but(DIRECT, FOREIGN=None)))
    assert said.level is Level.NOTE
    assert "rp_filter" in said.why
    assert "ip route get 192.168.1.9 from 192.168.1.80" in said.remedy


def test_an_answer_that_comes_to_the_router_is_lost_there() -> None:
    assert "which drops that" in only(found(DIRECT, GOOD[DIRECT] | {Name.OUTSIDE: OK})).what


# ---- tunnels


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Kind.NO_PROTOCOL, "its kernel does not know IP protocol 4"),
        (Kind.NO_PORT, "no tunnel device that is up"),
        (Kind.FORBIDDEN, "A firewall refuses the tunnel"),
    ],
)
def test_a_refusal_of_the_outer_packet_is_about_the_tunnel(answer: Kind, words: str) -> None:
    said = only(found(TUNNEL, but(TUNNEL, SERVICE=answer), outer=True))
    assert words in said.what
    assert "way tunnel" in said.remedy or "IP protocol" in said.remedy


def test_silence_in_the_tunnel_and_an_answer_without_is_the_reverse_path_filter_of_its_device() -> None:
    said = only(found(TUNNEL, but(TUNNEL, SERVICE=None)))
    assert "rp_filter) on tunl0 is strict" in said.what
    assert "sysctl -w net.ipv4.conf.tunl0.rp_filter=2" in said.remedy


def test_over_ipv6_there_is_no_such_filter() -> None:
    about = subject(TUNNEL, virtual=ip_address("fd00::80"))
    where = place(TUNNEL, source=ip_address("fd00::9"), outside=None)
    said = only(found(TUNNEL, but(TUNNEL, SERVICE=None), about=about, where=where))
    assert "rp_filter" not in said.what
    assert "sit0" in said.what


def test_silence_with_and_without_the_tunnel_is_a_missing_address() -> None:
    assert "does not take packets" in only(found(TUNNEL, {Name.OWN: OK, Name.ECHO: ECHO})).what


def test_behind_a_gateway_the_causes_of_silence_are_said_in_the_order_of_looking() -> None:
    where = place(TUNNEL, gateway=GATEWAY)
    said = only(found(TUNNEL, {Name.OWN: OK, Name.ECHO: ECHO}, where=where))
    assert "does not answer to what is sent through the tunnel" in said.what
    assert "tunl0" in said.remedy
    assert "rp_filter" in said.remedy


def test_segments_too_big_for_the_link_are_a_warning_with_the_size_that_fits() -> None:
    brought = found(TUNNEL, GOOD[TUNNEL], segment=1460)
    assert full_size(brought) == 1520
    said = only(brought)
    assert said.level is Level.WARNING
    assert "MSS 1440" in said.remedy


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (Kind.ECHO, None, ""),
        (None, Level.ERROR, "packets of 1420 bytes vanish"),
        (Kind.TOO_BIG, Level.WARNING, "1420 bytes are too many"),
    ],
)
def test_full_packets_are_tried_on_the_way(answer: Kind | None, level: Level | None, words: str) -> None:
    brought = found(TUNNEL, GOOD[TUNNEL], segment=1360)
    size = full_size(brought)
    assert size == 1420
    big = full(brought.subject, brought.place, size, 77)
    assert big is not None
    assert len(big.packet) == 1420
    heard = dict(brought.heard)
    if answer is not None:
        echo = next(one for trial, one in heard.items() if trial.name is Name.ECHO)
        heard[big] = replace(echo, answer=replace(echo.answer, kind=answer))
    said = remarks(replace(brought, trials=(*brought.trials, big), heard=heard))
    assert [one.level for one in said] == ([level] if level else [])
    assert all(words in one.what for one in said)


# ---- UDP, SCTP, further ports


@pytest.mark.parametrize("method", [NAT, DIRECT, TUNNEL])
def test_silence_of_a_datagram_service_is_no_fault(method: Forwarding) -> None:
    said = {Name.ECHO: ECHO, Name.ECHO_VIRTUAL: ECHO}
    brought = found(method, said, about=subject(method, ports=(DNS,)))
    assert Level.ERROR not in {one.level for one in remarks(brought)}
    (service,) = (
        one for one in judged(brought).tried if one.what.startswith("udp 53") and "own link" in one.what
    )
    assert service.good is None


def test_a_datagram_service_that_answers_shows_the_way_back_too() -> None:
    every = dict.fromkeys((Name.SERVICE, Name.FOREIGN), Kind.DATAGRAM)
    said = only(found(NAT, every, about=subject(NAT, ports=(DNS,))))
    assert "wrong gateway" in said.what


def test_a_datagram_port_that_is_closed_says_so() -> None:
    said = found(DIRECT, but(DIRECT, SERVICE=Kind.NO_PORT), about=subject(DIRECT, ports=(DNS,)))
    assert "Nothing listens on udp 53" in only(said).what


def test_sctp_is_not_tried_and_that_is_said() -> None:
    sctp = subject(NAT, ports=(Port(Protocol.SCTP, 36412),))
    said = only(found(NAT, {Name.ECHO: ECHO}, about=sctp))
    assert (said.level, "sctp 36412 was not tried" in said.what) == (Level.NOTE, True)


def test_a_router_without_an_address_there_says_that_it_cannot_try() -> None:
    where = place(NAT, source=None, carrier=None, foreign=None, outside=None)
    assert "no IPv4 address of its own on eth1" in only(found(NAT, {}, where=where)).what


def test_each_further_port_that_is_closed_is_named() -> None:
    about = subject(NAT, ports=(Port(Protocol.TCP, 80), Port(Protocol.TCP, 443), DNS))
    said = found(NAT, GOOD[NAT] | {Name.FURTHER: RST}, about=about)
    assert next("tcp 443" in one.what for one in remarks(said))
    silent = only(found(NAT, GOOD[NAT], about=about))
    assert "does not answer at tcp 443" in silent.what
