"""What the bench measures with, and how it says what came of it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RUNS = 3
QUIET = 0.3  # seconds without work after which a process counts as done


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. found is what has the aim: a ratio, seconds, megabytes."""

    what: str
    how: str
    found: float
    aim: float
    unit: str = ""

    def __str__(self) -> str:
        mark = "✔" if self.found <= self.aim else "✖"
        found, aim = f"{self.found:.3g}{self.unit}", f"≤ {self.aim:g}{self.unit}"
        return f"{mark} {self.what:<58} {found:>9}  aim {aim:<8} {self.how}"


def compared(what: str, ours: float, theirs: float, name: str, aim: float) -> Row:
    """Our seconds and those of another program on the same machine, as a ratio."""
    return Row(f"{what} : {name}", f"({ours:.3f} s : {theirs:.3f} s)", ours / theirs, aim)


def best(action: Callable[[], object], before: Callable[[], object] | None = None) -> float:
    """The shortest of RUNS runs, in seconds: the machine is shared, and only slows things down."""
    times = []
    for _ in range(RUNS):
        if before:
            before()
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


@dataclass(frozen=True, slots=True)
class Effort:
    """What one change took. wall: seconds until it was in the kernel; work: of processor time, all in all."""

    wall: float
    work: float


@dataclass(frozen=True, slots=True)
class Efforts:
    """Several changes: the shortest (the machine is shared) and the median of them."""

    best: Effort
    median: Effort

    @classmethod
    def of(cls, efforts: list[Effort]) -> Efforts:
        walls, works = [each.wall for each in efforts], [each.work for each in efforts]
        middle = Effort(statistics.median(walls), statistics.median(works))
        return cls(Effort(min(walls), min(works)), middle)


def work_of(*pids: int) -> float:
    """Seconds of processor time that these processes have used (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def settled_work_of(*pids: int) -> float:
    """The same, once they have been quiet for a while."""
    before, now = -1.0, work_of(*pids)
    while now - before > 0.002:
        time.sleep(QUIET)
        before, now = now, work_of(*pids)
    return now


def megabytes_of(pid: int) -> float:
    """The memory of a process that is resident, shared pages included (proc(5), VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def children_of(pid: int) -> list[int]:
    """The processes that it started and that run still."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def wait_for(condition: Callable[[], bool], what: str, seconds: float, every: float = 0.005) -> None:
    """Return as soon as condition holds; RuntimeError when it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen within {seconds:g} s")
        time.sleep(every)


def machine() -> str:
    """What it was measured on, in a few words."""
    model = "processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.lower().startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"Linux {os.uname().release}, {os.cpu_count()} × {model}"
