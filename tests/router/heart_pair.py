"""Two hearts as processes in two namespaces with two cables between them, and a scripted pulse for each.

The scripted pulse speaks `lvs.pulse.heart.messages` and raises and lowers one real address with ip(8).
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lvs.pulse.heart.messages import BEAT, SOCKET, Message, decode, encode
from tests.conftest import eventually
from tests.router.conftest import Namespace

ROOT = Path(__file__).resolve().parents[2]
FLOATING = "10.77.0.100"
NETS = {"public": "10.77.0.", "private": "fd77::"}
PORT = 5390
KEY, NEXT_KEY = "11" * 32, "22" * 32
KEEPALIVE, DEADTIME = 0.05, 0.3
STARTS = 10.0  # seconds that a process may take until it is there


class Pulse:
    """One connection to a heart: does what it is told, in a thread, until it is killed."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.heard: list[Message] = []
        self.hangs = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(router.state / SOCKET))
        self._socket.settimeout(BEAT / 2)
        self._thread = threading.Thread(target=self._live, daemon=True)

    def start(self, **settings: Any) -> None:
        self.say(self.router.settings(**settings))
        self.say(
            {"say": "condition", "unfit": [], "serial": 1, "sha256": "ab" * 32, "healthy": 1, "total": 1}
        )
        self._thread.start()

    def say(self, message: Message) -> None:
        self._socket.sendall(encode(message))

    def kill(self) -> None:
        """What the kernel does to the connection of a process that is killed."""
        self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(10)
        self._socket.close()

    def said(self, kind: str) -> list[Message]:
        return [message for message in self.heard if message["say"] == kind]

    @property
    def status(self) -> Message:
        """The last one that came; empty before the first."""
        found = self.said("status")
        return found[-1]["redundancy"] if found else {}

    def _live(self) -> None:
        rest = b""
        while True:
            try:
                received = self._socket.recv(65536)
            except TimeoutError:
                received = b"\n"
            except OSError:  # killed
                return
            if not received:
                return
            try:
                *lines, rest = (rest + received.lstrip(b"\n")).split(b"\n")
                for line in lines:
                    self._obey(decode(line))
                if not self.hangs:
                    self.say({"say": "beat"})
            except OSError:  # killed
                return

    def _obey(self, message: Message) -> None:
        self.heard.append(message)
        if message["say"] == "role" and not self.hangs:
            active = message["role"] == "active"
            self.router.put_address(up=active)
            self.say({"say": "raised", "problems": []} if active else {"say": "lowered"})


