"""What a router's worker reports of its pulse: of a small cluster all, of a large one what has changed.

Theory. Each time (every two seconds) pulse is asked for its status without virtual servers, which costs it
little however many there are, and for a mark of each. Then it is asked for virtual servers by name, a few at
a time, in this order: those whose mark is new; those that a page shows; some of the others, so that each has
its turn within TURN seconds (a small cluster: all of them, every two seconds while anybody looks, else every
ten). That ends when BUDGET seconds are over, however much is left for the next time: the sign of life
must not come late. Redis gets the parts that are not what they were.

What was written is remembered by a hash of each part. A Redis that has lost it (it keeps nothing over a
restart) has other numbers of parts than this, and gets everything again; so does one in which another worker
has written before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import redis
from redis.client import Pipeline

from lvs.errors import LvsError
from lvs.reported import reports
from lvs.reported.report_parts import (
    FORGOTTEN_AFTER,
    LOOKED_SECONDS,
    MOST_LOOKED,
    compact,
    counts_key,
    looked_at_all_key,
    looked_key,
    servers_key,
    states_key,
)
from lvs.reported.sampling import Sampler
from lvs.reported.standing import Standing, standing_of
from lvs.reported.summary import Part, chosen, kept, states_document, summed_up

SMALL = 1000  # real servers that are asked for all at once
TURN = 50.0  # seconds in which each virtual server of a large cluster has its turn
IDLE = 10.0  # seconds between two looks at all of a small cluster that nobody looks at
BATCH = 50  # virtual servers in one question to pulse
BUDGET = 1.0  # seconds of one report's time for questions to pulse


class Source(Protocol):
    """What is asked of pulse: `lvs.pulse.client.PulseClient`, or a fake. All raise LvsError."""

    def status(self, servers: Sequence[str] | None = None) -> dict[str, Any]: ...

    def counters(self) -> dict[str, Any]: ...


class Reporter:
    """Reports of one router, to be made every `reports.INTERVAL` seconds.

    clock: seconds that only go forward. sampler: what becomes of the counters.
    """

    def __init__(
        self,
        client: redis.Redis,
        name: str,
        pulse: Source,
        *,
        sampler: Sampler | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._pulse = pulse
        self._clock = clock
        self._sampler = sampler or Sampler(name, clock=clock)
        # Of the virtual servers as they were asked for last, that which was asked for longest ago first.
        self._marks: dict[str, int] = {}
        self._standings: dict[str, Standing] = {}
        self._written: dict[str, int] = {}  # the hash of each part in Redis
        self._looked_at_all = float("-inf")  # when all of a small cluster was asked for
        self._has_states = False  # in Redis
        self._foreign: list[Part] = []
        self._counts: str | None = None  # of the virtual servers, not written yet
        self._problems: list[str] = []  # that pulse names when it reads the table, and only then

    def report(self) -> None:
        """Asks pulse and writes what is new, or why pulse does not say. redis.RedisError: Redis is away."""
        try:
            self._report()
        except LvsError as error:
            reports.publish(self._client, self._name, None, str(error))

    def _report(self) -> None:
        now, looked, is_looked_at = self._begin()
        head = self._pulse.status([])
        self._sampler.begin(now, head["role"])
        if "marks" not in head:  # a pulse that was started before this worker was brought up to date
            reports.publish(self._client, self._name, head, None)
            return
        marks: dict[str, int] = head.pop("marks")
        self._forget_others(marks)
        new = self._ask(head, marks, self._wanted(marks, looked, is_looked_at))
        if self._sampler.is_due:
            counted = self._pulse.counters()
            self._foreign = counted["foreign"]
            self._counts = compact(counted["virtual_servers"])
            self._sampler.take_services(counted["virtual_servers"])
        try:
            self._write(now, head, marks, new)
        except redis.RedisError:
            for name in new:  # perhaps it is there, perhaps not: it is asked for again
                self._marks.pop(name, None)
            raise

    def _begin(self) -> tuple[float, list[str], bool]:
        """Redis' time, the virtual servers that pages show, and whether any page shows this router."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hlen(servers_key(self._name))
        pipeline.exists(states_key(self._name))
        pipeline.exists(looked_at_all_key(self._name))
        pipeline.zrange(looked_key(self._name), 0, -1, withscores=True)
        time, parts, states, looked_at_all, looked = pipeline.execute()
        now = reports.seconds(time)
        self._has_states = bool(states)
        if parts != len(self._written) or not states:
            self._begin_anew()
        newest = [str(one) for one, at in reversed(looked) if at >= now - LOOKED_SECONDS]
        return now, newest[:MOST_LOOKED], bool(looked_at_all)

    def _begin_anew(self) -> None:
        """Redis has other parts than this has written: they are overwritten one by one, as they are read."""
        self._written = dict.fromkeys(map(str, self._client.hkeys(servers_key(self._name))), 0)
        self._marks.clear()
        self._standings.clear()
        self._looked_at_all = float("-inf")

    def _forget_others(self, marks: Mapping[str, int]) -> None:
        """Those that are not in service any more."""
        for gone in self._marks.keys() - marks.keys():
            del self._marks[gone]
            self._standings.pop(gone, None)
            self._sampler.forget(gone)

    def _wanted(self, marks: Mapping[str, int], looked: Iterable[str], is_looked_at: bool) -> Iterator[str]:
        """What to ask for, in that order, each once."""
        names = [name for name, mark in marks.items() if self._marks.get(name) != mark]
        names += [name for name in looked if name in marks]
        is_small = sum(one.real_servers for one in self._standings.values()) <= SMALL
        if is_small:
            if is_looked_at or self._clock() - self._looked_at_all >= IDLE:
                self._looked_at_all = self._clock()
                names += marks
        else:
            share = 1 + int(len(marks) * reports.INTERVAL / TURN)
            names += itertools.islice(self._marks, share)
        return iter(dict.fromkeys(names))

    def _ask(self, head: dict[str, Any], marks: Mapping[str, int], wanted: Iterator[str]) -> dict[str, str]:
        """Asks pulse as long as there is time; what is not as it was written, in JSON."""
        end = self._clock() + BUDGET
        new: dict[str, str] = {}
        own = list(head["problems"])
        while names := list(itertools.islice(wanted, BATCH)):
            said = self._pulse.status(names)
            self._problems = [one for one in said["problems"] if one not in own]
            self._sampler.take_parts(said["virtual_servers"])
            for part in said["virtual_servers"]:
                name = part["name"]
                self._marks.pop(name, None)
                self._marks[name] = marks.get(name, 0)
                self._standings[name] = standing_of(part)
                body = compact(kept(part))
                if self._written.get(name) != hash(body):
                    new[name] = body
            if self._clock() > end:
                break
        head["problems"] = own + self._problems
        return new

    def _write(
        self, now: float, head: dict[str, Any], marks: Mapping[str, int], new: Mapping[str, str]
    ) -> None:
        gone = self._written.keys() - marks.keys()
        standings = {name: self._standings[name] for name in marks if name in self._standings}
        names = chosen(standings)
        pipeline = self._client.pipeline(transaction=True)
        self._write_parts(pipeline, new, gone, standings, len(marks))
        pipeline.hmget(servers_key(self._name), names or [""])
        bodies = [body for body in pipeline.execute()[-1] if body is not None]
        for name in gone:
            del self._written[name]
        self._written |= {name: hash(body) for name, body in new.items()}
        head["summary"] = summed_up(standings, len(names), len(marks))
        head["foreign"] = self._foreign
        brief = compact({"at": now, **reports.brief_of(head)})
        said = f'{compact(head)[:-1]},"virtual_servers":[{",".join(bodies)}]}}'
        body = f'{{"at":{now},"problem":null,"pulse":{said}}}'
        last = self._client.pipeline(transaction=True)
        reports.put(last, self._name, body, brief)
        last.zremrangebyscore(looked_key(self._name), "-inf", now - 2 * LOOKED_SECONDS)
        if self._counts is not None:
            last.set(counts_key(self._name), self._counts, ex=FORGOTTEN_AFTER)
            self._counts = None
        self._sampler.write(last)
        last.execute()

    def _write_parts(
        self,
        pipeline: Pipeline,
        new: Mapping[str, str],
        gone: Iterable[str],
        standings: Mapping[str, Standing],
        total: int,
    ) -> None:
        key = servers_key(self._name)
        if gone:
            pipeline.hdel(key, *gone)
        if new:
            pipeline.hset(key, items=list(itertools.chain.from_iterable(new.items())))
        pipeline.expire(key, FORGOTTEN_AFTER)
        # What begins anew knows only some of them for a while: pages filter by those of before until then.
        if (new or gone) and (len(standings) == total or not self._has_states):
            body = compact(states_document(standings))
            pipeline.set(states_key(self._name), body, ex=FORGOTTEN_AFTER)
        else:
            pipeline.expire(states_key(self._name), FORGOTTEN_AFTER)
