"""Traffic as a router's worker writes it down: counters of pulse in, samples for Redis out.

Of each virtual server a sample every ten seconds, of each real server one a minute, as often as the reports
look at it (`lvs.reported.reporting`); the connections that are open come from there as well, so in a large
cluster they may be of a minute ago. What a standby does not see is not written: both routers' samples are
added up.

Memory: in the worker about 400 bytes for each real server; in Redis 600 bytes for each real server and 5,760
for each virtual server, besides the keys: 70 MB at 5,000 virtual servers with 50,000 real servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from redis.client import Pipeline

from lvs.reported import rates, traffic
from lvs.reported.summary import Part
from lvs.reported.traffic import COUNTED, SERVERS, SERVICES, Reading, Ring, Value

EXPIRES = 4200  # seconds: an hour, and as long as it may take until that is said again
RENEWED = 300  # seconds after which it is


class Sampler:
    """The samples of one router. clock: seconds that only go forward, for rates; places go by Redis' time."""

    def __init__(self, router: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._router = router
        self._clock = clock
        self._now = 0.0
        self._is_active = False
        self._tick = -1
        self._services: dict[str, Reading] = {}
        self._servers: dict[str, dict[str, Reading]] = {}
        self._minutes: dict[str, int] = {}
        self._open: dict[str, tuple[int, int]] = {}  # connections of each virtual server, active and not
        self._places: dict[str, str] = {}  # the address of each virtual server
        self._renewed: dict[str, float] = {}  # when each key was last made to expire
        self._writes: list[tuple[str, Ring, int, bytes]] = []
        self._busy: dict[str, tuple[Value, Value]] | None = None  # None: said already

    def begin(self, now: float, role: str) -> None:
        """A report begins. now: Redis' time."""
        self._now, self._is_active = now, role == "active"
        self._writes.clear()
        self._busy = None

    @property
    def is_due(self) -> bool:
        """Whether it is time for the virtual servers' counters."""
        return SERVICES.tick(self._now) != self._tick

    def take_services(self, counted: Mapping[str, Sequence[int] | None]) -> None:
        """The counters of all virtual servers, in the order of COUNTED; None: not in the kernel's table."""
        at = self._clock()
        self._tick = SERVICES.tick(self._now)
        samples = []
        busy: dict[str, tuple[Value, Value]] = {}
        for name, numbers in counted.items():
            if numbers is None:
                self._services.pop(name, None)
                continue
            after = Reading(at, tuple(numbers), self._places.get(name, ""))
            before = self._services.get(name)
            self._services[name] = after
            sample = [*traffic.rates(before, after, SERVICES.longest), *self._open.get(name, (None, None))]
            samples.append(sample)
            busy[name] = sample[0], sample[len(COUNTED)]
            self._note(traffic.key(self._router, name), SERVICES, sample)
        if samples:
            self._note(traffic.key(self._router), SERVICES, traffic.added(samples))
        self._busy = busy if self._is_active else None  # a standby sees no traffic: that is no zero

    def take_parts(self, parts: Iterable[Part]) -> None:
        """Virtual servers as pulse's status has them."""
        at, minute = self._clock(), SERVERS.tick(self._now)
        for part in parts:
            name, members = part["name"], part["real_servers"]
            counted = [one["counters"] for one in members if one["counters"]]
            self._open[name] = sum(one["active"] for one in counted), sum(one["inactive"] for one in counted)
            self._places[name] = part["key"]
            if self._minutes.get(name) != minute:
                self._minutes[name] = minute
                before = self._servers.get(name, {})
                self._servers[name] = {
                    one["name"]: self._take_server(at, part, one, before.get(one["name"]))
                    for one in members
                    if one["counters"]
                }

    def _take_server(self, at: float, part: Part, one: Mapping[str, Any], before: Reading | None) -> Reading:
        counters = one["counters"]
        what = f"{part['key']} {one['address']}:{one['port']}"
        if before is not None and before.what == what:
            what = before.what  # the same object again: there are many
        after = Reading(at, tuple(counters[name] for name in ("connections", "bytes_in", "bytes_out")), what)
        sample = [*traffic.rates(before, after, SERVERS.longest), counters["active"]]
        self._note(traffic.key(self._router, part["name"], one["name"]), SERVERS, sample)
        return after

    def forget(self, name: str) -> None:
        """A virtual server that is not in service any more."""
        for kept in (self._services, self._servers, self._minutes, self._open, self._places):
            kept.pop(name, None)

    def _note(self, key: str, ring: Ring, sample: Sequence[Value]) -> None:
        if not any(sample) and (not self._is_active or all(value is None for value in sample)):
            return
        tick = ring.tick(self._now)
        self._writes.append((key, ring, ring.offset(tick), ring.pack(tick, sample)))

    def write(self, pipeline: Pipeline) -> None:
        """What is to be written of this report."""
        if self._busy is not None:
            rates.write(pipeline, self._router, self._now, self._busy)
        for key, ring, offset, sample in self._writes:
            renewed = self._renewed.get(key)
            if renewed is None:
                # At once in its full length: what grows takes twice the memory.
                pipeline.set(key, bytes(ring.length), nx=True, ex=EXPIRES)
            if renewed is None or self._now - renewed >= RENEWED or self._now < renewed:
                self._renewed[key] = self._now
                pipeline.expire(key, EXPIRES)
            pipeline.setrange(key, offset, sample)
        if len(self._renewed) > 2 * (len(self._services) + sum(map(len, self._servers.values()))) + 100:
            self._renewed = {key: at for key, at in self._renewed.items() if self._now - at < EXPIRES}


__all__ = ["COUNTED", "Sampler"]
