"""What a thousand checks and ten thousand cost, how well they keep their rhythm, and whether they grow.

On this machine's kernel, as root, in a network namespace of its own: .venv/bin/python -m tests.bench.checks
In a kernel that has IPVS (deploy/lab/guest uml -- …), keepalived's TCP_CHECK is measured beside it, and the
time from the death of a real server to its removal.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.removal import removal_rows
from tests.bench.report import Row, children_of, machine, megabytes_of, wait_for, work_of
from tests.bench.targets import PORT, Targets, address, answering_targets
from tests.kernel.namespace import fresh_network

EVERY = 2.0  # seconds between two checks of a real server
COUNTS = (1000, 10_000)
BESIDE = 1000  # real servers that keepalived checks too
TURNS = 2  # of keepalived and of us
ROUNDS_BEFORE = 3  # that nothing is measured of
PATIENCE = 120.0  # seconds for those


@dataclass(frozen=True, slots=True)
class Cost:
    """What some seconds of checking took.

    work: of processor time, user and system, a check, in seconds. late: by how much each sampled check came
    later than at the best in its own rhythm, sorted. drift: by how much later in it the last came than the
    first, for the one in the middle of all. rss: megabytes, and descriptors: before and after.
    """

    checks: int
    seconds: float
    work: float
    late: tuple[float, ...]
    drift: float
    rss: tuple[float, float]
    descriptors: tuple[int, int]

    def quantile(self, share: float) -> float:
        return self.late[min(len(self.late) - 1, int(share * len(self.late)))]


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20, help="how long each is measured")
    options.add_argument("--counts", type=int, nargs="*", default=COUNTS, help="checks at a time")
    options.add_argument("--beside", type=int, default=BESIDE, help="checks beside keepalived's")
    chosen = options.parse_args(arguments)
    print(f"TCP connect checks every {EVERY:g} s, {chosen.seconds:g} s each; {machine()}", flush=True)
    with fresh_network(), answering_targets() as targets:
        for count in chosen.counts:
            print(*rows(count, ours(targets, count, chosen.seconds)), sep="\n", flush=True)
        subprocess.run(["modprobe", "--quiet", "ip_vs"], check=False)
        if Path("/proc/net/ip_vs").exists():
            print(beside_keepalived(targets, chosen.beside, chosen.seconds), flush=True)
            with fresh_network("eth0"), TemporaryDirectory() as folder:
                for row in removal_rows(Path(folder)):
                    print(row, flush=True)


def rows(count: int, cost: Cost) -> Iterator[str]:
    """What was found, in lines."""
    yield f"{count:,} checks: {cost.checks:,} made, {cost.work * 1e6:.1f} µs of processor time each"
    late = ", ".join(
        f"{name} {cost.quantile(share) * 1000:.1f}"
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )
    yield f"  late, in ms: {late}; drift over the whole time {cost.drift * 1000:+.1f}"
    yield "  memory {:.1f} → {:.1f} MB, descriptors {} → {}".format(*cost.rss, *cost.descriptors)


def beside_keepalived(targets: Targets, count: int, seconds: float) -> Row:
    """The same real servers, checked by keepalived and by us, in turn; of each the run that took least."""
    both = [(keepalived(targets, count, seconds), ours(targets, count, seconds)) for _ in range(TURNS)]
    theirs, cost = (min(runs, key=lambda run: run.work) for runs in zip(*both, strict=True))
    print(
        "keepalived's TCP_CHECK:", *rows(count, theirs), "pulse's:", *rows(count, cost), sep="\n", flush=True
    )
    how = f"({cost.work * 1e6:.1f} µs : {theirs.work * 1e6:.1f} µs)"
    return Row("processor time a check : keepalived's TCP_CHECK", how, cost.work / theirs.work, 1.5)


def ours(targets: Targets, count: int, seconds: float) -> Cost:
    command = [sys.executable, "-m", "tests.bench.carrying", str(count), str(EVERY)]
    with subprocess.Popen(command) as process:
        try:
            return measure(targets, count, seconds, process.pid)
        finally:
            process.kill()


def keepalived(targets: Targets, count: int, seconds: float) -> Cost:
    with TemporaryDirectory() as folder, running_keepalived(Path(folder), count) as pid:
        wait_for(lambda: bool(children_of(pid)), "keepalived's process for checks", PATIENCE)
        return measure(targets, count, seconds, *children_of(pid))


@contextmanager
def running_keepalived(folder: Path, count: int) -> Iterator[int]:
    """keepalived with virtual servers of ten real servers each."""
    path = folder / "keepalived.conf"
    path.write_text("".join(_virtual_server(first) for first in range(0, count, 10)))
    command = ["keepalived", "--dont-fork", "--check", f"--use-file={path}", f"--pid={folder}/keepalived.pid"]
    command += [f"--checkers_pid={folder}/checkers.pid", "--log-facility=0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


def _virtual_server(first: int) -> str:
    real_servers = "".join(
        f"    real_server {address(number)} {PORT} {{\n        TCP_CHECK {{\n"
        f"            connect_timeout {EVERY:g}\n        }}\n    }}\n"
        for number in range(first, first + 10)
    )
    return (
        f"virtual_server 127.0.0.1 {10_000 + first} {{\n    delay_loop {EVERY:g}\n    lvs_sched rr\n"
        f"    lvs_method NAT\n    protocol TCP\n{real_servers}}}\n"
    )


def measure(targets: Targets, count: int, seconds: float, *pids: int) -> Cost:
    """What these processes take for checking so many real servers."""
    targets.seen()
    come = 0

    def warm() -> bool:
        nonlocal come
        come += targets.seen().connections
        return come >= count * ROUNDS_BEFORE

    wait_for(warm, "the first rounds", PATIENCE, every=0.1)
    before, begun = work_of(*pids), time.monotonic()
    rss, descriptors = _held(pids)
    time.sleep(seconds)
    work, took, seen = work_of(*pids) - before, time.monotonic() - begun, targets.seen()
    rss_after, descriptors_after = _held(pids)
    late = sorted(chain.from_iterable(map(lateness, seen.times)))
    drift = statistics.median(later[-1] - later[0] for later in map(lateness, seen.times))
    return Cost(
        seen.connections,
        took,
        work / seen.connections,
        tuple(late),
        drift,
        (rss, rss_after),
        (descriptors, descriptors_after),
    )


def lateness(times: Sequence[float]) -> list[float]:
    """How late each was, in a rhythm of EVERY seconds that has the earliest of them in time."""
    phases = [at - round((at - times[0]) / EVERY) * EVERY for at in times]
    return [phase - min(phases) for phase in phases]


def _held(pids: Sequence[int]) -> tuple[float, int]:
    """Megabytes and descriptors."""
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    return sum(map(megabytes_of, pids)), descriptors


if __name__ == "__main__":
    main()
