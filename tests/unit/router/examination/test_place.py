"""From where a real server is tried, and with what."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from lvs.config.model import Forwarding
from lvs.router.examination.place import placed
from lvs.router.examination.subject import Place, Subject
from lvs.router.examination.trials import Name
from lvs.router.seen import Way
from lvs.router.state import InterfaceAddress
from tests.unit.router.examination.parts import DIRECT, GATEWAY, NAT, ROUTER_MAC, TUNNEL, place, sent, subject

ON_LINK = Way("eth1")


def address(text: str, interface: str, prefix: int = 24) -> InterfaceAddress:
    return InterfaceAddress(ip_address(text), prefix, interface)


HERE = (
    address("127.0.0.1", "lo", 8),
    address("::1", "lo", 128),
    address("192.168.1.9", "eth0"),
    address("192.168.1.80", "eth0"),
    address("172.16.0.9", "dmz"),
    address("10.0.0.10", "eth1"),
    address("10.0.0.9", "eth1"),
    address("fe80::9", "eth1", 64),
    address("fd00::9", "eth1", 64),
)
FLOATING = frozenset({ip_address("192.168.1.80"), ip_address("10.0.0.10")})


def at(about: Subject, way: Way = ON_LINK, here: tuple[InterfaceAddress, ...] = HERE) -> Place:
    return placed(replace(about, floating=FLOATING), way, ROUTER_MAC, 1500, here)


def test_the_trials_come_from_addresses_that_do_not_move() -> None:
    found = at(subject(NAT))
    assert (found.source, found.carrier) == (ip_address("10.0.0.9"), ip_address("10.0.0.9"))
    assert found.foreign == ip_address("192.168.1.9")  # in the virtual address' network, before any other
    assert found.outside == ip_address("192.0.2.1")


def test_without_an_address_beside_the_floating_one_there_is_no_source() -> None:
    here = tuple(each for each in HERE if str(each.address) != "10.0.0.9")
    assert at(subject(NAT), here=here).source is None


def test_the_address_in_the_network_of_the_real_server_or_its_gateway_comes_first() -> None:
    here = (address("10.5.0.9", "eth1"), *HERE)
    assert at(subject(NAT), here=here).source == ip_address("10.0.0.9")
    assert at(subject(NAT), Way("eth1", ip_address("10.5.0.1")), here).source == ip_address("10.5.0.9")


def test_of_ipv6_the_link_local_address_is_the_last_resort() -> None:
    about = subject(NAT, address=ip_address("fd00::1"), virtual=ip_address("fd01::80"))
    assert at(about).source == ip_address("fd00::9")
    assert at(about, here=HERE[:-1]).source == ip_address("fe80::9")


def test_an_address_in_the_real_servers_own_network_is_not_foreign_to_it() -> None:
    here = (address("10.0.0.7", "eth9"), address("10.0.0.9", "eth1"))
    assert at(subject(NAT), here=here).foreign is None


def test_a_standby_asks_from_nowhere_else_since_the_answer_would_go_to_the_other_router() -> None:
    assert at(subject(NAT, active=False)).outside is None


def test_documentation_addresses_that_are_in_use_here_are_not_nobodys() -> None:
    assert at(subject(NAT), here=(*HERE, address("192.0.2.7", "eth2"))).outside == ip_address("198.51.100.1")


def test_a_tunnel_may_have_its_inner_source_from_another_interface() -> None:
    about = subject(TUNNEL, virtual=ip_address("fd02::80"))
    here = (*(each for each in HERE if each.address.version == 4), address("fd02::9", "eth0", 64))
    found = at(about, Way("eth1", GATEWAY), here)
    assert (found.source, found.carrier) == (ip_address("fd02::9"), ip_address("10.0.0.9"))
    assert found.foreign is None


def names(method: Forwarding, **more: object) -> list[str]:
    return [trial.name for trial in sent(subject(method), place(method, **more))]


def test_each_method_is_tried_on_its_own_way() -> None:
    assert names(NAT) == [Name.SERVICE, Name.FOREIGN, Name.OUTSIDE, Name.ECHO]
    direct = [Name.SERVICE, Name.FOREIGN, Name.OUTSIDE, Name.ECHO, Name.OWN, Name.ECHO_VIRTUAL]
    assert names(DIRECT) == direct
    tunnel = [Name.SERVICE, Name.OUTSIDE, Name.ECHO, Name.OWN, Name.PLAIN, Name.ECHO_VIRTUAL]
    assert names(TUNNEL) == tunnel
    assert names(TUNNEL, gateway=GATEWAY) == [Name.SERVICE, Name.OUTSIDE, Name.ECHO, Name.OWN]


def test_all_flows_differ_but_those_of_the_tunnel_itself() -> None:
    for method in (NAT, DIRECT, TUNNEL):
        flows = [trial.flows[0] for trial in sent(subject(method), place(method))]
        assert len(set(flows)) == len(flows)


def test_what_is_for_the_virtual_address_cannot_go_round_in_circles() -> None:
    for trial in sent(subject(DIRECT), place(DIRECT)):
        hops = trial.packet[8]
        assert hops == (2 if trial.flows[0].destination == ip_address("192.168.1.80") else 64)


def test_every_syn_is_taken_back_by_the_way_that_it_took() -> None:
    for method in (NAT, DIRECT, TUNNEL):
        for trial in sent(subject(method), place(method)):
            if trial.flows[0].protocol == 6:
                assert trial.farewell is not None
                assert trial.farewell[:2] == trial.packet[:2]
                assert (
                    trial.farewell[9:10] + trial.farewell[12:20] == trial.packet[9:10] + trial.packet[12:20]
                )
            else:
                assert trial.farewell is None
