"""Reading from Redis what a router has written there, whatever it has written.

A router's user of Redis may write anything under its own keys: another type of value, bytes that are no text,
half a gigabyte. None of that may keep a page, or the manager's work for other routers, from going on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import redis
from redis.client import NEVER_DECODE, Pipeline

from lvs.shape import Kind, Misshapen, parsed

LARGEST = 16 * 1024 * 1024  # bytes; a report of the largest cluster has one
KEPT = 300  # texts: reports, and parts of those that pages show, of a few kB each
WRONG_TYPE = "WRONGTYPE"  # how Redis' error about a key of another type begins

Found = Any  # what Redis gave for one command: bytes, or an error


def ask_for(pipeline: Pipeline, key: str) -> None:
    """Adds a key to what is read at once, with execute(raise_on_error=False); `judged` takes what comes."""
    pipeline.execute_command("GETRANGE", key, 0, LARGEST, **{NEVER_DECODE: True})  # type: ignore[no-untyped-call]


def read(client: redis.Redis, key: str) -> Found:
    """One key, for `judged`. redis.RedisError: Redis is away."""
    pipeline = client.pipeline(transaction=False)
    ask_for(pipeline, key)
    return pipeline.execute(raise_on_error=False)[0]


def judged(found: Found, kind: Kind) -> Any | None:
    """What a router wrote; None: nothing. Misshapen: it does not fit; redis.RedisError: what Redis says."""
    if isinstance(found, Exception):
        if isinstance(found, redis.ResponseError) and str(found).startswith(WRONG_TYPE):
            raise Misshapen("it is of another type in Redis") from found
        raise found
    if not found:
        return None
    if len(found) > LARGEST:
        raise Misshapen(f"it has more than {LARGEST // 1024 // 1024} MiB")
    return understood(bytes(found), kind)


@lru_cache(maxsize=KEPT)
def understood(body: bytes | str, kind: Kind) -> Any:
    """The value of a JSON text that fits; Misshapen. Nobody may change what this gives.

    Most of what pages read is as it was at the last look, by whichever of them: it is kept for the next.
    """
    return parsed(body, kind)
