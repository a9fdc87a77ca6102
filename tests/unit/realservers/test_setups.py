from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Protocol,
    RealServer,
    VirtualServer,
)
from lvs.realservers import Setup, setups
from lvs.realservers.setup import plain

GATEWAY = FloatingAddress(address=ip_address("10.11.12.10"), device="eth1:1")
GATEWAY6 = FloatingAddress(address=ip_address("fd00:11:12::10"), device="eth1")
NETWORK = GlobalSettings(nat_router=GATEWAY, nat_mask=24, nat_router6=GATEWAY6)


def real(address: str | None = "10.11.12.1", name: str = "web1", **more: object) -> RealServer:
    return RealServer(name=name, address=ip_address(address) if address else None, **more)


def virtual(
    address: str | None, forwarding: Forwarding | None, *reals: RealServer, name: str = "shop", **more: object
) -> VirtualServer:
    floating = FloatingAddress(address=ip_address(address), device="eth0:1") if address else None
    service = VirtualServer(name=name, address=floating, forwarding=forwarding, real_servers=reals)
    return replace(service, **more)


def found(*services: VirtualServer, server: RealServer, **more: object) -> dict[str, Setup]:
    config = LvsConfig(global_settings=replace(NETWORK, **more), virtual_servers=services)
    return {one.way: one for one in setups(config, None, server)}


NAT_WAYS = ["nat", "nat-networkd", "nat-netplan", "nat-ifupdown", "nat-networkmanager", "nat-answers"]
DIRECT_WAYS = [
    "direct",
    "direct-networkd",
    "direct-netplan",
    "direct-ifupdown",
    "direct-networkmanager",
    "direct-arp-filter",
    "direct-redirect",
    "direct-windows",
]


@pytest.mark.parametrize(
    ("forwarding", "virtual_address", "address", "ways"),
    [
        (Forwarding.NAT, "192.0.2.10", "10.11.12.1", NAT_WAYS),
        (Forwarding.NAT, "2001:db8::10", "fd00:11:12::1", [f"{one}6" for one in NAT_WAYS]),
        (Forwarding.DIRECT, "192.0.2.10", "192.0.2.11", DIRECT_WAYS),
        (
            Forwarding.DIRECT,
            "2001:db8::10",
            "2001:db8::11",
            [f"{one}6" for one in DIRECT_WAYS if one != "direct-arp-filter"],
        ),
        (Forwarding.TUNNEL, "192.0.2.10", "198.51.100.1", ["tunnel"]),
        (Forwarding.TUNNEL, "192.0.2.10", "2001:db8::11", ["tunnel6"]),
        (None, "192.0.2.10", "10.11.12.1", NAT_WAYS),
    ],
)
def test_a_real_server_has_these_ways(
    forwarding: Forwarding | None, virtual_address: str, address: str, ways: list[str]
) -> None:
    server = real(address)
    given_ways = found(virtual(virtual_address, forwarding, server), server=server)
    assert list(given_ways) == ways
    assert {one.forwarding for one in given_ways.values()} == {forwarding or Forwarding.NAT}


def test_every_virtual_server_with_the_machines_address_counts_whatever_the_real_server_is_called_there() -> (
    None
):
    here, there = real("192.0.2.11", name="a"), real("192.0.2.11", name="b")
    services = (
        virtual("192.0.2.20", Forwarding.DIRECT, here),
        virtual("192.0.2.21", Forwarding.DIRECT, real("192.0.2.12"), there, name="mail"),
        virtual("192.0.2.22", Forwarding.DIRECT, real("192.0.2.12"), name="other"),
        virtual("192.0.2.20", Forwarding.DIRECT, here, name="again", port=443),
    )
    assert "ADDRESSES='192.0.2.20 192.0.2.21'\n" in found(*services, server=here)["direct"].script


def test_one_virtual_server_can_be_asked_for_alone() -> None:
    server = real("192.0.2.11")
    first, second = virtual("192.0.2.20", Forwarding.DIRECT, server), virtual("192.0.2.21", None, server)
    config = LvsConfig(virtual_servers=(first, second))
    (one,) = [each for each in setups(config, first, server) if each.way == "direct"]
    assert "ADDRESSES=192.0.2.20\n" in one.script


@pytest.mark.parametrize("address", [None, "0.0.0.0"])
def test_without_addresses_there_is_nothing_to_set_up(address: str | None) -> None:
    server, nowhere = real("192.0.2.11"), real(None)
    assert found(virtual("192.0.2.20", Forwarding.DIRECT, nowhere), server=nowhere) == {}
    assert found(virtual(address, Forwarding.DIRECT, server), server=server) == {}
    assert found(virtual(address, Forwarding.TUNNEL, server), server=server) == {}


def test_a_cluster_without_a_gateway_says_what_to_set_first() -> None:
    (only,) = found(virtual("192.0.2.20", None, real()), server=real(), nat_router=None).values()
    assert (only.script, only.file_name) == ("", "")
    assert "nat_router is not set" in only.warnings[0]
    six = real("fd00:11:12::1")
    (only,) = found(virtual("2001:db8::1", None, six), server=six, nat_router6=None).values()
    assert "nat_router6 is not set" in only.warnings[0]


