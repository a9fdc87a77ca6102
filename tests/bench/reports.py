"""What the reports of a large cluster cost: pulse, the router's worker, Redis.

    python -m tests.bench.reports [--services 5000] [--reals 10] [--seconds 60]

A real pulse in planning mode (the table in memory, no checks) and the worker's Reporter here: while nobody
looks, and with a page that shows 50 virtual servers. Beside them the whole status every two seconds,
as it was before there were parts. No traffic passes, so that of the parts few have to be written again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from lvs.config.writer import write
from lvs.errors import LvsError
from lvs.pulse.client import PulseClient
from lvs.reported import report_parts, reports
from lvs.reported.reporting import Reporter
from tests.bench.report import machine, megabytes_of, wait_for, work_of
from tests.bench.seeding import REALS, SERVICES, configuration, redis_server

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """Of so many seconds. received: bytes that Redis was sent; late: seconds of the longest report."""

    what: str
    seconds: float
    pulse: float
    worker: float
    received: int
    late: float

    def __str__(self) -> str:
        share, worker = 100 * self.pulse / self.seconds, 100 * self.worker / self.seconds
        return (
            f"{self.what:<42} pulse {share:5.1f} %  worker {worker:5.1f} % of a processor  "
            f"{self.received / self.seconds / 1e3:9.1f} kB/s to Redis  longest {self.late:.2f} s"
        )


@contextmanager
def running_pulse(folder: Path) -> Iterator[int]:
    """A pulse in planning mode; its process id."""
    socket = folder / "pulse.sock"
    command = [sys.executable, "-m", "lvs.pulse", "--node", "primary", "--log-level", "error"]
    command += ["--planning", "--no-checks", "--name", "r1"]
    places = ["--config", str(folder), "--state", str(folder), "--socket", str(socket)]
    with subprocess.Popen([*command, *places]) as process:
        try:
            wait_for(lambda: answers(socket), "an answer of pulse", 120, every=0.2)
            yield process.pid
        finally:
            process.terminate()


def answers(socket: Path) -> bool:
    """Whether pulse does, and has the whole table."""
    try:
        asked = PulseClient(socket, 60)
        marks = asked.status([])["marks"]
        newest = asked.status(list(marks)[-1:])["virtual_servers"] if marks else []
    except LvsError:
        return False
    return bool(newest) and all(one["in_kernel"] for one in newest)


def measure(what: str, client: redis.Redis, pulse: int, report: Callable[[], None], seconds: float) -> Cost:
    """report every two seconds, as a worker does it: that long after the one before has ended."""
    before = received(client)
    began, theirs, ours = time.perf_counter(), work_of(pulse), time.process_time()
    late = 0.0
    while time.perf_counter() - began < seconds:
        started = time.perf_counter()
        report()
        late = max(late, time.perf_counter() - started)
        time.sleep(reports.INTERVAL)
    took = time.perf_counter() - began
    theirs, ours = work_of(pulse) - theirs, time.process_time() - ours
    return Cost(what, took, theirs, ours, received(client) - before, late)


def received(client: redis.Redis) -> int:
    """Bytes that were sent to Redis until now."""
    return int(client.info("stats")["total_net_input_bytes"])


def whole(client: redis.Redis, pulse: PulseClient) -> None:
    """As it was before."""
    body = json.dumps({"at": 0, "pulse": pulse.status(), "problem": None}, separators=(",", ":"))
    client.set("piranha:report:before", body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--reals", type=int, default=REALS)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    print(f"{asked.services:,} virtual servers with {asked.reals} real servers each; {machine()}", flush=True)
    with TemporaryDirectory() as name, redis_server(Path(name)) as broker:
        folder, client = Path(name), reports.connect(broker)
        (folder / "lvs.cf").write_text(write(configuration(asked.services, asked.reals)))
        with running_pulse(folder) as pulse:
            source = PulseClient(folder / "pulse.sock", 60)
            print(measure("no report at all", client, pulse, lambda: None, asked.seconds), flush=True)
            print(measure("the whole status", client, pulse, lambda: whole(client, source), asked.seconds))
            client.flushall()
            reporter = Reporter(client, "r1", source)
            print(measure("in parts, the first seconds", client, pulse, reporter.report, 10), flush=True)
            print(
                measure("in parts, nobody looks", client, pulse, reporter.report, asked.seconds), flush=True
            )
            names = [f"virtual{number}" for number in range(SHOWN)]

            def shown() -> None:
                report_parts.parts_of(client, "r1", names)
                reporter.report()

            print(measure(f"in parts, a page shows {SHOWN}", client, pulse, shown, asked.seconds))
            used, report = client.info("memory")["used_memory"], client.strlen(report_parts.report_key("r1"))
            print(
                f"Redis {used / 1e6:.0f} MB, pulse {megabytes_of(pulse):.0f} MB, report {report / 1e3:.0f} kB"
            )


if __name__ == "__main__":
    main()
