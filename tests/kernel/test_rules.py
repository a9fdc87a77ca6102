"""The rule set of a real pulse on a kernel with IPVS and nftables: before the addresses, counted, kept."""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from deploy.lab.namespaces import batch, inside
from lvs.router import netfilter
from tests.kernel.namespace import fresh_network
from tests.kernel.test_pulse import Machine, Router, until

pytestmark = [pytest.mark.kernel, pytest.mark.nft]

VIP = "10.9.0.80"
LVS_CF = f"""\
serial_no = 1
primary = 10.9.0.1
service = lvs
network = direct
virtual shop {{
  active = 1
  address = {VIP} br0:1
  vip_nmask = 255.255.255.255
  port = 80
  ports = 443
  fwmark = 80
  protocol = tcp
  scheduler = rr
  server web1 {{
    address = 10.9.0.11
    active = 1
    weight = 1
  }}
}}
"""
NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12  # include/uapi/linux/netlink.h
IPV4_ADDRESSES, NFTABLES = 1 << 4, 1 << 6  # RTMGRP_IPV4_IFADDR; NFNLGRP_NFTABLES is the seventh
NEW_ADDRESS, NEW_TABLE = 20, 10 << 8  # RTM_NEWADDR; NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr


class Order:
    """What the kernel said, in its order: "table" when pulse's was made, "address" when the virtual one was.

    Where both wait to be read the address counts as the first, so that a table seen first was first.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._addresses = self._listening(NETLINK_ROUTE, IPV4_ADDRESSES)
        self._tables = self._listening(NETLINK_NETFILTER, NFTABLES)
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _listening(self, protocol: int, groups: int) -> socket.socket:
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        opened.bind((0, groups))
        return opened

    def _run(self) -> None:
        sockets = [self._addresses, self._tables, self._stopped]
        while True:
            readable = select.select(sockets, (), ())[0]
            if self._addresses in readable:
                self._note(self._addresses, NEW_ADDRESS, socket.inet_aton(VIP), "address")
            if self._tables in readable:
                self._note(self._tables, NEW_TABLE, b"piranha\0", "table")
            if self._stopped in readable:
                return

    def _note(self, opened: socket.socket, kind: int, needle: bytes, name: str) -> None:
        data, start = opened.recv(1 << 20), 0
        while start < len(data):
            length, found, *_ = HEADER.unpack_from(data, start)
            if found == kind and needle in data[start : start + length]:
                self.seen.append(name)
            start += (length + 3) & ~3

    def close(self) -> list[str]:
        """What was seen, each thing once."""
        self._stop.close()
        self._thread.join()
        for opened in (self._addresses, self._tables, self._stopped):
            opened.close()
        return list(dict.fromkeys(self.seen))


@contextmanager
def ordered(expected: list[str]) -> Iterator[None]:
    """The kernel says these things, in this order, while inside."""
    order = Order()
    try:
        yield
        until(lambda: set(order.seen) >= set(expected))
    finally:
        seen = order.close()
    assert seen == expected


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    with fresh_network():
        batch(["link add br0 type bridge", "link set br0 up", "address add 10.9.0.1/24 dev br0"])
        (tmp_path / "lvs.cf").write_text(LVS_CF)
        guard = {"port": 3636, "networks": ["10.9.0.0/24"]}
        (tmp_path / "guard.json").write_text(json.dumps({"version": 1, "guard": guard}))
        router = Router(tmp_path)
        try:
            yield router
        finally:
            if router.popen is not None and router.popen.poll() is None:
                router.end(signal.SIGKILL)


def boot(router: Router) -> None:
    """As if the machine had been switched off and on: nothing is left but the disk."""
    router.end(signal.SIGKILL)
    for command in ("ipvsadm -C", "nft flush ruleset", f"ip address flush to {VIP}"):
        subprocess.run(command.split(), check=True)


def ask(client: Machine, port: int) -> None:
    """A connection is tried; nobody need answer it."""
    with inside(client.namespace), socket.socket() as opened, suppress(OSError):
        opened.settimeout(0.5)
        opened.connect((VIP, port))


def packets(router: Router) -> dict[str, bool]:
    """Which ports' rules have counted anything."""
    return {each["ports"]: each["packets"] > 0 for each in router.client.rules()["marks"]}


def test_the_rules_are_there_before_the_address_at_every_start_counted_and_kept(router: Router) -> None:
    with ordered(["table", "address"]):
        router.start()
        until(lambda: bool(router.client.rules()["saved"]))
    found = router.client.rules()
    assert [(each["virtual_server"], each["ports"], each["fwmark"]) for each in found["marks"]] == [
        ("shop", "80", 80),
        ("shop", "443", 80),
    ]
    assert (found["guard"]["port"], found["drift"]) == (3636, [])
    assert found["saved"]["path"] == str(router.folder / "piranha.nft")
    client = Machine("rc", 21)
    try:
        assert packets(router) == {"80": False, "443": False}
        ask(client, 443)
        assert packets(router) == {"80": False, "443": True}
    finally:
        subprocess.run(["ip", "netns", "del", client.namespace], check=True)
    kept = netfilter.read()
    with ordered(["table", "address"]):
        boot(router)
        assert netfilter.read() is None
        router.start()
    until(lambda: netfilter.read() == kept)
    # The file is written after the kernel: what is here now is at worst one step behind.
    until(lambda: f"{VIP} . tcp . 443" in (router.folder / "piranha.nft").read_text())
    boot(router)
    subprocess.run(["nft", "-f", str(router.folder / "piranha.nft")], check=True)
    assert netfilter.read() == kept, "the file alone makes the table, and as pulse's own"
    router.start()
    until(lambda: bool(router.client.status()["last_change"]))
    said = " ".join(event["text"] for event in router.client.status()["events"])
    assert VIP in said
    assert "netfilter" not in said, "so pulse has nothing to replace"


def test_services_and_rules_that_do_not_come_together_are_pointed_out(router: Router) -> None:
    subprocess.run(["ipvsadm", "-A", "-f", "99", "-s", "rr"], check=True)
    hook = "type filter hook prerouting priority mangle;"
    rules = f"tcp dport 80 ip daddr {VIP} meta mark set 80; tcp dport 81 meta mark set 81"
    subprocess.run(["nft", f"table ip hand {{ chain pre {{ {hook} {rules}; }}; }}"], check=True)
    router.start()
    until(lambda: bool(router.client.rules()["marks"]))
    said = [remark["what"] for remark in router.client.rules()["remarks"]]
    assert len(said) == 3
    assert "sets the firewall mark of the IPVS service fwmark 99." in said[0]
    assert said[1] == "Rule 1 in chain pre of table ip hand sets firewall mark 80, which is that of shop."
    assert said[2].startswith("Rule 2 in chain pre of table ip hand sets firewall mark 81, which no IPVS")
    of_marks = [each["what"] for each in router.client.preflight()["remarks"]]
    assert set(said) <= set(of_marks)
