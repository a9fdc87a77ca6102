"""Traffic of the last hour: rates out of counters, samples in a few bytes, curves out of samples. Pure.

A ring is a string of a fixed length with a place for each step of time: sample number `tick` (Redis' seconds
divided by the step) is at place `tick` modulo the number of places. A sample begins with the lower 16 bits
of its tick, so that one that is left over from an hour before is not taken for one of now; then comes a word
for each value. A word is 0 where nothing is known, else 1 + log2(1 + value) * SCALE: values up to 2**45 are
0.03 % exact (small ones 0.0005), in a quarter of the bytes that a number takes. So what is not there was not
seen, and 0 is 0.

A rate is the difference of two readings of a counter by the seconds between them. A counter that went down
began anew (the service was made again, or its counters were reset, or a 32-bit one went round): then nothing
is known of that time, rather than something wrong.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from urllib.parse import quote

Value = float | None  # None: not known
Series = list[Value]  # oldest first

MOST = 45  # log2 of the largest value
WORDS = 1 << 16
SCALE = (WORDS - 2) / MOST
SHORTEST = 1.0  # seconds between two readings: a rate out of less is chance
COUNTED = ("connections", "packets_in", "packets_out", "bytes_in", "bytes_out")


@dataclass(frozen=True, slots=True)
class Ring:
    """A kind of ring. step: seconds between two samples; places: how many; values: their names."""

    step: int
    places: int
    values: tuple[str, ...]

    @property
    def words(self) -> int:
        """Of 16 bits, in one sample."""
        return 1 + len(self.values)

    @property
    def size(self) -> int:
        """Bytes of one sample."""
        return 2 * self.words

    @property
    def length(self) -> int:
        """Bytes of the ring."""
        return self.places * self.size

    @property
    def seconds(self) -> int:
        """How far back it goes."""
        return self.step * self.places

    @property
    def longest(self) -> float:
        """Seconds between two readings out of which a rate may still be made; more is a gap."""
        return 2.5 * self.step

    def tick(self, now: float) -> int:
        """The number of the sample of that time."""
        return int(now // self.step)

    def offset(self, tick: int) -> int:
        """Where its bytes are."""
        return tick % self.places * self.size

    def pack(self, tick: int, sample: Sequence[Value]) -> bytes:
        """A sample as its bytes."""
        return struct.pack(f"<{self.words}H", tick % WORDS, *map(word_of, sample))

    def series(self, raw: bytes, last: int, name: str) -> Series:
        """The values of that name in a ring: as many as it has places, of which tick last is the newest."""
        words = array("H", raw[: self.length] + bytes(max(0, self.length - len(raw))))
        if sys.byteorder == "big":
            words.byteswap()
        start = (last + 1) % self.places
        stamps, found = words[0 :: self.words], words[1 + self.values.index(name) :: self.words]
        stamps, found = stamps[start:] + stamps[:start], found[start:] + found[:start]
        expected = range(last - self.places + 1, last + 1)
        values = _values()
        return [
            values[word] if stamp == tick % WORDS else None
            for tick, stamp, word in zip(expected, stamps, found, strict=True)
        ]

    def newest(self, raw: bytes, last: int, name: str, count: int) -> Value:
        """The newest of the last count values of that name that is known; tick last is the newest of all."""
        whole, offset = raw.ljust(self.length, b"\0"), 2 * (1 + self.values.index(name))
        for tick in range(last, last - count, -1):
            at = self.offset(tick)
            stamp: int = struct.unpack_from("<H", whole, at)[0]
            word: int = struct.unpack_from("<H", whole, at + offset)[0]
            if stamp == tick % WORDS and word:
                return value_of(word)
        return None


SERVICES = Ring(step=10, places=360, values=(*COUNTED, "active", "inactive"))
SERVERS = Ring(step=60, places=60, values=("connections", "bytes_in", "bytes_out", "active"))


def key(router: str, virtual_server: str = "", real_server: str = "") -> str:
    """The Redis key of a ring: of all that a router has, of a virtual server, of a real server of it."""
    names = "/".join(quote(name, safe="") for name in (virtual_server, real_server) if name)
    return f"piranha:traffic:{router}{':' if names else ''}{names}"


def word_of(value: Value) -> int:
    """A value on the logarithmic scale; what is below 0 counts as 0, what is too large as the largest."""
    if value is None or math.isnan(value):
        return 0
    if value <= 0:
        return 1
    if math.isinf(value):
        return WORDS - 1
    return min(WORDS - 1, 1 + round(math.log2(1 + value) * SCALE))


def value_of(word: int) -> Value:
    """The value of a word."""
    return _values()[word]


@lru_cache(maxsize=1)
def _values() -> tuple[Value, ...]:
    """Of every word."""
    return (None, *(2 ** ((word - 1) / SCALE) - 1 for word in range(1, WORDS)))


# ---- rates


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment. at: seconds of a clock that only goes forward; what: whose they are."""

    at: float
    counted: tuple[int, ...]
    what: str = ""


def rates(before: Reading | None, after: Reading, longest: float) -> tuple[Value, ...]:
    """What came in a second, of each counter; None where that is not known.

    Nothing is known between readings of two things, of which one took the other's name, nor when any counter
    went down, nor when there were more than longest seconds between them.
    """
    unknown = (None,) * len(after.counted)
    if before is None or before.what != after.what or len(before.counted) != len(after.counted):
        return unknown
    seconds = after.at - before.at
    if not SHORTEST <= seconds <= longest:
        return unknown
    came = [new - old for old, new in zip(before.counted, after.counted, strict=True)]
    return unknown if min(came, default=0) < 0 else tuple(each / seconds for each in came)


def added(samples: Iterable[Sequence[Value]]) -> list[Value]:
    """Samples, or curves, added up value by value: what nobody knows is not known."""
    return [
        None
        if all(value is None for value in values)
        else sum(value for value in values if value is not None)
        for values in zip(*samples, strict=True)
    ]


# ---- curves


@dataclass(frozen=True, slots=True)
class Figures:
    """What a curve comes to. now: its last value, unless that is too old; average: of what is known."""

    now: Value
    average: Value
    peak: Value


def figures(series: Sequence[Value], fresh: int = 3) -> Figures:
    """fresh: how many of the newest samples count as now."""
    known = [value for value in series if value is not None]
    if not known:
        return Figures(None, None, None)
    newest = [value for value in series[-fresh:] if value is not None]
    return Figures(newest[-1] if newest else None, sum(known) / len(known), max(known))


def thinned(series: Sequence[Value], most: int) -> Series:
    """A curve of at most so many points: each the average of several, as far as they are known."""
    if len(series) <= most:
        return list(series)
    bounds = [round(place * len(series) / most) for place in range(most + 1)]
    return [_average(series[start:end]) for start, end in pairwise(bounds)]


def _average(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def lines(
    series: Sequence[Value], width: float, height: float, top: float
) -> list[list[tuple[float, float]]]:
    """The curve as lines (x, y) in a picture of that size, y downwards: one for each stretch without a gap.

    top: the value at the upper edge. A stretch of one sample is a line of one step's half width.
    """
    step = width / max(1, len(series) - 1)
    scale = height / top if top > 0 else 0.0
    found = []
    for known, run in groupby(enumerate(series), lambda each: each[1] is not None):
        if known:
            points = [(place * step, height - min(height, (value or 0.0) * scale)) for place, value in run]
            if len(points) == 1:
                x, y = points[0]
                points = [(max(0.0, x - step / 4), y), (min(width, x + step / 4), y)]
            found.append(points)
    return found
