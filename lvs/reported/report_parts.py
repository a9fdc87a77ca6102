"""A router's report in Redis: a summary that every page reads, and one part for each virtual server.

| key | what |
| --- | --- |
| `piranha:report:NAME` | {at, pulse, problem}: pulse with `summary`, and of its virtual servers a few |
| `piranha:report:NAME:servers` | a hash: VIRTUAL SERVER to its part of the status document |
| `piranha:report:NAME:states` | {VIRTUAL SERVER: [state, {state: number}]} |
| `piranha:report:NAME:counts` | {VIRTUAL SERVER: [connections, packets in, out, bytes in, out] or null} |
| `piranha:looked:NAME` | a sorted set: VIRTUAL SERVER by when a page showed it |
| `piranha:looked:NAME:any` | there while pages look at this router at all |

All times are Redis' own. What is written here comes from a router, which may be anybody's by now: whoever
reads it believes its shape as little as that of any other input.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import redis
from redis.client import Pipeline

from lvs.reported import reading
from lvs.reported.report_shape import COUNTS, PART, STATES
from lvs.reported.shape import Misshapen
from lvs.reported.standing import Standing, standing_of
from lvs.reported.summary import MOST_ADDRESSES, MOST_FOREIGN, Part, chosen, kept, states_document, summed_up

log = logging.getLogger("piranha.site")

FORGOTTEN_AFTER = 7 * 86_400
LOOKED_SECONDS = 30  # for which a page that showed something counts as looking at it
AT_ONCE = 200  # virtual servers, where all of them are read
MOST_LOOKED = 500  # virtual servers that are asked for afresh each time


def report_key(name: str) -> str:
    """The Redis key of a router's report."""
    return f"piranha:report:{name}"


def servers_key(name: str) -> str:
    """Of its parts."""
    return f"piranha:report:{name}:servers"


def states_key(name: str) -> str:
    """Of how its virtual servers stand."""
    return f"piranha:report:{name}:states"


def counts_key(name: str) -> str:
    """Of what the kernel has counted for its virtual servers."""
    return f"piranha:report:{name}:counts"


def looked_key(name: str) -> str:
    """Of what pages look at."""
    return f"piranha:looked:{name}"


def looked_at_all_key(name: str) -> str:
    """Of whether pages look at anything of it."""
    return f"piranha:looked:{name}:any"


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def split(pulse: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str], dict[str, Standing]]:
    """A whole status document as its report, its parts and how they stand."""
    standings = {part["name"]: standing_of(part) for part in pulse["virtual_servers"]}
    parts = {part["name"]: kept(part) for part in pulse["virtual_servers"]}
    names = chosen(standings)
    said = {
        **pulse,
        "virtual_servers": [parts[name] for name in names],
        "foreign": list(pulse.get("foreign", ()))[:MOST_FOREIGN],
        "addresses": list(pulse.get("addresses", ()))[:MOST_ADDRESSES],
        "summary": summed_up(standings, len(names), len(standings)),
    }
    return said, {name: compact(part) for name, part in parts.items()}, standings


def replace_all(
    pipeline: Pipeline, name: str, parts: Mapping[str, str], standings: Mapping[str, Standing]
) -> None:
    """Has these be a router's parts, whatever was there."""
    pipeline.delete(servers_key(name))
    if parts:
        pipeline.hset(servers_key(name), items=list(chain.from_iterable(parts.items())))
        pipeline.expire(servers_key(name), FORGOTTEN_AFTER)
    pipeline.set(states_key(name), compact(states_document(standings)), ex=FORGOTTEN_AFTER)


def parts_of(client: redis.Redis, name: str, names: Iterable[str]) -> dict[str, Part]:
    """The parts of these virtual servers, as far as there are any; the router brings them up to date.

    redis.RedisError: Redis is away. ValueError: what is there cannot be understood.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    reading.ask_for_fields(pipeline, servers_key(name), wanted)
    time, bodies = pipeline.execute()
    look(client, name, wanted, time[0])
    return understood(name, zip(wanted, bodies, strict=True))


def understood(name: str, found: Iterable[tuple[str, bytes | int | None]]) -> dict[str, Part]:
    """Those of a router's parts that have the shape of one; of the others nothing is known.

    A number in the place of a part is its size: it is too large.
    """
    parts: dict[str, Part] = {}
    faults: list[str] = []
    for one, body in found:
        try:
            if isinstance(body, int):
                raise Misshapen(f"it has {body // 1024 // 1024} MiB")
            if body is not None:
                parts[one] = reading.understood(body, PART)
        except Misshapen as error:
            faults.append(f"{one!r}: {error}")
    if faults:
        log.warning("%s parts of the report of %s are not understood: %s", len(faults), name, faults[0])
    return parts


def look(client: redis.Redis, name: str, names: Iterable[str], now: int) -> None:
    """Notes that a page shows these virtual servers now (Redis' seconds)."""
    pipeline = client.pipeline(transaction=False)
    pipeline.zadd(looked_key(name), dict.fromkeys(list(names)[:MOST_LOOKED], now))
    pipeline.expire(looked_key(name), LOOKED_SECONDS)
    pipeline.execute()


def every_part(client: redis.Redis, name: str) -> dict[str, Part]:
    """All parts, in no order; for a large cluster that takes seconds. Raises as `parts_of`."""
    parts: dict[str, Part] = {}
    # By the names that are known: what else is in that hash, and how much, is nobody's business.
    names = list(standings_of(client, name))
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        pipeline = client.pipeline(transaction=False)
        reading.ask_for_fields(pipeline, servers_key(name), some)
        parts |= understood(name, zip(some, pipeline.execute()[0], strict=True))
    return parts


def standings_of(client: redis.Redis, name: str) -> dict[str, Standing]:
    """How all virtual servers of a router stand, in the order of its lvs.cf. Raises as `parts_of`."""
    try:
        found = reading.read(client, states_key(name))
        return dict(_standings(bytes(found))) if reading.judged(found, STATES) else {}
    except Misshapen as error:
        raise ValueError(f"how the virtual servers of {name} stand: {error}") from error


def counts_of(client: redis.Redis, name: str) -> dict[str, list[int] | None]:
    """What a router's kernel had counted, at the last ten seconds, for each virtual server. As `parts_of`."""
    found = reading.read(client, counts_key(name))
    try:
        # Another one each time: nothing for `reading` to keep, which judges what it is besides.
        counts: dict[str, list[int] | None] = reading.judged(found, COUNTS, keep=False) or {}
    except Misshapen as error:
        raise ValueError(f"what {name} has counted: {error}") from error
    return counts


@lru_cache(maxsize=8)
def _standings(body: bytes) -> dict[str, Standing]:
    """Of a text that fits; thousands of them, which seldom change."""
    said = reading.understood(body, STATES)
    return {one: Standing(state, counts) for one, (state, counts) in said.items()}
