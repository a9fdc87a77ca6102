"""What our codec writes, ipvsadm reads; what ipvsadm writes, our codec reads."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvs.config.model import Forwarding, Scheduler
from lvs.errors import KernelError
from lvs.router import plan
from lvs.router.apply import LinuxKernel, reconcile
from lvs.router.ipvs import Ipvs
from lvs.router.memory import MemoryLedger
from lvs.router.state import Change, Destination, DestinationKey, Part, Role, ServiceKey, Timeouts, Verb
from tests.conftest import eventually
from tests.kernel.namespace import fresh_network
from tests.unit.router.cluster import config, health_of, real, virtual
from tests.unit.router.kernel_suite import MARK, MEMBERS, ONE, SERVICES, WEB, add_service, member

pytestmark = pytest.mark.kernel

SHORT = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
METHOD = {Forwarding.NAT: "-m", Forwarding.DIRECT: "-g", Forwarding.TUNNEL: "-i"}
MASKS = {24: "255.255.255.0", 64: "64"}
SCHEDULER_FLAGS = {"sh": {0x08: "sh-fallback", 0x10: "sh-port"}, "mh": {0x08: "mh-fallback", 0x10: "mh-port"}}


@pytest.fixture
def ipvs() -> Iterator[Ipvs]:
    with fresh_network("eth0"), Ipvs() as opened:
        yield opened


def ipvsadm(*arguments: str) -> str:
    return subprocess.run(["ipvsadm", *arguments], check=True, capture_output=True, text=True).stdout


def saved(key: ServiceKey) -> str:
    """How `ipvsadm -Sn` names a service."""
    if key.fwmark:
        return f"-f {key.fwmark}" + (" -6" if key.family == "inet6" else "")
    return f"{SHORT[str(key.protocol)]} {str(key).partition(' ')[2]}"


@pytest.mark.parametrize(("key", "service"), SERVICES, ids=lambda value: str(value)[:60])
def test_ipvsadm_saves_the_service_that_was_written(ipvs, key, service):
    assert ipvs.carry_out([add_service(key, service)]) == {}
    line = f"-A {saved(key)} -s {service.scheduler}"
    if service.persistence:
        line += f" -p {service.persistence}"
        line += f" -M {MASKS[service.netmask]}" if service.netmask in MASKS else ""
    line += " -o" if service.flags & plan.ONE_PACKET else ""
    names = [name for bit, name in SCHEDULER_FLAGS.get(service.scheduler, {}).items() if service.flags & bit]
    line += f" -b {','.join(names)}" if names else ""
    assert sorted(ipvsadm("-Sn").split()) == sorted(line.split())


@pytest.mark.parametrize(("service", "key", "destination"), MEMBERS, ids=lambda value: str(value)[:60])
def test_ipvsadm_saves_the_real_server_that_was_written(ipvs, service, key, destination):
    assert ipvs.carry_out([add_service(service), member(Verb.ADD, service, key, destination)]) == {}
    line = f"-a {saved(service)} -r {key} {METHOD[destination.forwarding]} -w {destination.weight}"
    if destination.forwarding is Forwarding.TUNNEL:
        line += " --tun-type ipip"
    assert line in ipvsadm("-Sn").splitlines()
    if destination.upper_threshold and service is WEB:
        (listed,) = [row for row in ipvsadm("-Ln", "--thresholds").splitlines() if str(key.address) in row]
        assert listed.split()[2:4] == [str(destination.upper_threshold), str(destination.lower_threshold)]


def test_every_kind_of_change_shows_in_ipvsadm(ipvs):
    changes = [add_service(WEB), member(Verb.ADD, WEB, ONE, Destination(Forwarding.NAT, 1))]
    ipvs.carry_out(changes)
    edited = replace(changes[0].service, scheduler="rr")
    ipvs.carry_out(
        [
            Change(Part.SERVICE, Verb.CHANGE, "", service_key=WEB, service=edited),
            member(Verb.CHANGE, WEB, ONE, Destination(Forwarding.DIRECT, 9)),
        ]
    )
    assert ipvsadm("-Sn").splitlines() == [
        "-A -t 192.0.2.1:80 -s rr",
        "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -g -w 9",
    ]
    ipvs.carry_out([member(Verb.REMOVE, WEB, ONE)])
    assert ipvsadm("-Sn").splitlines() == ["-A -t 192.0.2.1:80 -s rr"]
    ipvs.carry_out([Change(Part.SERVICE, Verb.REMOVE, "", service_key=WEB)])
    assert ipvsadm("-Sn") == ""


def test_what_ipvsadm_wrote_is_read(ipvs):
    ipvsadm("-A", "-t", "192.0.2.1:80", "-s", "wrr", "-p", "300", "-M", "255.255.0.0")
    ipvsadm("-a", "-t", "192.0.2.1:80", "-r", "10.0.0.11:8080", "-m", "-w", "5", "-x", "90", "-y", "30")
    ipvsadm("-A", "-f", "7", "-s", "sh", "-b", "sh-port")
    ipvsadm("-a", "-f", "7", "-r", "10.0.0.12", "-i", "--tun-type", "gue", "--tun-port", "6080")
    table = ipvs.table()
    assert table.services[WEB].netmask == 16
    assert table.services[MARK].flags == 0x10
    place = DestinationKey(ip_address("10.0.0.11"), 8080)
    assert table.destinations[WEB] == {place: Destination(Forwarding.NAT, 5, 90, 30)}
    assert list(table.destinations[MARK].values()) == [Destination(Forwarding.TUNNEL, 1)]


def test_a_dump_of_many_parts_is_whole(ipvs):
    places = [DestinationKey(ip_address(0x0A000001 + number), 80) for number in range(2000)]
    members = {key: Destination(Forwarding.DIRECT, number) for number, key in enumerate(places)}
    ipvs.carry_out([add_service(WEB), *(member(Verb.ADD, WEB, key, each) for key, each in members.items())])
    assert ipvs.table().destinations[WEB] == members
    counted = ipvs.table(counters=True)
    assert counted.destinations[WEB] == members
    assert set(counted.destination_counters[WEB]) == set(members)


def test_counters_are_those_that_ipvsadm_shows(ipvs):
    subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "eth0"], check=True)
    sent = """import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5): one.sendto(b"x" * 100, ("192.0.2.1", 80))
