"""pulse on a kernel with IPVS: a client, a router (this namespace) and two real servers on one bridge.

Direct routing, so that no nftables is needed and User-Mode Linux will do. A connection that is open all the
while shows what a change or a crash costs.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.lab.namespaces import batch, inside, write_sysctls
from lvs.errors import KernelError, PulseUnreachable
from lvs.pulse.client import PulseClient
from tests.kernel.namespace import fresh_network

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parents[2]
VIP = "10.9.0.80"

# Answers each line with the name of the server.
SERVER = """
import socketserver, sys
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(sys.argv[1].encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64
Server(("", 8080), Lines).serve_forever()
"""

# Keeps one connection: for each line of input sends one and prints the answer.
CLIENT = """
import socket, sys
opened = socket.create_connection((sys.argv[1], 8080), timeout=20)
lines = opened.makefile("rb")
for _ in sys.stdin:
    opened.sendall(b"hello\\n")
    print(lines.readline().decode().strip(), flush=True)
"""


class Machine:
    """A namespace on the bridge."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.namespace = f"pulse-{name}"  # the lab has the plain names
        batch(
            [
                f"netns add {self.namespace}",
                f"link add v{name} type veth peer name eth0 netns {self.namespace}",
                f"link set v{name} master br0 up",
            ]
        )
        batch(
            ["link set lo up", "link set eth0 up", f"address add 10.9.0.{number}/24 dev eth0"], self.namespace
        )

    def serve(self) -> subprocess.Popen[str]:
        """Become a real server for direct routing: the floating address on lo, silent to ARP."""
        write_sysctls(
            self.namespace, {"net/ipv4/conf/all/arp_ignore": "1", "net/ipv4/conf/all/arp_announce": "2"}
        )
        batch([f"address replace {VIP}/32 dev lo"], self.namespace)
        with inside(self.namespace):
            server = subprocess.Popen([sys.executable, "-c", SERVER, self.name], text=True)
        until(self.answers)
        return server

    def answers(self) -> bool:
        with inside(self.namespace), socket.socket() as opened:
            return opened.connect_ex(("127.0.0.1", 8080)) == 0


class Connection:
    """A connection through the router that stays open."""

    def __init__(self, client: Machine) -> None:
        words = [sys.executable, "-c", CLIENT, VIP]
        with inside(client.namespace):
            self.popen = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )

    def ask(self) -> str:
        assert self.popen.stdin
        assert self.popen.stdout
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().strip()


class Router:
    """This namespace with its pulse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = PulseClient(folder / "pulse.sock", timeout=60)
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--config", str(self.folder), "--state", str(self.folder), "--node", "primary"]
        with (self.folder / "log").open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "lvs.pulse", *words, "--socket", str(self.client.path)],
                stderr=log,
                cwd=ROOT,
            )
        until(self.answers)

    def answers(self) -> bool:
        assert self.popen is not None
        assert self.popen.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.client.status()["pid"] == self.popen.pid)
        except PulseUnreachable:
            return False

    def end(self, number: int) -> int:
        assert self.popen is not None
        self.popen.send_signal(number)
        return self.popen.wait(timeout=60)

    def table(self) -> list[str]:
        return sorted(run("ipvsadm", "-Sn").splitlines())


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 90 s"
        time.sleep(0.05)


@contextmanager
def ended(popen: subprocess.Popen[str]) -> Iterator[None]:
    with popen:
        try:
            yield
        finally:
            popen.kill()


class Lab:
    def __init__(self, folder: Path) -> None:
        batch(["link add br0 type bridge", "link set br0 up", "address add 10.9.0.1/24 dev br0"])
        self.router = Router(folder)
        self.client, self.s1, self.s2 = Machine("c", 2), Machine("s1", 11), Machine("s2", 12)
        self.server1, self.server2 = self.s1.serve(), self.s2.serve()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        stack.enter_context(fresh_network())
        made = Lab(tmp_path)
        stack.enter_context(ended(made.server1))
        stack.enter_context(ended(made.server2))
        try:
            yield made
        finally:
            if made.router.popen and made.router.popen.poll() is None:
                made.router.popen.kill()
                made.router.popen.wait()
            batch([f"netns delete {machine.namespace}" for machine in (made.client, made.s1, made.s2)])


def lvs_cf(serial: int, *, scheduler: str = "rr", device: str = "br0:1", second: int = 1) -> str:
    return f"""serial_no = {serial}
