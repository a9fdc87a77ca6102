"""How long the pages of a large cluster take, and how many queries they make.

    python -m tests.bench.pages [--services 5000] [--reals 10] [--profile NAME]

One gunicorn worker serves them from a seeded database and Redis; each is asked 20 times by one client over
loopback, after two times to warm up. The queries are counted in this process, by Django's own client.
"""

from __future__ import annotations

import argparse
import cProfile
import http.client
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from django.test import Client

from deploy.start.place import PROJECT, free_port
from tests.bench.report import children_of, machine, wait_for, work_of
from tests.bench.seeding import REALS, SERVICES, Seed, redis_server, seed

TIMES = 20
LIST, FRAGMENT = 100.0, 30.0  # milliseconds, the aims
MOST_QUERIES = 10
FIRST = ("control", "virtual servers")  # pages that are also measured as a new process' first one


@dataclass(frozen=True, slots=True)
class Asked:
    """An address that is measured. aim: milliseconds."""

    name: str
    path: str
    aim: float


@dataclass(frozen=True, slots=True)
class Took:
    """What came of it. milliseconds: the median of wall time; size: bytes of the answer.

    work: the mean of the web server's processor time, in ms: it says more where others use the machine too.
    """

    asked: Asked
    milliseconds: float
    slowest: float
    work: float
    size: int
    queries: int

    def __str__(self) -> str:
        mark = "✔" if self.milliseconds <= self.asked.aim and self.queries <= MOST_QUERIES else "✖"
        return (
            f"{mark} {self.asked.name:<44} {self.milliseconds:8.1f} ms  aim ≤ {self.asked.aim:g} ms"
            f"  slowest {self.slowest:.1f} ms  work {self.work:.1f} ms  {self.queries:3} queries"
            f"  {self.size / 1e3:.0f} kB"
        )


def addresses() -> list[Asked]:
    """The pages, by the names of their addresses."""
    from django.urls import reverse

    from lvs import models

    virtual_server = models.VirtualServer.objects.order_by("position")[2500 % SERVICES :].first()
    virtual_server = virtual_server or models.VirtualServer.objects.first()
    pk = virtual_server.pk if virtual_server else 0
    servers = reverse("virtual-server-list")
    return [
        Asked("virtual servers", servers, LIST),
        Asked("virtual servers, searched by name", f"{servers}?q=virtual49", LIST),
        Asked("virtual servers, the failed ones", f"{servers}?state=failed", LIST),
        Asked("virtual servers, the busiest", f"{servers}?sort=-rate", LIST),
        Asked("virtual servers, page 50", f"{servers}?page=50", LIST),
        Asked("real servers of one", reverse("real-server-list", args=[pk]), LIST),
        Asked("real servers of one, live part", reverse("real-server-list-live", args=[pk]), FRAGMENT),
        Asked("control", reverse("control"), LIST),
        Asked("control, live part", reverse("control-live"), FRAGMENT),
        Asked("status line", reverse("status-line"), FRAGMENT),
        Asked("history", reverse("history"), LIST),
        *_when_there(pk),
    ]


def _when_there(pk: int) -> Iterator[Asked]:
    """Pages that belong to this list from the moment they exist."""
    from django.urls import NoReverseMatch, reverse

    for title, name, arguments, aim in (
        ("traffic of one", "virtual-server-traffic", [pk], LIST),
        ("traffic of one, its figures", "virtual-server-traffic-figures", [pk], FRAGMENT),
        ("all real servers", "machine-list", [], LIST),
        ("clusters", "cluster-list", [], LIST),
        ("search over all clusters", "search", [], LIST),
    ):
        try:
            yield Asked(title, reverse(name, args=arguments), aim)
        except NoReverseMatch:
            continue