"""
    udp = replace(WEB, protocol="udp")
    here = DestinationKey(ip_address("127.0.0.1"), 8080)
    ipvs.carry_out([add_service(udp), member(Verb.ADD, udp, here, Destination(Forwarding.NAT, 1))])
    subprocess.run(["python3", "-c", sent], check=True)
    eventually(
        lambda: ipvs.table(counters=True).service_counters[udp].packets_in == 5,
        "the kernel has brought its counters up to date, which it does every two seconds",
    )
    table = ipvs.table(counters=True)
    counters = table.destination_counters[udp][here]
    assert (counters.connections, counters.packets_in, counters.bytes_in) == (1, 5, 5 * 128)
    assert counters.active + counters.inactive == 1
    assert replace(counters, active=0, inactive=0) == table.service_counters[udp]
    row = ipvsadm("-Ln", "--stats", "--exact").splitlines()[-1].split()
    assert [int(number) for number in row[2:]] == [1, 5, counters.packets_out, 640, counters.bytes_out]


def test_timeouts_are_those_of_ipvsadm(ipvs):
    before = ipvs.timeouts()
    ipvs.set_timeouts(Timeouts(tcp=800, udp=200))
    assert ipvs.timeouts() == Timeouts(800, before.tcp_fin, 200)
    assert ipvsadm("-L", "--timeout").split()[-3:] == ["800", str(before.tcp_fin), "200"]


def test_a_timeout_that_the_kernel_cannot_count_is_refused(ipvs):
    with pytest.raises(KernelError, match="set the IPVS timeouts"):
        ipvs.set_timeouts(Timeouts(tcp=0xFFFFFFFF))


def test_the_version_is_the_kernels(ipvs):
    info = ipvs.info()
    assert f"version {info.version} (size={info.connection_table_size})" in ipvsadm("-Ln").splitlines()[0]


def test_without_the_capability_the_refusal_names_it():
    script = (
        "from lvs.errors import KernelError\nfrom lvs.router.ipvs import Ipvs\n"
        "try:\n    Ipvs().table()\nexcept KernelError as error:\n    print(error)\n"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ".venv/bin/python", "-c", script]
    said = subprocess.run(user, check=True, capture_output=True, text=True).stdout
    assert "CAP_NET_ADMIN" in said


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_ipvsadm_agrees_with_the_plan_for_every_scheduler(scheduler):
    shop = config(
        virtual(scheduler=scheduler, real_servers=(real(1, weight=5), real(2))),
        virtual("six", "2001:db8::1", scheduler=scheduler, real_servers=(six_real(),)),
    )
    with fresh_network("eth0"):
        reconcile(LinuxKernel(), plan.wanted(shop, Role.STANDBY, health_of(shop)), MemoryLedger())
        assert sorted(ipvsadm("-Sn").splitlines()) == [
            f"-A -t 192.0.2.1:80 -s {scheduler}",
            f"-A -t [2001:db8::1]:80 -s {scheduler}",
            "-a -t 192.0.2.1:80 -r 10.0.0.11:80 -g -w 5",
            "-a -t 192.0.2.1:80 -r 10.0.0.12:80 -g -w 1",
            "-a -t [2001:db8::1]:80 -r [2001:db8:1::11]:80 -g -w 1",
        ]


def six_real():
    return real(1, address=ip_address("2001:db8:1::11"))
