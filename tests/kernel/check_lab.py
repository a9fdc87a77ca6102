"""What tests of the checks need besides the lab: r1 at work and watched, and clients' connections that last.

A bound is what docs/checks.md promises, and some slack for a guest: one processor has pulse, every client and
every real server, the guest itself may get little of the host's, and pulse holds no time against a real
server in which it was held up itself. So the time that `Watch` had to wait for its turns is allowed for.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.lab import network
from deploy.lab.namespaces import inside
from lvs.config.model import VirtualServer
from tests.kernel.check_services import Services
from tests.kernel.check_watch import Watch, Weights
from tests.kernel.traffic import LIMIT, ROOT, Router, lvs_cf, until
from tests.kernel.traffic_clients import Clients, Place

TENTH = 0.1  # seconds that changing the table may take (docs/checks.md)
SLACK = 0.4  # seconds

Entry = dict[str, Any]  # an order by hand, as the status document has it


@dataclass
class Line:
    """One connection of a client that is to last; each word on it is asked for."""

    place: Place
    server: str = ""
    opened: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        with inside(network.CLIENT):
            self.opened = socket.create_connection(self.place, LIMIT)
        self.ask()

    def ask(self) -> str:
        """A question and its answer; the real server that gave it. Raises OSError when it is broken."""
        self.opened.sendall(b"GET / HTTP/1.1\r\n\r\n")
        got = b""
        while not got.partition(b"\r\n\r\n")[2].endswith(b"\n"):
            part = self.opened.recv(4096)
            if not part:
                raise ConnectionError(f"{self.server} closed the connection after {got!r}")
            got += part
        self.server = got.partition(b"\r\n\r\n")[2].split()[0].decode()
        return self.server

    def reset(self) -> None:
        """Ends it by a reset, which the kernel forgets within ten seconds (IP_VS_TCP_S_CLOSE)."""
        self.opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.opened.close()


@dataclass
class Scene:
    """r1 with its pulse and its table watched, and what the real servers run for these tests."""

    router: Router
    services: Services
    watch: Watch
    folder: Path  # of pulse
    lines: list[Line] = field(default_factory=list)

    def line(self, place: Place, server: str, most: int = 20) -> Line:
        """A connection to this real server; others that were made on the way are reset."""
        for _ in range(most):
            line = Line(place)
            self.lines.append(line)
            if line.server == server:
                return line
            line.reset()
        raise AssertionError(f"{server} is not given any connection to {place}")

    def hang_up(self) -> None:
        """Ends all of them."""
        for line in self.lines:
            line.opened.close()
        self.lines.clear()

    def install(self, *wanted: VirtualServer) -> list[str]:
        """The changes; the table need not be as if every real server were well."""
        report = self.router.client.install(lvs_cf(*wanted))
        assert not report["refused"], report["refused"]
        return list(report["changes"])

    def virtual_server(self, name: str) -> dict[str, Any]:
        """What the status document says of a virtual server."""
        found: dict[str, Any]
        (found,) = (one for one in self.router.status()["virtual_servers"] if one["name"] == name)
        return found

    def real_server(self, name: str) -> dict[str, Any]:
        """The same of a real server: "web/s1"."""
        of, _, name = name.partition("/")
        found: dict[str, Any]
        (found,) = (one for one in self.virtual_server(of)["real_servers"] if one["name"] == name)
        return found

    def becomes(self, place: Place, weights: Weights, what: str) -> None:
        """Returns when the table has exactly these weights."""
        until(lambda: self.watch.weights(place) == weights, what, self.router.log)

    def wait(self, place: Place, weights: Weights, what: str, since: float) -> float:
        """The same; the seconds from since until it came to that."""
        return self.watch.wait(place, lambda found: found == weights, since, f"{what}\n{self.router.log()}")

    def said(self, level: str, *parts: str) -> bool:
        """Whether an event of that level has all of these parts."""
        events = [one["text"] for one in self.router.status()["events"] if one["level"] == level]
        return any(all(part in text for part in parts) for text in events)

    def order(self, *orders: str) -> None:
        """Gives these orders at a terminal, all at the same time: "drain web/s1"."""
        words = [sys.executable, "-m", "piranha_web.cli", "server"]
        socket_words = ("--socket", str(self.router.client.path))
        running = [
            subprocess.Popen(
                [*words, *order.split(), *socket_words], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for order in orders
        ]
        for one in running:
            said, _ = one.communicate(timeout=LIMIT)
            show(said.strip())
            assert one.returncode == 0

    def ends_at_its_time(self, entry: Entry, place: Place, weight: int | None, ready: float) -> None:
        """Waits until an order has ended: the real server has that weight then, and not before.

        ready: since when pulse has been able to see to it. None: it is not in the table.
        """
        due = entry["until"] - time.time() + time.monotonic()
        name = entry["real_server"]
        until(
            lambda: self.watch.weights(place).get(name) == weight,
            f"{entry['order']} is over",
            self.router.log,
        )
        late = self.watch.changed(place) - due
        show(f"{name}: {entry['order']} ended {late:+.2f} s from its time")
        assert -TENTH <= late <= max(0.0, ready - due) + TENTH + self.slack(due)

    def slack(self, since: float) -> float:
        """The seconds by which a bound may be missed here, for what happened since then."""
        return SLACK + self.watch.late(since)


def place_of(service: VirtualServer) -> Place:
    assert service.address is not None
    return str(service.address.address), service.port


def served(clients: Clients, count: int = 20) -> Counter[str]:
    """Who answers what is asked from now on; nothing may fail."""
    clients.forget()
    clients.go_on(count)
    (answered,) = clients.answered.values()
    return Counter(answered)


def show(text: str) -> None:
    """A line of what was measured, behind pytest's dots (-s)."""
    print(f"\n{text}", end="", flush=True)
