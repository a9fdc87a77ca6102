"""A real server that was set up for nothing is made to work by its script: real clients, behind real IPVS."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import batch, inside, write_sysctls
from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    RealServer,
    VirtualServer,
)
from lvs.realservers import Setup, setups
from tests.kernel.leftovers import forget_neighbours
from tests.kernel.test_lab import balance, bracketed
from tests.real_machine import RealMachine

pytestmark = pytest.mark.kernel

FRESH = "fresh"
PRIVATE, PRIVATE6 = ("10.11.12.4", 24), ("fd00:11:12::4", 64)
PUBLIC, PUBLIC6 = ("192.168.26.14", 24), ("fd00:26::14", 64)
ELSEWHERE, ELSEWHERE6 = "203.0.113.1", "fd00:c::1"
OPTIONS = {Forwarding.NAT: "--masquerading", Forwarding.DIRECT: "--gatewaying", Forwarding.TUNNEL: "--ipip"}
WAIT = 2.0  # seconds that a client waits for an answer, or in vain
STRICT = ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter")

Plug = Callable[..., RealMachine]


@pytest.fixture
def plug(lab: Lab, tmp_path: Path) -> Iterator[Plug]:
    """Plugs a machine with nothing but its own addresses and a web server into a network of the lab."""

    def plugged(bridge: str, *addresses: tuple[str, int], internet: bool = False) -> RealMachine:
        plug_in("eth0", bridge, addresses)
        if internet:
            gateways = (network.INTERNET, network.INTERNET6)
            batch([f"route add default via {one}" for one in gateways], FRESH)
        lab.start_servers(FRESH)
        return RealMachine(FRESH, tmp_path)

    batch([f"netns add {FRESH}"])
    values = {"net/ipv6/conf/default/accept_dad": "0", **dict.fromkeys(STRICT, "1")}
    values |= {f"net/ipv6/conf/{one}/disable_ipv6": "0" for one in ("all", "default")}
    write_sysctls(FRESH, values)
    batch(["link set lo up"], FRESH)
    yield plugged
    lab.stop_server(FRESH)
    ended = lab.servers.pop(FRESH)
    ended.kill()
    ended.wait()
    # The kernel takes a namespace's interfaces away in its own time; the next machine's have the same names.
    ports = [f"link delete {FRESH}-{one}" for one in ("eth0", "eth1") if has_port(one)]
    batch(ports, network.SWITCH)
    batch([f"netns delete {FRESH}"])


def has_port(interface: str) -> bool:
    """Whether the machine has that interface."""
    with inside(FRESH):
        return interface in dict(socket.if_nameindex()).values()


def plug_in(interface: str, bridge: str, addresses: Sequence[tuple[str, int]]) -> None:
    """A cable from the machine to one of the switch's bridges."""
    port = f"{FRESH}-{interface}"
    batch([f"link add {port} netns {network.SWITCH} type veth peer name {interface} netns {FRESH}"])
    batch([f"link set {port} master {bridge} up"], network.SWITCH)
    lines = [
        f"address add {address}/{length} dev {interface}{network.quiet(address)}"
        for address, length in addresses
    ]
    batch([*lines, f"link set {interface} up"], FRESH)


def setup(way: str, forwarding: Forwarding, virtual_address: str, real: str) -> Setup:
    """The one of that way for the machine with the address `real` behind a virtual address of the lab."""
    server = RealServer(name=FRESH, address=ip_address(real), active=True)
    service = VirtualServer(
        name="web",
        active=True,
        address=FloatingAddress(address=ip_address(virtual_address), device="eth0:1"),
        forwarding=forwarding,
        real_servers=(server,),
    )
    settings = GlobalSettings(
        nat_router=FloatingAddress(address=ip_address(network.NAT_GATEWAY), device="eth1:1"),
        nat_mask=24,
        nat_router6=FloatingAddress(address=ip_address(network.NAT_GATEWAY6), device="eth1"),
    )
    config = LvsConfig(global_settings=settings, virtual_servers=(service,))
    return next(one for one in setups(config, None, server) if one.way == way)


def asked(lab: Lab, address: str, source: str | None = None) -> Counter[str]:
    return lab.client_get(f"http://{bracketed(address)}/", 1, source=source, seconds=WAIT)


@dataclass(frozen=True)
class Case:
    """A way, the virtual address that it is for, the real server's own, the client's where it matters."""

    way: str
    virtual: str
    real: str
    client: str | None = None


def mend(lab: Lab, machine: RealMachine, method: Forwarding, *cases: Case) -> None:
    """Each virtual address fails before the script for it, and works after it."""
    for case in cases:
        balance(lab, case.virtual, OPTIONS[method], (case.real,), protocol="tcp", port=80)
        assert FRESH not in asked(lab, case.virtual, case.client), case
        machine.run(setup(case.way, method, case.virtual, case.real))
        assert asked(lab, case.virtual, case.client) == Counter({FRESH: 1}), case