primary = 10.9.0.1
service = lvs
network = direct
virtual web {{
    active = 1
    address = {VIP} {device}
    vip_nmask = 255.255.255.255
    port = 8080
    protocol = tcp
    scheduler = {scheduler}
    timeout = 1
    reentry = 1
    send = "hello\\n"
    expect = "s"
    server one {{
        address = 10.9.0.11
        active = 1
        weight = 1
    }}
    server two {{
        address = 10.9.0.12
        active = {second}
        weight = 1
    }}
}}
"""


ONE = f"-a -t {VIP}:8080 -r 10.9.0.11:8080 -g -w 1"
TWO = f"-a -t {VIP}:8080 -r 10.9.0.12:8080 -g -w 1"


def test_an_install_balances_and_kill_9_with_a_restart_costs_nothing(lab: Lab) -> None:
    router = lab.router
    run("ipvsadm", "-A", "-t", "10.9.0.99:99", "-s", "wrr")
    router.start()
    assert router.client.install(lvs_cf(1))["refused"] == []
    table = router.table()
    assert table == sorted(["-A -t 10.9.0.99:99 -s wrr", f"-A -t {VIP}:8080 -s rr", ONE, TWO])
    opened = [Connection(lab.client) for _ in range(4)]
    with ExitStack() as stack:
        for one in opened:
            stack.enter_context(ended(one.popen))
        answers = [one.ask() for one in opened]
        assert sorted(answers) == ["s1", "s1", "s2", "s2"]

        router.end(signal.SIGKILL)
        assert [one.ask() for one in opened] == answers
        router.start()
        assert [one.ask() for one in opened] == answers
        assert router.table() == table
        status = router.client.status()
        assert (status["last_change"], status["problems"]) == (None, [])
        assert status["foreign"][0]["key"] == "tcp 10.9.0.99:99"
        (web,) = status["virtual_servers"]
        assert sum(one["counters"]["active"] for one in web["real_servers"]) == 4
        assert router.client.install(lvs_cf(1))["changes"] == []

        assert router.client.install(lvs_cf(2, scheduler="wlc"))["changes"] == [
            "change web: scheduler rr → wlc"
        ]
        assert [one.ask() for one in opened] == answers

        assert router.end(signal.SIGTERM) == 0
        assert [one.ask() for one in opened] == answers
        assert VIP in run("ip", "-4", "address", "show", "dev", "br0")


def test_real_servers_leave_and_return_and_foreign_hands_are_put_right(lab: Lab) -> None:
    router = lab.router
    router.start()
    router.client.install(lvs_cf(1))
    lab.server2.kill()
    lab.server2.wait()
    until(lambda: TWO not in router.table())
    assert ONE in router.table()
    with ended(lab.s2.serve()):
        until(lambda: TWO in router.table())
        run("ipvsadm", "-d", "-t", f"{VIP}:8080", "-r", "10.9.0.11:8080")
        run("ip", "address", "del", f"{VIP}/32", "dev", "br0")
        until(lambda: ONE in router.table())
        until(lambda: VIP in run("ip", "-4", "address", "show", "dev", "br0"))
        until(lambda: router.client.status()["last_change"]["cause"] == "changed outside")
        texts = [event["text"] for event in router.client.status()["events"]]
        assert any(text.startswith("was changed outside, put back: add real server one") for text in texts)
        until(lambda: "gratuitous lvs arps finished" in [e["text"] for e in router.client.status()["events"]])


def test_a_refused_install_leaves_kernel_and_file_as_they_were(lab: Lab) -> None:
    router = lab.router
    router.start()
    router.client.install(lvs_cf(1))
    table = router.table()
    with pytest.raises(KernelError, match="eth9"):
        router.client.install(lvs_cf(2, device="eth9:1", scheduler="wlc", second=0))
    assert router.table() == table
    assert VIP in run("ip", "-4", "address", "show", "dev", "br0")
    assert router.client.running()["serial"] == 1
    assert (router.folder / "lvs.cf").read_text() == lvs_cf(1)


def test_a_plan_changes_nothing_and_an_install_does_what_it_said(lab: Lab) -> None:
    router = lab.router
    router.start()
    planned = router.client.plan(lvs_cf(1))["changes"]
    assert router.table() == []
    installed = router.client.install(lvs_cf(1))["changes"]
    assert [one.removesuffix(", once its check passes") for one in planned] == installed
