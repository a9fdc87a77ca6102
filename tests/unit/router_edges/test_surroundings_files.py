"""What a machine's files and /proc say, read from a folder that looks like a machine."""

from __future__ import annotations

import gzip
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvs.config.model import Protocol
from lvs.router import surroundings_files as files
from lvs.router.seen import Listener, Process
from lvs.router.sysctl_files import Persisted

RELEASE = "6.1.0-test"
VIRTUAL, VIRTUAL6 = ip_address("192.0.2.80"), ip_address("2001:db8::80")


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_modules_are_those_loaded_built_in_and_on_the_disk(tmp_path: Path) -> None:
    write(tmp_path, "proc/modules", "ip_vs 200704 3 ip_vs_sh, Live 0x0\nnf_conntrack 1 0 - Live 0x0\n")
    write(tmp_path, f"lib/modules/{RELEASE}/modules.builtin", "kernel/net/netfilter/nf_tables.ko\n")
    write(
        tmp_path,
        f"lib/modules/{RELEASE}/modules.dep",
        "kernel/net/ipvs/ip_vs_mh.ko.xz: kernel/net/ipvs/ip_vs.ko.xz\nx/nft-masq.ko.zst:\n",
    )
    write(
        tmp_path,
        "etc/modprobe.d/hard.conf",
        "#\ninstall ip_vs_ftp /bin/true\ninstall x /sbin/modprobe y\n",
    )
    (tmp_path / "sys/module/ipv6").mkdir(parents=True)
    found = files.modules(tmp_path, RELEASE)
    assert found.present == {"ip_vs", "nf_conntrack", "nf_tables", "ipv6"}
    assert found.loadable == {"ip_vs_mh", "nft_masq"}
    assert found.forbidden == {"ip_vs_ftp": "/etc/modprobe.d/hard.conf:2"}
    assert (found.known, found.frozen) == (True, False)
    usable = {name: found.may_be_used(name) for name in ("ip_vs", "ip_vs_mh", "ip_vs_ftp", "ip_vs_rr")}
    assert usable == {"ip_vs": True, "ip_vs_mh": True, "ip_vs_ftp": False, "ip_vs_rr": False}


def test_a_kernel_without_module_files_tells_by_its_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    options = b"CONFIG_IP_VS=y\nCONFIG_IP_VS_RR=m\nCONFIG_NFT_NAT=y\n# CONFIG_IP_VS_MH is not set\n"
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(options))
    found = files.modules(tmp_path, RELEASE)
    assert found.present == {"ip_vs", "nft_chain_nat"}
    assert [found.may_be_used(name) for name in ("ip_vs", "ip_vs_rr")] == [True, False]


def test_where_nothing_tells_nothing_is_certain(tmp_path: Path) -> None:
    found = files.modules(tmp_path, RELEASE)
    assert found.may_be_used("ip_vs") is None
    write(tmp_path, "proc/sys/kernel/modules_disabled", "1\n")
    assert files.modules(tmp_path, RELEASE).frozen


def test_kernel_parameters_are_read_from_all_folders(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/sysctl.d/50-default.conf", "net.ipv4.conf.*.rp_filter = 2\n")
    write(tmp_path, "etc/sysctl.conf", "\nnet.ipv4.ip_forward=0\n")
    found = files.settings(tmp_path)
    assert found.of("net/ipv4/conf/eth0/rp_filter") == Persisted("2", "/usr/lib/sysctl.d/50-default.conf:1")
    assert found.of("net/ipv4/ip_forward") == Persisted("0", "/etc/sysctl.conf:2")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("etc/network/interfaces", "iface eth0:1 inet static\n  address 192.0.2.80/24\n", 2),
        ("etc/network/interfaces.d/eth0", "  up ip address add 192.0.2.80/32 dev eth0\n", 1),
        ("etc/systemd/network/eth0.network", "[Network]\nAddress=192.0.2.80/24\n", 2),
        ("etc/netplan/01.yaml", "      addresses:\n        - 192.0.2.80/24\n", 2),
        ("etc/NetworkManager/system-connections/eth0.nmconnection", "address1=192.0.2.80/24,192.0.2.1\n", 1),
        ("etc/sysconfig/network-scripts/ifcfg-eth0:1", 'IPADDR="192.0.2.80"\n', 1),
        ("etc/netplan/01.yaml", '      addresses: [ "2001:db8:0::80/64" ]\n', 1),
    ],
)
def test_an_address_in_the_network_configuration_is_found_with_its_line(
    tmp_path: Path, name: str, text: str, line: int
) -> None:
    write(tmp_path, name, text)
    (found,) = files.mentions(tmp_path, {VIRTUAL, VIRTUAL6})
    assert found.place == f"/{name}:{line}"


@pytest.mark.parametrize(
    "text",
    [
        "# address 192.0.2.80/24",
        "gateway 192.0.2.80",
        "Gateway=192.0.2.80",
        "nameserver 192.0.2.80",
        "up ip route add 10.0.0.0/8 via 192.0.2.80",
        "address 192.0.2.8/24",
        "address 192.0.2.180/24",
        "hwaddress 02:00:00:00:00:01",
    ],
)
def test_what_gives_the_machine_no_such_address_is_passed_over(tmp_path: Path, text: str) -> None:
    write(tmp_path, "etc/network/interfaces", f"{text}\n")
    assert files.mentions(tmp_path, {VIRTUAL, VIRTUAL6}) == ()


def test_processes_are_those_asked_for(tmp_path: Path) -> None:
    for pid, words in ((5, "/usr/sbin/keepalived\0-D\0"), (6, "/bin/sh\0-c\0keepalived\0"), (7, "")):
        write(tmp_path, f"proc/{pid}/cmdline", words)
        write(tmp_path, f"proc/{pid}/comm", "keepalived\n")
    found = files.processes(tmp_path, {"keepalived", "ldirectord"}, None)
    assert found == (Process(5, "keepalived", ("/usr/sbin/keepalived", "-D")),)


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100
   1: 500200C0:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100
   2: 0100007F:0050 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: B80D0120000000000000000080000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4245 1 0
"""


def test_listeners_are_found_with_their_programs(tmp_path: Path) -> None:
    write(tmp_path, "net/tcp", TCP)
    write(tmp_path, "net/tcp6", TCP6)
    write(tmp_path, "proc/12/comm", "nginx\n")
    (tmp_path / "proc/12/fd").mkdir()
    (tmp_path / "proc/12/fd/3").symlink_to("socket:[4242]")
    found = files.listeners(tmp_path, tmp_path / "net", {(Protocol.TCP, 80), (Protocol.UDP, 80)})
    assert found == (
        Listener(Protocol.TCP, ip_address("0.0.0.0"), 80, "nginx (process 12)"),
        Listener(Protocol.TCP, VIRTUAL6, 80, ""),
    )


def test_a_machine_without_any_of_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    assert files.mentions(tmp_path, {VIRTUAL}) == ()
    assert files.processes(tmp_path, {"keepalived"}, None) == ()
    assert files.listeners(tmp_path, tmp_path / "net", {(Protocol.TCP, 80)}) == ()
    assert files.settings(tmp_path).of("net/ipv4/ip_forward") is None