@contextmanager
def web_server(made: Seed) -> Iterator[tuple[int, int]]:
    """gunicorn with one worker; its port, and the process id of the worker's parent."""
    port = free_port()
    program = Path(sys.executable).with_name("gunicorn")
    arguments = ["piranha_web.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4"]
    arguments += ["--log-level", "warning"]
    process = subprocess.Popen(
        [program, *arguments, "--chdir", str(PROJECT), "--worker-tmp-dir", "/dev/shm"],
        env={**os.environ, **made.environment},
        cwd=PROJECT,
    )
    try:
        wait_for(lambda: answers(port), "the web server", 60, every=0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether somebody listens."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/login")
        return connection.getresponse().status < 500
    except OSError:
        return False


def measure(made: Seed, server: tuple[int, int], asked: Asked, often: int) -> Took:
    """One address, asked one time after the other over one connection."""
    port, pid = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Cookie": f"{made.cookie_name}={made.cookie}", "Host": "localhost"}
    times, size, before = [], 0, 0.0
    for number in range(often + 2):
        if number == 2:
            before = work_of(*children_of(pid))
        started = time.perf_counter()
        connection.request("GET", asked.path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        times.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{asked.path}: {answer.status} {answer.headers.get('Location', '')}")
    work = (work_of(*children_of(pid)) - before) * 1000 / often
    times = times[2:]
    return Took(asked, statistics.median(times), max(times), work, size, queries(made, asked))


def first(made: Seed, asked: Asked) -> str:
    """The first page of a new process, asked for at once, so that what is read ahead is waited for.

    Work is all that the process did until the answer, after it had begun to listen; MB: what is resident.
    """
    with web_server(made) as (port, pid):
        children = children_of(pid)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"Cookie": f"{made.cookie_name}={made.cookie}", "Host": "localhost"}
        before, started = work_of(*children), time.perf_counter()
        connection.request("GET", asked.path, headers=headers)
        connection.getresponse().read()
        wall, work = time.perf_counter() - started, work_of(*children) - before
        memory = max(resident(child) for child in children)
    return f"first page of a new process, {asked.name}: {wall:.2f} s, work {work:.2f} s, {memory:.0f} MB"


def resident(pid: int) -> float:
    """A process' memory, in MB (proc_pid_status(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


def queries(made: Seed, asked: Asked) -> int:
    """How many the page makes when nothing of it is asked for the first time."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = own_client(made)
    client.get(asked.path)
    with CaptureQueriesContext(connection) as captured:
        client.get(asked.path)
    return sum("PRAGMA" not in one["sql"] for one in captured.captured_queries)


def own_client(made: Seed) -> Client:
    """Django's own client, with the session that was made."""
    client = Client(headers={"host": "localhost"})
    client.cookies[made.cookie_name] = made.cookie
    return client


def profile(made: Seed, asked: Asked) -> None:
    """What one page spends its time on."""
    client = own_client(made)
    client.get(asked.path)
    profiler = cProfile.Profile()
    profiler.runcall(client.get, asked.path)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--reals", type=int, default=REALS)
    parser.add_argument("--profile", help="of the address whose name has this in it, instead of times")
    parser.add_argument("--only", default="", help="addresses whose name has this in it")
    parser.add_argument("--times", type=int, default=TIMES)
    asked = parser.parse_args(arguments)
    print(f"{asked.services:,} virtual servers with {asked.reals} real servers each; {machine()}", flush=True)
    with TemporaryDirectory() as name, redis_server(Path(name)) as broker:
        made = seed(Path(name), broker, asked.services, asked.reals)
        if asked.profile:
            for one in addresses():
                if asked.profile in one.name:
                    print(f"== {one.name} ({one.path})")
                    profile(made, one)
            return
        with web_server(made) as server:
            for one in addresses():
                if asked.only in one.name:
                    print(measure(made, server, one, asked.times), flush=True)
        for one in addresses():
            if one.name in FIRST and asked.only in one.name:
                print(first(made, one), flush=True)


if __name__ == "__main__":
    main()
