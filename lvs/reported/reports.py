"""A router's report: what its worker read from pulse, kept in Redis under Redis' own clock.

Beside it stands its brief, the few words that the manager's worker asks for several times a second: the
report of a large cluster has megabytes.

The worker writes it every few seconds and the page reads it, so no page waits for a router and a hundred
open browsers cost a router nothing. Age is the difference of two readings of one clock, Redis': no router's
clock is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import redis
from redis.client import Pipeline

from lvs.machines import broker
from lvs.machines.redis_words import FULL, is_full
from lvs.reported import reading, report_shape
from lvs.reported.report_parts import (
    FORGOTTEN_AFTER,
    LOOKED_SECONDS,
    compact,
    looked_at_all_key,
    replace_all,
    report_key,
    split,
)
from lvs.reported.shape import Kind, Misshapen

INTERVAL = 2.0  # seconds between reports while somebody looks; also the beat that says "the worker lives"
SILENT_AFTER = 3 * INTERVAL  # a worker that misses three reports is said to be silent
MANAGER = ":manager"  # the manager's own worker reports here; no router's name may begin with a colon


def connect(broker_url: str) -> redis.Redis:
    """A client for the broker's Redis that gives up after two seconds.

    broker_url: redis://, rediss:// or Celery's redis+socket://PATH?password=...
    """
    url = broker_url.replace("redis+socket://", "unix://", 1).replace("virtual_host=", "db=")
    made = redis.Redis.from_url(
        url, socket_connect_timeout=2, socket_timeout=2, health_check_interval=0, decode_responses=True
    )
    if broker.is_tls(url):
        made.connection_pool.connection_class = broker.VerifiedConnection
    return made


@lru_cache(maxsize=8)
def client(broker_url: str) -> redis.Redis:
    """This process's own client for that broker; threads share it, and a forked process gets connections of
    its own (redis-py's pool looks at the process id)."""
    return connect(broker_url)


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker last said. age: seconds; pulse: its status document, or None and why in problem.

    is_understood: False, where what stands there is no report; why is in problem, and nothing else is known.
    """

    name: str
    age: float
    pulse: Mapping[str, Any] | None = None
    problem: str | None = None
    is_understood: bool = True

    @property
    def is_silent(self) -> bool:
        """Whether the worker has not been heard for longer than it should be."""
        return self.age > SILENT_AFTER

    @property
    def is_heard(self) -> bool:
        """Whether it is the word of a worker that runs."""
        return self.is_understood and not self.is_silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The few words of a report. answers: whether pulse did; the rest is None, or as in the status document.

    unconfirmed: the serial number of an lvs.cf that waits for its confirmation; knows_confirmation: whether
    this pulse says so at all. key: the id of its newest cluster key. guard: of the panel's port.
    """

    name: str
    age: float
    answers: bool = False
    role: str | None = None
    serial: int | None = None
    sha256: str | None = None
    knows_confirmation: bool = False
    unconfirmed: int | None = None
    key: str | None = None
    guard: Mapping[str, Any] | None = None

    @property
    def is_silent(self) -> bool:
        """As of the report."""
        return self.age > SILENT_AFTER

    @property
    def is_current(self) -> bool:
        """Whether what it says of pulse is how it is now."""
        return self.answers and not self.is_silent


_WORDS = tuple(field.name for field in fields(Brief) if field.name not in ("name", "age"))


def brief_key_of(name: str) -> str:
    """The Redis key of a router's brief."""
    return f"piranha:brief:{name}"


def brief_of(pulse: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a brief takes from pulse's status document."""
    if pulse is None:
        return {"answers": False}
    unconfirmed = pulse.get("unconfirmed")
    redundancy = pulse.get("redundancy")
    return {
        "answers": True,
        "role": pulse["role"],
        "serial": pulse["serial"],
        "sha256": pulse["sha256"],
        "knows_confirmation": "unconfirmed" in pulse,
        "unconfirmed": unconfirmed["serial"] if unconfirmed else None,
        "key": redundancy["keys"]["newest"] if redundancy else None,
        "guard": pulse.get("guard"),
    }


def seconds(time: tuple[int, int]) -> float:
    """Redis' TIME answer (seconds, microseconds) as a number."""
    return time[0] + time[1] / 1e6


def publish(client: redis.Redis, name: str, pulse: Mapping[str, Any] | None, problem: str | None) -> None:
    """Writes the report of a router, whole; redis.RedisError when Redis does not take it.

    A pulse that does not answer leaves the parts of before; `lvs.reported.reporting` writes what has changed
    of many.
    """
    at = seconds(client.time())
    pipeline = client.pipeline(transaction=True)
    said = pulse
    if pulse is not None and "virtual_servers" in pulse:
        said, parts, standings = split(pulse)
        replace_all(pipeline, name, parts, standings)
    report = compact({"at": at, "pulse": said, "problem": problem})
    put(pipeline, name, report, compact({"at": at, **brief_of(pulse)}))
    pipeline.execute()


def put(pipeline: Pipeline, name: str, report: str, brief: str) -> None:
    """Writes a report, of which the parts are elsewhere, and its brief, both in JSON."""
    pipeline.set(report_key(name), report, ex=FORGOTTEN_AFTER)
    pipeline.set(brief_key_of(name), brief, ex=FORGOTTEN_AFTER)


def fetch(
    client: redis.Redis, names: Iterable[str], *, look: bool = True, notes: list[str] | None = None
) -> dict[str, Report]:
    """The reports of these routers; one that never reported is absent. RedisError: Redis is away.

    look: for a page, so that small clusters report all of themselves more often for a while. notes: takes a
    sentence where Redis answers but refuses to be written to.
    """
    return {
        name: Report(name=name, age=age, problem=str(said), is_understood=False)
        if isinstance(said, Misshapen)
        else Report(name=name, age=age, pulse=said["pulse"], problem=said["problem"])
        for name, age, said in _read(client, names, report_key, report_shape.REPORT, look=look, notes=notes)
    }


def briefs(client: redis.Redis, names: Iterable[str]) -> dict[str, Brief]:
    """The briefs of these routers; one that never reported is absent. RedisError: Redis is away.

    Of one that is not understood nothing is believed: not even that its pulse answers.
    """
    return {
        name: Brief(name=name, age=age)
        if isinstance(said, Misshapen)
        else Brief(name=name, age=age, **{word: said[word] for word in _WORDS if word in said})
        for name, age, said in _read(
            client, names, brief_key_of, report_shape.BRIEF, most=reading.LARGEST_BRIEF
        )
    }


def _read(
    client: redis.Redis,
    names: Iterable[str],
    key: Callable[[str], str],
    kind: Kind,
    *,
    look: bool = False,
    notes: list[str] | None = None,
    most: int = reading.LARGEST_REPORT,
) -> Iterator[tuple[str, float, dict[str, Any] | Misshapen]]:
    """What stands under the routers' keys: (name, age in seconds, what is said).

    look: a page shows it. notes: as of `fetch`. most: bytes.
    """
    wanted = list(names)
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for name in wanted:
        reading.ask_for(pipeline, key(name), most)
    if look:
        for name in wanted:
            pipeline.set(looked_at_all_key(name), 1, ex=LOOKED_SECONDS)
    time, *bodies = pipeline.execute(raise_on_error=False)
    if isinstance(time, Exception):
        raise time
    if notes is not None:
        notes += [FULL] if any(map(is_full, bodies[len(wanted) :])) else []
    now = seconds(time)
    for name, body in zip(wanted, bodies[: len(wanted)], strict=True):
        try:
            said = reading.judged(body, kind, most=most)
        except Misshapen as error:
            yield name, 0.0, error
            continue
        if said is not None:
            yield name, max(0.0, now - said["at"]), said