def warned(*services: VirtualServer, server: RealServer, way: str) -> str:
    return " ".join(found(*services, server=server)[way].warnings)


def test_what_will_be_in_the_way_of_nat_is_said() -> None:
    far = real("10.99.0.1")
    assert "10.99.0.1 is not in the NAT router's network 10.11.12.0/24" in warned(
        virtual("192.0.2.20", None, far), server=far, way="nat"
    )
    assert "clients there are answered past the router" in warned(
        virtual("10.11.12.20", None, real()), server=real(), way="nat"
    )
    both = (virtual("192.0.2.20", None, real()), virtual("192.0.2.21", Forwarding.TUNNEL, real(), name="t"))
    assert "take the way for the service's answers only" in warned(*both, server=real(), way="nat")
    assert warned(virtual("192.0.2.20", None, real()), server=real(), way="nat") == ""


def test_another_network_than_the_virtual_addresss_is_said_for_direct_routing() -> None:
    near, far = real("192.0.2.11"), real("198.51.100.1")
    service = virtual("192.0.2.20", Forwarding.DIRECT, near, far, address_mask=24)
    assert warned(service, server=near, way="direct") == ""
    assert "one Ethernet segment" in warned(service, server=far, way="direct")


def test_only_the_ports_that_answer_take_the_nat_router() -> None:
    server, moved = real(), real(port=8080)
    services = (
        virtual("192.0.2.20", None, server, ports=(PortRange(443, 443),), fwmark=80),
        virtual("192.0.2.20", None, server, name="ftp", port=21, ports=(PortRange(10000, 20000),), fwmark=21),
        virtual("192.0.2.21", None, moved, name="moved"),
        virtual("192.0.2.22", None, server, name="dns", port=53, protocol=Protocol.UDP),
    )
    script = found(*services, server=server)["nat-answers"].script
    rules = [line.strip() for line in script.splitlines() if line.startswith("    rule from")]
    assert rules == [
        f"rule from 10.11.12.1 ipproto 6 sport {ports}"
        for ports in ("20", "21", "80", "443", "8080", "10000-20000")
    ]
    assert "    rule ipproto 17 sport 53\n" in script


def test_redirect_has_iptables_lines_for_each_port_and_range() -> None:
    server = real("192.0.2.11")
    service = virtual("192.0.2.20", Forwarding.DIRECT, server, ports=(PortRange(8000, 8010),), fwmark=1)
    text = found(service, server=server)["direct-redirect"].text
    for ports in ("80", "8000:8010"):
        assert f"    iptables -t nat -A PREROUTING -p tcp -d 192.0.2.20 --dport {ports} -j REDIRECT\n" in text


def test_the_arp_filter_drops_by_destination_and_changes_by_source() -> None:
    server = real("192.0.2.11")
    text = found(virtual("192.0.2.20", Forwarding.DIRECT, server), server=server)["direct-arp-filter"].text
    assert "    arptables -A INPUT -d 192.0.2.20 -j DROP\n" in text
    assert "    arptables -A OUTPUT -s 192.0.2.20 -j mangle --mangle-ip-s 192.0.2.11\n" in text


@pytest.mark.parametrize(
    ("address", "virtual_address", "device", "size"),
    [
        ("198.51.100.1", "192.0.2.20", "tunl0", 1440),
        ("198.51.100.1", "2001:db8::20", "sit0", 1420),
        ("2001:db8::1", "192.0.2.20", "piranha-ip6", 1420),
        ("2001:db8::1", "2001:db8::20", "piranha-ip6", 1400),
    ],
)
def test_a_tunnel_has_its_device_and_its_size(
    address: str, virtual_address: str, device: str, size: int
) -> None:
    server = real(address)
    (way,) = found(virtual(virtual_address, Forwarding.TUNNEL, server), server=server).values()
    assert f"dev {device}\n" in way.text
    assert f"maxseg size set {size}'" in way.text


FTP = {"port": 21, "ports": (PortRange(10000, 20000),), "fwmark": 21, "persistence": 300}


def test_vsftpd_names_the_virtual_address_with_nat_only() -> None:
    server, near = real(), real("192.0.2.11")
    nat = found(virtual("192.0.2.20", None, server, **FTP), server=server)["ftp-nat"]
    direct = found(virtual("192.0.2.20", Forwarding.DIRECT, near, **FTP), server=near)["ftp-direct"]
    lines = "    pasv_enable=YES\n    pasv_min_port=10000\n    pasv_max_port=20000\n"
    assert lines in nat.text
    assert lines in direct.text
    assert "    pasv_address=192.0.2.20\n" in nat.text
    assert "    pasv_address" not in direct.text
    assert "listen_ipv6=NO" in nat.script, "vsftpd names 0,0,0,0 otherwise"
    assert "listen_ipv6" not in direct.script
    assert (nat.warnings, direct.warnings) == ((), ())


