"""The lab carries every way of forwarding, with ipvsadm alone: what fails elsewhere is not its fault."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from ipaddress import ip_address

import pytest

from deploy.lab import network
from deploy.lab.machines import STATE, Lab, LabError
from deploy.lab.namespaces import batch, write_sysctls
from deploy.lab.traffic import Traffic

pytestmark = pytest.mark.kernel

PRIVATE = ("10.11.12.1", "10.11.12.2", "10.11.12.3")
PRIVATE6 = ("fd00:11:12::1", "fd00:11:12::2", "fd00:11:12::3")
PUBLIC = ("192.168.26.11", "192.168.26.12", "192.168.26.13")
PUBLIC6 = ("fd00:26::11", "fd00:26::12", "fd00:26::13")
EACH_TWICE = Counter(s1=2, s2=2, s3=2)

WAYS = [
    pytest.param(network.NAT_VIP, "--masquerading", PRIVATE, id="NAT"),
    pytest.param(network.DIRECT_VIP, "--gatewaying", PUBLIC, id="direct"),
    pytest.param(network.TUNNEL_VIP, "--ipip", PUBLIC, id="tunnel"),
    pytest.param(network.NAT_VIP6, "--masquerading", PRIVATE6, id="NAT over IPv6"),
    pytest.param(network.DIRECT_VIP6, "--gatewaying", PUBLIC6, id="direct over IPv6"),
    pytest.param(network.TUNNEL_VIP6, "--ipip", PUBLIC6, id="tunnel over IPv6"),
]


def bracketed(address: str) -> str:
    return f"[{address}]" if ip_address(address).version == 6 else address


def balance(lab: Lab, vip: str, method: str, reals: tuple[str, ...], *, protocol: str, port: int) -> None:
    """Makes r1 a router for one service, by hand."""
    write_sysctls("r1", {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"})
    # preferred_lft 0: the router must not take a virtual address as the source of its own packets.
    options = "/64 nodad preferred_lft 0" if ":" in vip else "/24"
    places = ((vip, "eth0"), (gateway(vip), "eth1"))
    batch([f"address add dev {interface} {address}{options}" for address, interface in places], "r1")
    service = f"--{protocol}-service {bracketed(vip)}:{port}"
    servers = [f"--add-server {service} --real-server {bracketed(real)}:{port} {method}" for real in reals]
    lines = [f"--add-service {service} --scheduler rr", *servers]
    lab.run("r1", ["ipvsadm", "--restore"], text="\n".join(lines) + "\n")


def gateway(vip: str) -> str:
    return network.NAT_GATEWAY6 if ":" in vip else network.NAT_GATEWAY


@pytest.mark.parametrize(("vip", "method", "reals"), WAYS)
def test_a_client_gets_answers_from_every_real_server(lab, vip, method, reals):
    balance(lab, vip, method, reals, protocol="tcp", port=80)
    assert lab.client_get(f"http://{bracketed(vip)}/", 6) == EACH_TWICE


@pytest.mark.parametrize(("vip", "method", "reals"), WAYS)
def test_datagrams_come_back_from_every_real_server(lab, vip, method, reals):
    balance(lab, vip, method, reals, protocol="udp", port=5353)
    assert lab.client_echo(vip, 6) == EACH_TWICE


def test_a_real_server_sees_the_client_that_asked(lab):
    balance(lab, network.NAT_VIP, "--masquerading", PRIVATE, protocol="tcp", port=80)
    assert lab.client_line("http://192.168.26.10/", source="203.0.113.1").split()[1:] == ["203.0.113.1", "80"]


def test_the_traffic_generator_counts_who_answered(lab):
    balance(lab, network.NAT_VIP, "--masquerading", PRIVATE, protocol="tcp", port=80)
    traffic = Traffic()

    async def until_all_answered() -> None:
        task = asyncio.create_task(traffic.run(lambda: 50.0))
        async with asyncio.timeout(60):
            while len(traffic.seen) < 3 and not task.done():
                await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(until_all_answered())
    assert set(traffic.seen) == {"s1", "s2", "s3"}


def test_a_stopped_web_server_refuses_and_a_started_one_answers(lab):
    lab.stop_server("s2")
    assert lab.client_get("http://192.168.26.12/") == Counter(ConnectionRefusedError=1)
    lab.start_servers("s2")
    assert lab.client_get("http://192.168.26.12/") == Counter(s2=1)


def test_the_next_test_finds_routers_without_services_and_floating_addresses(lab):
    assert "192.168.26.10" not in lab.run("r1", "ip address")
    assert lab.run("r1", "ipvsadm --save --numeric") == ""


def test_a_second_lab_is_refused_with_the_way_out(lab):
    with pytest.raises(LabError, match=r"deploy/lab/lab\.py down"):
        Lab().up()
    assert STATE.exists()


def test_nothing_is_left_once_the_lab_is_down(lab):
    lab.down()
    try:
        assert not STATE.exists()
        assert subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout == ""
        links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True).stdout
        assert network.ROOT_LINK not in links
    finally:
        lab.up()
