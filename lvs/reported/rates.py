"""How busy every virtual server of a router is now, in one text: a list of thousands is sorted by it.

`piranha:report:NAME:rates`: {at (Redis' seconds), rates: {VIRTUAL SERVER: [connections a second, active
connections], null where it is not known}}, written with each sample of its traffic. The rings have the same,
but a page cannot read thousands of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import redis
from redis.client import Pipeline

from lvs.reported import reading
from lvs.reported.reports import seconds
from lvs.reported.shape import Misshapen, mapped, maybe, number, pair, record
from lvs.reported.traffic import Value, added

log = logging.getLogger("piranha.site")

STALE = 30.0  # seconds after which it is not how it is now
EXPIRES = 300
RATES = record({"at": number, "rates": mapped(pair(maybe(number), maybe(number)))})


@dataclass(frozen=True, slots=True)
class Busy:
    """Connections a second, and active connections, of one virtual server; None: not known."""

    rate: Value
    active: Value


UNKNOWN = Busy(None, None)


def key(router: str) -> str:
    """The Redis key of a router's."""
    return f"piranha:report:{router}:rates"


def write(pipeline: Pipeline, router: str, now: float, found: Mapping[str, tuple[Value, Value]]) -> None:
    """Adds them to what is written. now: Redis' time."""
    rates = {
        name: [None if value is None else round(value, 2) for value in two] for name, two in found.items()
    }
    body = json.dumps({"at": now, "rates": rates}, separators=(",", ":"))
    pipeline.set(key(router), body, ex=EXPIRES)


def read(client: redis.Redis, routers: Iterable[str]) -> dict[str, Busy]:
    """Of all virtual servers, both routers of a pair added up; {}: Redis is away, or nobody spoke lately."""
    names = list(routers)
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    for name in names:
        reading.ask_for(pipeline, key(name))
    try:
        now, *bodies = pipeline.execute(raise_on_error=False)
        if isinstance(now, redis.RedisError):
            raise now
        said = [_fresh(name, body, seconds(now)) for name, body in zip(names, bodies, strict=True)]
    except redis.RedisError as error:
        log.warning("how busy the virtual servers are cannot be read: %s", error)
        return {}
    return {
        name: Busy(*added([each[name] for each in said if name in each]))
        for name in dict.fromkeys(_names(said))
    }


def _names(said: Iterable[Mapping[str, object]]) -> Iterable[str]:
    return (name for each in said for name in each)


def _fresh(router: str, body: reading.Found, now: float) -> Mapping[str, tuple[Value, Value]]:
    """What one router says, as long as it is of now and has the shape."""
    try:
        said = reading.judged(body, RATES, keep=False)
    except Misshapen as error:
        log.warning("how busy the virtual servers of %s are is not understood: %s", router, error)
        return {}
    if said is None or now - said["at"] > STALE:
        return {}
    rates: Mapping[str, tuple[Value, Value]] = said["rates"]
    return rates