def test_vsftpd_names_no_address_where_the_routers_kernel_puts_the_virtual_one_in() -> None:
    server = real()
    plain = virtual("192.0.2.20", None, server, name="ftp", port=21)
    way = found(plain, server=server)["ftp-nat"]
    assert "    pasv_enable=YES\n    port_enable=YES\n" in way.text
    assert "take out any other line with pasv_address" in way.text
    assert way.warnings == ()
    marked = virtual("192.0.2.21", None, server, name="marked", **FTP)
    both = found(plain, marked, server=server)["ftp-nat"]
    assert "    pasv_min_port=10000\n" in both.text
    assert "    pasv_address" not in both.text


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"ports": ()}, "has no ports for passive mode"),
        ({"ports": (PortRange(20, 20),)}, "has no ports for passive mode"),
        ({"persistence": 0}, "has no persistence"),
    ],
)
def test_what_keeps_ftp_from_working_is_said(change: dict[str, object], warning: str) -> None:
    service = virtual("192.0.2.20", None, real(), **(FTP | change))
    assert warning in warned(service, server=real(), way="ftp-nat")


def test_ftp_by_direct_routing_needs_persistence_with_or_without_a_mark() -> None:
    near = real("192.0.2.11")
    for settings_of_it in ({"port": 21}, FTP | {"persistence": 0}):
        service = virtual("192.0.2.20", Forwarding.DIRECT, near, **settings_of_it)
        assert "has no persistence" in warned(service, server=near, way="ftp-direct")
    lasting = virtual("192.0.2.20", Forwarding.DIRECT, near, port=21, persistence=300)
    assert found(lasting, server=near)["ftp-direct"].warnings == ()


def test_without_port_21_there_is_nothing_about_ftp() -> None:
    assert not [way for way in found(virtual("192.0.2.20", None, real()), server=real()) if "ftp" in way]


ODD = st.text(max_size=40) | st.sampled_from(
    [
        "\n reboot",
        "'; reboot; '",
        "$(reboot)",
        "`reboot`",
        "END",
        "a\\",
        "../../etc/passwd",
        "-rf",
        "\u2028x",
        "",
    ]
)


@settings(max_examples=25, deadline=None)
@given(ODD, ODD)
def test_no_name_breaks_out_of_a_comment(server_name: str, service_name: str) -> None:
    usual = every("web1", "shop")
    for one, other in zip(every(server_name, service_name), usual, strict=True):
        assert code(one.script) == code(other.script)
        assert one.script.count("\n") == other.script.count("\n")
        assert set(one.file_name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert not one.file_name.startswith((".", "-"))


def every(server_name: str, service_name: str) -> list[Setup]:
    """Each way for machines and virtual servers with these names."""
    made: list[Setup] = []
    for forwarding, addresses in (
        (Forwarding.NAT, ("10.11.12.1", "fd00:11:12::1")),
        (Forwarding.DIRECT, ("192.0.2.11", "2001:db8::11")),
        (Forwarding.TUNNEL, ("198.51.100.1", "2001:db8::12")),
    ):
        for address in addresses:
            server = real(address, name=server_name)
            front = "2001:db8::20" if ":" in address else "192.0.2.20"
            made += found(
                virtual(front, forwarding, server, name=service_name, **FTP), server=server
            ).values()
    return made


def code(script: str) -> list[str]:
    """What a shell would carry out: the lines that are no comments."""
    return [line for line in script.split("\n") if not line.startswith("#")]


@pytest.mark.parametrize("shell", [["sh"], ["bash", "--posix"]], ids=["sh", "bash"])
def test_every_script_can_be_read_by_a_shell(shell: list[str]) -> None:
    for one in every("web1", "shop"):
        done = subprocess.run([*shell, "-n"], input=one.script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, ""), one.way


def test_every_script_says_what_it_is_and_every_way_whom_it_suits() -> None:
    for one in every("web1", "shop"):
        assert one.title
        assert one.when.endswith(".")
        assert "@" not in one.script.replace('"$@"', "").replace("[^ @]", ""), one.way
        if one.script:
            assert one.script.startswith("#!/bin/sh\n# Piranha Web: ")
            assert "\nset -eu\n" in one.script
            assert one.file_name.endswith(f"-{one.way}.sh")
            assert all(len(line) <= 130 for line in one.script.splitlines())


def test_a_name_stays_on_one_line_and_joins_no_other() -> None:
    assert plain("web\n1\\") == "web?1?"
    assert plain("Größe 1") == "Größe 1"


def test_the_text_of_the_usual_way_reads_so() -> None:
    server = real("192.0.2.11")
    way = found(virtual("192.0.2.20", Forwarding.DIRECT, server), server=server)["direct"]
    assert way.text == (
        "The router sends clients' packets on as they are, so the machine must take what comes for the "
        "virtual address, and answers the client by itself. It must never say in ARP that the address is its "
        "own, or clients come to it past the router.\n\n"
        "Silence first, then the address:\n\n"
        "    sysctl -w net.ipv4.conf.all.arp_ignore=1\n"
        "    sysctl -w net.ipv4.conf.all.arp_announce=2\n"
        "    ip address add 192.0.2.20/32 dev lo\n"
    )
    assert (way.file_name, way.files, way.forwarding) == ("web1-direct.sh", (), Forwarding.DIRECT)