class Router:
    """A namespace, its heart and its pulse."""

    def __init__(self, node: str, namespace: Namespace, state: Path) -> None:
        self.node, self.namespace, self.state = node, namespace, state
        state.mkdir()
        self.number = 1 if node == "primary" else 2
        for name, interface in (("public", "eth0"), ("private", "eth1")):
            self.put_own(name, interface, up=True)
        self.heart: subprocess.Popen[bytes]
        self.pulse: Pulse

    def settings(self, **changes: Any) -> Message:
        mine, other = self.number, 3 - self.number
        links = {name: {"own": f"{net}{mine}", "peer": f"{net}{other}"} for name, net in NETS.items()}
        return {
            "say": "settings",
            "node": self.node,
            "name": self.node,
            "links": links,
            "port": PORT,
            "keepalive": KEEPALIVE,
            "deadtime": DEADTIME,
            "failback": 0,
            "gateway": None,
            "keys": [KEY],
            "watched": ["eth0", "eth1"],
            "monitor_links": False,
            "addresses": [{"address": FLOATING, "prefix": 24, "interface": "eth0", "label": "eth0:1"}],
            "serial": 1,
            "sha256": "ab" * 32,
            "held": self.owns,
            "forced": False,
        } | changes

    def start_heart(self) -> None:
        log = (self.state / "log").open("ab")
        command = [sys.executable, "-m", "lvs.pulse.heart", "--state", str(self.state)]
        self.heart = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace.name, *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        log.close()

    def start_pulse(self, **settings: Any) -> None:
        eventually(self._listens, "the heart listens", STARTS)
        self.pulse = Pulse(self)
        self.pulse.start(**settings)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(str(self.state / SOCKET)) == 0

    def put_own(self, name: str, interface: str, *, up: bool) -> None:
        """Its own address on a link."""
        prefix = "64" if name == "private" else "24"
        verb = ["add", "nodad"] if up else ["del"]
        address = f"{NETS[name]}{self.number}/{prefix}"
        self.namespace.run("ip", "address", verb[0], address, "dev", interface, *verb[1:])

    def put_address(self, *, up: bool) -> None:
        verb = ["replace"] if up else ["del"]
        label = ["label", "eth0:1"] if up else []
        subprocess.run(
            ["ip", "-n", self.namespace.name, "address", *verb, f"{FLOATING}/24", "dev", "eth0", *label],
            stderr=subprocess.DEVNULL,  # it may be gone already
        )

    @property
    def owns(self) -> bool:
        shown = subprocess.run(
            ["ip", "-n", self.namespace.name, "-json", "address", "show", "dev", "eth0"],
            capture_output=True,
            check=True,
        ).stdout
        return FLOATING in {one["local"] for link in json.loads(shown) for one in link["addr_info"]}

    @property
    def status(self) -> Message:
        return self.pulse.status

    @property
    def log(self) -> str:
        return (self.state / "log").read_text()

    def deafen(self) -> None:
        """No heartbeat comes in any more."""
        rules = (
            "add table inet cut",
            "add chain inet cut in { type filter hook input priority 0; }",
            f"add rule inet cut in udp dport {PORT} drop",
        )
        self.namespace.run("nft", "; ".join(rules))

    def cure(self) -> None:
        self.namespace.run("nft", "delete table inet cut")

    def kill(self) -> None:
        """kill -9 of the heart, and of pulse."""
        self.heart.kill()
        self.heart.wait(10)
        self.pulse.kill()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.pulse.kill()
        if self.heart.poll() is None:
            self.heart.kill()
        self.heart.wait(10)


@contextlib.contextmanager
def pair(namespaces: Callable[[], Namespace], folder: Path) -> Iterator[tuple[Router, Router]]:
    """A primary that is active and a backup that is standby."""
    one, other = namespaces(), namespaces()
    one.join(other, "eth0", "eth0")
    one.join(other, "eth1", "eth1")
    primary = Router("primary", one, folder / "primary")
    backup = Router("backup", other, folder / "backup")
    try:
        for router in (primary, backup):
            router.start_heart()
        for router in (primary, backup):
            router.start_pulse()
        eventually(lambda: primary.owns, "the primary is active", STARTS)
        eventually(lambda: settled(primary, backup), "both routers hear each other", STARTS)
        yield primary, backup
    finally:
        for router in (primary, backup):
            router.end()


def settled(active: Router, standby: Router) -> bool:
    """Both say so of themselves and of each other, and the role could be handed over."""
    statuses = active.status, standby.status
    if not all(statuses) or not all(status["peer"] for status in statuses):
        return False
    roles = [(status["role"], status["peer"]["role"], status["peer"]["hears"]) for status in statuses]
    settled_roles = [("active", "standby", True), ("standby", "active", True)]
    return roles == settled_roles and not statuses[0]["hand_over_refused"]


class Owners:
    """Looks all the time who has the address, from the test's own thread."""

    def __init__(self, *routers: Router) -> None:
        self.routers = routers
        self.begun = time.monotonic()
        self.seen: list[tuple[float, tuple[str, ...]]] = []

    def look(self) -> tuple[str, ...]:
        owners = tuple(router.node for router in self.routers if router.owns)
        self.seen.append((time.monotonic() - self.begun, owners))
        return owners

    def until(self, owners: tuple[str, ...], limit: float = 5.0) -> float:
        """Seconds until exactly these own it."""
        eventually(lambda: self.look() == owners, f"the owners are {owners}", limit)
        return self.seen[-1][0]

    def stay(self, owners: tuple[str, ...], seconds: float) -> None:
        """Fails if anybody else owns it meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.look() == owners
