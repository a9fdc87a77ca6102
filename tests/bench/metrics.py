"""How long a scrape of a large cluster takes, and what it costs.

    python -m tests.bench.metrics [--services 5000] [--reals 10]

One gunicorn worker serves it from a seeded database and Redis, asked ten times by one client over loopback:
as it is by default, and with metrics of every real server.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lvs.reported import report_parts, reports
from lvs.reported.metrics import numbers_of
from tests.bench.pages import web_server
from tests.bench.report import children_of, machine, work_of
from tests.bench.seeding import REALS, SERVICES, Seed, redis_server, seed

TIMES = 10


def count(broker: str) -> None:
    """Writes what the routers' kernels have counted, as their workers do."""
    client = reports.connect(broker)
    for router in ("r1", "r2"):
        parts = report_parts.every_part(client, router)
        counts = {name: numbers_of(part["counters"]) for name, part in parts.items()}
        client.set(report_parts.counts_key(router), report_parts.compact(counts))


def scrape(made: Seed, broker: str, real_servers: int) -> str:
    """The times of one setting, in a line."""
    environment = {"PIRANHA_METRICS": "open", "PIRANHA_METRICS_REAL_SERVERS": str(real_servers)}
    with web_server(replace(made, environment={**made.environment, **environment})) as (port, pid):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        times, size, lines, before = [], 0, 0, 0.0
        for number in range(TIMES + 2):
            if number == 2:
                before = work_of(*children_of(pid))
            started = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Host": "localhost"})
            answer = connection.getresponse()
            body = answer.read()
            times.append((time.perf_counter() - started) * 1000)
            if answer.status != 200:
                raise RuntimeError(f"/metrics: {answer.status}")
            size, lines = len(body), sum(not line.startswith(b"#") for line in body.splitlines())
        work = (work_of(*children_of(pid)) - before) * 1000 / TIMES
    what = "with every real server" if real_servers else "by default"
    return (
        f"{what:<24} median {statistics.median(times[2:]):8.0f} ms  slowest {max(times[2:]):8.0f} ms  "
        f"first {times[0]:8.0f} ms  work {work:8.0f} ms  {lines:7,} series  {size / 1e6:5.1f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--reals", type=int, default=REALS)
    asked = parser.parse_args()
    print(f"{asked.services:,} virtual servers with {asked.reals} real servers each; {machine()}", flush=True)
    with TemporaryDirectory() as name, redis_server(Path(name)) as broker:
        os.environ["PIRANHA_BROKER_URL"] = broker
        made = seed(Path(name), broker, asked.services, asked.reals)
        count(broker)
        for real_servers in (0, asked.services * asked.reals):
            print(scrape(made, broker, real_servers), flush=True)


if __name__ == "__main__":
    main()