def test_direct_routing_works_once_the_script_has_run_and_no_more_once_it_is_undone(
    lab: Lab, plug: Plug
) -> None:
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    mend(
        lab,
        machine,
        Forwarding.DIRECT,
        Case("direct", network.DIRECT_VIP, PUBLIC[0]),
        Case("direct6", network.DIRECT_VIP6, PUBLIC6[0]),
    )
    machine.run(setup("direct", Forwarding.DIRECT, network.DIRECT_VIP, PUBLIC[0]), "--undo")
    assert FRESH not in asked(lab, network.DIRECT_VIP)


@pytest.mark.nft
@pytest.mark.parametrize("way", ["direct-arp-filter", "direct-redirect"])
def test_direct_routing_works_by_nftables_too(lab: Lab, plug: Plug, way: str) -> None:
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    mend(lab, machine, Forwarding.DIRECT, Case(way, network.DIRECT_VIP, PUBLIC[0]))


def test_a_machine_that_took_the_virtual_address_from_the_router_gives_it_back(lab: Lab, plug: Plug) -> None:
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    batch([f"address add {network.DIRECT_VIP}/32 dev lo"], FRESH)
    before = neighbour(lab, network.DIRECT_VIP)
    machine.run(setup("direct", Forwarding.DIRECT, network.DIRECT_VIP, PUBLIC[0]))
    balance(lab, network.DIRECT_VIP, "--gatewaying", (PUBLIC[0],), protocol="tcp", port=80)
    after = neighbour(lab, network.DIRECT_VIP)
    assert (before, after) == (mac(lab, FRESH), mac(lab, "r1"))
    assert asked(lab, network.DIRECT_VIP) == Counter({FRESH: 1})


def neighbour(lab: Lab, address: str) -> str:
    """The MAC at which the client finds an address, asked afresh."""
    forget_neighbours(network.CLIENT)
    asked(lab, address)
    found = json.loads(lab.run(network.CLIENT, ["ip", "-json", "neighbour", "show", "to", address]))
    return str(found[0].get("lladdr", ""))


def mac(lab: Lab, name: str) -> str:
    return str(json.loads(lab.run(name, ["ip", "-json", "link", "show", "eth0"]))[0]["address"])


def test_nat_works_once_the_router_is_the_default_gateway(lab: Lab, plug: Plug) -> None:
    machine = plug(network.PRIVATE, PRIVATE, PRIVATE6)
    mend(
        lab,
        machine,
        Forwarding.NAT,
        Case("nat", network.NAT_VIP, PRIVATE[0], ELSEWHERE),
        Case("nat6", network.NAT_VIP6, PRIVATE6[0], ELSEWHERE6),
    )


def test_nat_works_with_another_default_gateway_once_the_answers_take_the_router(
    lab: Lab, plug: Plug
) -> None:
    machine = plug(network.PRIVATE, PRIVATE, PRIVATE6)
    plug_in("eth1", network.PUBLIC, (PUBLIC, PUBLIC6))
    batch([f"route add default via {one}" for one in (network.INTERNET, network.INTERNET6)], FRESH)
    # Here the mistake to be mended is the way back, not the filter that drops what comes from elsewhere.
    write_sysctls(FRESH, dict.fromkeys((*STRICT, "net/ipv4/conf/eth0/rp_filter"), "0"))
    mend(
        lab,
        machine,
        Forwarding.NAT,
        Case("nat-answers", network.NAT_VIP, PRIVATE[0], ELSEWHERE),
        Case("nat-answers6", network.NAT_VIP6, PRIVATE6[0], ELSEWHERE6),
    )


@pytest.mark.parametrize(("way", "real"), [("tunnel", PUBLIC), ("tunnel6", PUBLIC6)])
def test_a_tunnel_works_once_the_script_has_run_though_the_reverse_path_filter_is_strict(
    lab: Lab, plug: Plug, way: str, real: tuple[str, int]
) -> None:
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    same, other = network.TUNNEL_VIP, network.TUNNEL_VIP6
    mend(lab, machine, Forwarding.TUNNEL, Case(way, same, real[0]), Case(way, other, real[0]))


@pytest.mark.nft
def test_clients_send_segments_that_fit_the_tunnel(lab: Lab, plug: Plug) -> None:
    machine = plug(network.PUBLIC, PUBLIC, PUBLIC6, internet=True)
    mend(lab, machine, Forwarding.TUNNEL, Case("tunnel", network.TUNNEL_VIP, PUBLIC[0]))
    with inside(network.CLIENT), socket.create_connection((network.TUNNEL_VIP, 80), timeout=30) as client:
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1440
