"""Reading from Redis what a router has written there, whatever it has written.

A router's user of Redis may write anything under its own keys: another type of value, bytes that are no text,
half a gigabyte. None of that may keep a page, or the manager's work for other routers, from going on.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import redis
from redis.client import NEVER_DECODE, Pipeline

from lvs.reported.shape import Kind, Misshapen, parsed

# Bytes, measured at 5,000 virtual servers with 50,000 real servers: how they stand has 0.2 MB, an answer with
# the lvs.cf of that 10 MB; a report has some hundred kB, the part of one virtual server 0.5 kB a real server.
LARGEST = 16 * 1024 * 1024
LARGEST_REPORT = 4 * 1024 * 1024
LARGEST_BRIEF = 64 * 1024
LARGEST_PART = 32 * 1024 * 1024  # all of those real servers may be in one virtual server
TOGETHER = 64 * 1024 * 1024  # of several fields of a hash
BUDGET = (
    8 * 1024 * 1024
)  # bytes of texts that are kept, whatever a router writes; their values take some times that
WRONG_TYPE = "WRONGTYPE"  # how Redis' error about a key of another type begins

Found = Any  # what Redis gave for one command: bytes, or an error


# HMGET, but of a field of more than ARGV[1] bytes, or than is left of ARGV[2] for all, its size alone: it is
# never sent, and between the look at its size and the reading nobody can put another one there.
_FIELDS = """
local found, most, left = {}, tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 3, #ARGV do
  local size = redis.call('HSTRLEN', KEYS[1], ARGV[i])
  if size > most or size > left then
    found[i - 2] = size
  else
    found[i - 2] = redis.call('HGET', KEYS[1], ARGV[i])
    left = left - size
  end
end
return found
"""


def ask_for(pipeline: Pipeline, key: str, most: int = LARGEST) -> None:
    """Adds a key to what is read at once, with execute(raise_on_error=False); `judged` takes what comes.

    most: bytes; of a longer value that many and one are read, so that `judged` knows.
    """
    pipeline.execute_command("GETRANGE", key, 0, most, **{NEVER_DECODE: True})  # type: ignore[no-untyped-call]


def ask_for_fields(
    pipeline: Pipeline, key: str, fields: Sequence[str], most: int = LARGEST_PART, together: int = TOGETHER
) -> None:
    """Adds fields of a hash to what is read at once: bytes, None, or the size of one that is too large."""
    words = ("EVAL", _FIELDS, 1, key, most, together, *fields)
    pipeline.execute_command(*words, **{NEVER_DECODE: True})  # type: ignore[no-untyped-call]


def read(client: redis.Redis, key: str) -> Found:
    """One key, for `judged`. redis.RedisError: Redis is away."""
    pipeline = client.pipeline(transaction=False)
    ask_for(pipeline, key)
    return pipeline.execute(raise_on_error=False)[0]


def judged(found: Found, kind: Kind, *, keep: bool = True, most: int = LARGEST) -> Any | None:
    """What a router wrote; None: nothing. Misshapen: it does not fit; redis.RedisError: what Redis says.

    keep: it may be asked for again as it is. most: as `ask_for` was told.
    """
    if isinstance(found, Exception):
        if isinstance(found, redis.ResponseError) and str(found).startswith(WRONG_TYPE):
            raise Misshapen("it is of another type in Redis") from found
        raise found
    if not found:
        return None
    if len(found) > most:
        words = f"{most // 1024 // 1024} MiB" if most >= 1024 * 1024 else f"{most // 1024} KiB"
        raise Misshapen(f"it has more than {words}")
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
