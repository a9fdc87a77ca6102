"""Eyes on r1's table: which weights its real servers have had, and when."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from deploy.lab.namespaces import inside
from tests.kernel.traffic import until
from tests.kernel.traffic_clients import Place

Weights = dict[str, int]  # in the table, by name; of one with a port of its own "s1:8080"

LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Change:
    """The weights of a service's real servers from then on. at: of the monotonic clock."""

    at: float
    place: Place
    weights: Weights


class Watch:
    """Looks at r1's table all the time and keeps what changes, and how late it was itself.

    The kernel's text is read (/proc/net/ip_vs): no process has to be started for it.
    """

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._now: dict[Place, Weights] = {}
        self._looks: list[tuple[float, float]] = []  # when, and how much later than meant
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def weights(self, place: Place) -> Weights:
        """Of this moment; {} also for a service that is not there."""
        return dict(self._now.get(place, {}))

    def first(self, place: Place, fits: Callable[[Weights], bool], since: float) -> float | None:
        """The seconds from since until the weights changed to what fits; None: they have not."""
        return next((one.at - since for one in self._since(place, since) if fits(one.weights)), None)

    def wait(self, place: Place, fits: Callable[[Weights], bool], since: float, what: str) -> float:
        """The same, waited for."""
        until(
            lambda: self.first(place, fits, since) is not None, what, lambda: str(self._since(place, since))
        )
        seconds = self.first(place, fits, since)
        assert seconds is not None
        return seconds

    def steps(self, place: Place, name: str, since: float) -> list[tuple[float, int]]:
        """The weights that a real server had one after the other: seconds, weight."""
        found: list[tuple[float, int]] = []
        for one in self._since(place, since):
            weight = one.weights.get(name)
            if weight is not None and (not found or found[-1][1] != weight):
                found.append((one.at - since, weight))
        return found

    def changed(self, place: Place) -> float:
        """When its weights were changed last, on the monotonic clock."""
        return self._since(place, 0.0)[-1].at

    def late(self, since: float) -> float:
        """The seconds since then in which this thread was ready to run and had to wait, altogether."""
        return sum(late for at, late in list(self._looks) if at >= since)

    def _since(self, place: Place, since: float) -> list[Change]:
        return [one for one in list(self.changes) if one.place == place and one.at >= since]

    def _run(self) -> None:
        with inside("r1"):
            path = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/net/ip_vs")
            due = time.monotonic()
            while not self._end.wait(max(0.0, due - time.monotonic())):
                now = time.monotonic()
                self._looks.append((now, now - due))
                found = read_table(path.read_text("ascii"))
                for place in found.keys() | self._now.keys():
                    weights = found.get(place, {})
                    if weights != self._now.get(place, {}):
                        self.changes.append(Change(now, place, weights))
                self._now = found
                due = now + LOOK_SECONDS


def read_table(text: str) -> dict[Place, Weights]:
    """The services by address and port, TCP and UDP (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show)."""
    found: dict[Place, Weights] = {}
    weights: Weights = {}
    port = 0
    for line in text.splitlines()[3:]:
        words = line.split()
        if words[0] == "->":
            address, own = _place(words[1])
            name = f"s{int(address.rpartition('.')[2]) % 10}"
            weights[name if own == port else f"{name}:{own}"] = int(words[3])
        elif words[0] in ("TCP", "UDP"):
            address, port = _place(words[1])
            weights = found[address, port] = {}
    return found


def _place(text: str) -> Place:
    address, _, port = text.partition(":")
    return str(ip_address(int(address, 16))), int(port, 16)
