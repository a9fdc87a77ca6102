"""What a router's worker refused to do, counted for CONTROL: the sign that somebody else writes to Redis.

A refused task has no answer, for whoever put it there is none of ours. The worker counts, and every few
seconds adds what it counted to `piranha:refused:NAME`, a hash: KIND (how many), KIND.at (the last one, by
Redis' clock) and KIND.why. A day after the last refusal it is forgotten.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import redis

from lvs.reported import reading

KEPT = 86_400  # seconds
MOST_WORDS = 300  # signs of a reason
FRESH = 3600.0  # seconds for which a refusal is a danger, and no mere warning

log = logging.getLogger("piranha.worker")


class Kind(StrEnum):
    """Why a task was refused."""

    UNSIGNED = "unsigned"  # no signature, or no task at all
    FORGED = "forged"  # a signature of somebody else, or of another text
    FOREIGN = "foreign"  # for another router
    REPLAYED = "replayed"  # taken before
    LATE = "late"  # older than what may still come
    UNRECORDED = "unrecorded"  # the serial numbers cannot be read or written


WHAT = {
    Kind.UNSIGNED: "without a signature",
    Kind.FORGED: "with a wrong signature",
    Kind.FOREIGN: "that were meant for another router",
    Kind.REPLAYED: "that it had taken before",
    Kind.LATE: "that were too old",
    Kind.UNRECORDED: "because it cannot keep account of them",
}
WRITER = "somebody else can write to Redis. Give Redis' users new passwords, and enrol the routers again"
REMEDIES = {
    Kind.UNSIGNED: WRITER,
    Kind.FORGED: f"{WRITER}; if this manager was set up anew, it has another key: enrol {{name}} again",
    Kind.FOREIGN: WRITER,
    Kind.REPLAYED: f"the network has doubled them, or {WRITER}",
    Kind.LATE: (
        "if this manager was restored from a backup or set up anew, run on {name}: "
        f"piranha worker --router {{name}} --forget-serials. Otherwise {WRITER}"
    ),
    Kind.UNRECORDED: "it takes none until that is mended; then run there: piranha worker --router {name} "
    "--forget-serials",
}
_FIELDS = tuple(f"{kind}{end}" for kind in Kind for end in ("", ".at", ".why"))
_MOST_BYTES = 4 * MOST_WORDS  # of a value
PRESENT = (Kind.LATE, Kind.UNRECORDED)  # over as soon as a task is taken again


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a router refused of one kind. age: seconds since the last one; why: what was said of that."""

    router: str
    kind: Kind
    count: int
    age: float
    why: str

    @property
    def level(self) -> str:
        """As of an alarm: danger or warning."""
        return "danger" if self.age < FRESH and self.kind is not Kind.REPLAYED else "warning"

    @property
    def sentence(self) -> str:
        """What happened, and what to do."""
        tasks = "1 task" if self.count == 1 else f"{self.count} tasks"
        why = f"{self.why}. " if self.why and self.kind in PRESENT else ""
        words = WHAT[self.kind].replace("were", "was") if self.count == 1 else WHAT[self.kind]
        what = f"{self.router} refused {tasks} {words}, the last one {_ago(self.age)}"
        remedy = REMEDIES[self.kind].format(name=self.router)
        return f"{what}: {why}{remedy[0].upper() if why else remedy[0]}{remedy[1:]}."


class Refusals:
    """Counts in a worker; its threads share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[Kind, tuple[int, str]] = {}
        self._works = False

    def note(self, kind: Kind, why: str) -> None:
        """One more was refused."""
        with self._lock:
            count, _ = self._counted.get(kind, (0, ""))
            self._counted[kind] = count + 1, why
            self._works = self._works and kind not in PRESENT

    def note_taken(self) -> None:
        """A task was taken: what hindered that is over."""
        with self._lock:
            self._works = True

    def publish(self, client: redis.Redis, router: str) -> None:
        """Adds what was counted to the router's. redis.RedisError: Redis is away, and it is counted on."""
        with self._lock:
            counted, self._counted = self._counted, {}
            works, self._works = self._works, False
        try:
            _add(client, key_of(router), counted, works)
        except redis.RedisError:
            with self._lock:
                for kind, (count, why) in counted.items():
                    more, newer = self._counted.get(kind, (0, why))
                    self._counted[kind] = count + more, newer
            raise
        for kind, (count, why) in counted.items():
            log.error("refused %s: %s %s: %s", kind, count, "task" if count == 1 else "tasks", why)


def key_of(router: str) -> str:
    """The Redis key of what a router refused."""
    return f"piranha:refused:{router}"


def _add(client: redis.Redis, key: str, counted: dict[Kind, tuple[int, str]], works: bool) -> None:
    if not counted and not works:
        return
    seconds, microseconds = client.time()
    pipeline = client.pipeline(transaction=True)
    if works:
        for kind in PRESENT:
            pipeline.hdel(key, kind, f"{kind}.at", f"{kind}.why")
    for kind, (count, why) in counted.items():
        pipeline.hincrby(key, kind, count)
        pipeline.hset(
            key, mapping={f"{kind}.at": seconds + microseconds / 1e6, f"{kind}.why": why[:MOST_WORDS]}
        )
    if counted:
        pipeline.expire(key, KEPT)
    pipeline.execute()


def fetch(client: redis.Redis, names: Iterable[str]) -> tuple[Refused, ...]:
    """What these routers refused within a day, worst first. redis.RedisError: Redis is away."""
    wanted = list(names)
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for name in wanted:
        # These fields and no others, as bytes: what else a router has put there keeps nobody from the rest.
        reading.ask_for_fields(pipeline, key_of(name), _FIELDS, _MOST_BYTES)
    (seconds, microseconds), *bodies = pipeline.execute(raise_on_error=False)
    now = seconds + microseconds / 1e6
    found = (one for name, body in zip(wanted, bodies, strict=True) for one in _read(name, body, now))
    return tuple(sorted(found, key=lambda one: (one.level != "danger", one.age)))


def _read(name: str, body: object, now: float) -> Iterator[Refused]:
    """What a router says; one that was taken over may say anything, in any shape."""
    if not isinstance(body, list):
        return
    texts = (value.decode(errors="replace") if isinstance(value, bytes) else "" for value in body)
    said = dict(zip(_FIELDS, texts, strict=True))
    for kind in Kind:
        try:
            count, at = int(said[kind]), float(said[f"{kind}.at"])
        except ValueError:
            continue
        if count < 1 or not math.isfinite(at):
            continue
        words = said[f"{kind}.why"][:MOST_WORDS]
        why = "".join(sign if sign.isprintable() else "?" for sign in words)
        yield Refused(router=name, kind=kind, count=count, age=max(0.0, now - at), why=why)


def _ago(age: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if age >= 2 * size:
            return f"{int(age // size)} {unit} ago"
    return f"{int(age)} s ago"
