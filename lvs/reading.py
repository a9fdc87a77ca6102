"""Reading from Redis what a router has written there, whatever it has written.

A router's user of Redis may write anything under its own keys: another type of value, bytes that are no text,
half a gigabyte. None of that may keep a page, or the manager's work for other routers, from going on.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import redis
from redis.client import NEVER_DECODE, Pipeline

from lvs.shape import Kind, Misshapen, parsed

LARGEST = 16 * 1024 * 1024  # bytes; a report of the largest cluster has one
BUDGET = (
    8 * 1024 * 1024
)  # bytes of texts that are kept, whatever a router writes; their values take some times that
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


def judged(found: Found, kind: Kind, *, keep: bool = True) -> Any | None:
    """What a router wrote; None: nothing. Misshapen: it does not fit; redis.RedisError: what Redis says.

    keep: it may be asked for again as it is.
    """
    if isinstance(found, Exception):
        if isinstance(found, redis.ResponseError) and str(found).startswith(WRONG_TYPE):
            raise Misshapen("it is of another type in Redis") from found
        raise found
    if not found:
        return None
    if len(found) > LARGEST:
        raise Misshapen(f"it has more than {LARGEST // 1024 // 1024} MiB")
    return understood(bytes(found), kind) if keep else parsed(bytes(found), kind)


class Kept:
    """Texts that were understood lately, with their values: BUDGET bytes of texts at most."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[bytes | str, Kind], Any] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def texts(self) -> list[bytes | str]:
        """Those that are there, the one asked for last at the end."""
        return [body for body, _ in self._values]

    def understood(self, body: bytes | str, kind: Kind) -> Any:
        """The value of the text; Misshapen."""
        key = (body, kind)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = parsed(body, kind)
        if len(body) <= BUDGET // 4:
            self._keep(key, value)
        return value

    def _keep(self, key: tuple[bytes | str, Kind], value: Any) -> None:
        with self._lock:
            if key not in self._values:  # another thread may have been as quick
                self._values[key] = value
                self._size += len(key[0])
            while self._size > BUDGET:
                (body, _), _value = self._values.popitem(last=False)
                self._size -= len(body)


_KEPT = Kept()


def understood(body: bytes | str, kind: Kind) -> Any:
    """The value of a JSON text that fits; Misshapen. Nobody may change what this gives.

    Most of what pages read is as it was at the last look, by whichever of them: it is kept for the next.
    """
    return _KEPT.understood(body, kind)
