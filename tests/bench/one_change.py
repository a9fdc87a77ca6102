"""One weight changed in a large table: by worker and pulse as they run on a router, and by keepalived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP

from lvs.config.document import to_document
from lvs.config.model import LvsConfig
from lvs.errors import PulseUnreachable
from lvs.pulse.client import PulseClient
from lvs.router.ipvs import Ipvs
from lvs.router.plan import destination_keys, service_key
from tests.bench.clusters import REALS, SERVICES, cluster, in_kernel, keepalived_conf, with_weight
from tests.bench.report import (
    RUNS,
    Effort,
    Efforts,
    children_of,
    megabytes_of,
    settled_work_of,
    wait_for,
    work_of,
)

CHANGES = 25
PATIENCE = 120  # seconds for the whole table to be built


@dataclass(frozen=True, slots=True)
class Pulse:
    """What was seen of a pulse: seconds to its first answers, megabytes, and the effort of changes."""

    starts: tuple[float, ...]
    empty: float
    loaded: float
    first: Effort
    changes: Efforts


def measure_pulse(folder: Path) -> Pulse:
    """Start pulse, give it the cluster through a worker, then change one weight again and again."""
    config = cluster()
    starts = []
    for _ in range(RUNS - 1):
        with running_pulse(folder) as (_, seconds):
            starts.append(seconds)
    with ExitStack() as stack:
        pulse, seconds = stack.enter_context(running_pulse(folder))
        starts.append(seconds)
        empty = megabytes_of(pulse)
        worker = stack.enter_context(_worker(folder / "pulse.sock"))
        first = _through(worker, pulse, config)
        wait_for(lambda: in_kernel() == SERVICES * REALS, "the whole table", PATIENCE, every=0.2)
        efforts = []
        for number in range(CHANGES):
            config = with_weight(config, 100 + number)
            settled_work_of(pulse)
            efforts.append(_through(worker, pulse, config))
            _expect(config, 100 + number)
        return Pulse(tuple(starts), empty, megabytes_of(pulse), first, Efforts.of(efforts))


@contextmanager
def running_pulse(folder: Path) -> Iterator[tuple[int, float]]:
    """A pulse of a standby router, which has the table and no addresses; its id and how long it took."""
    socket = folder / "pulse.sock"
    command = [sys.executable, "-m", "lvs.pulse", "--node", "backup", "--log-level", "error"]
    places = ["--config", str(folder), "--state", str(folder), "--socket", str(socket)]
    started = time.perf_counter()
    with subprocess.Popen([*command, *places]) as process:
        try:
            wait_for(lambda: _answers(socket), "an answer of pulse", PATIENCE)
            yield process.pid, time.perf_counter() - started
        finally:
            process.terminate()


def _answers(socket: Path) -> bool:
    with suppress(PulseUnreachable):
        PulseClient(socket).status()
        return True
    return False


@contextmanager
def _worker(socket: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.bench.worker", str(socket)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _through(worker: subprocess.Popen[str], pulse: int, config: LvsConfig) -> Effort:
    """Hand config to the worker; the effort of worker and pulse until pulse has verified the kernel."""
    if worker.stdin is None or worker.stdout is None:
        raise ValueError("the worker has no pipes")
    line = json.dumps(to_document(config))
    before = work_of(pulse)
    worker.stdin.write(line + "\n")
    worker.stdin.flush()
    took = json.loads(worker.stdout.readline())
    return Effort(took["wall"], took["work"] + work_of(pulse) - before)


def _expect(config: LvsConfig, weight: int) -> None:
    if _weight(config) != weight:
        raise RuntimeError("the weight is not in the kernel")


def _weight(config: LvsConfig) -> int | None:
    """What the kernel has for the real server that with_weight changes."""
    virtual_server = config.virtual_servers[len(config.virtual_servers) // 2]
    service, place = service_key(virtual_server), destination_keys(virtual_server)[0]
    if service is None or place is None:
        return None
    with Ipvs() as ipvs:
        found = ipvs.services([service]).destinations.get(service, {}).get(place)
    return found.weight if found else None


def measure_keepalived(folder: Path) -> Efforts:
    """The same cluster and the same changes, by editing keepalived.conf and telling keepalived to reload."""
    config, path = cluster(), folder / "keepalived.conf"
    path.write_text(keepalived_conf(config))
    command = ["keepalived", "--dont-fork", "--check", f"--use-file={path}", f"--pid={folder}/keepalived.pid"]
    command += [f"--checkers_pid={folder}/checkers.pid", "--log-facility=0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: in_kernel() == SERVICES * REALS, "keepalived's table", PATIENCE, every=0.2)
            efforts = []
            for number in range(CHANGES):
                config = with_weight(config, 100 + number)
                path.write_text(keepalived_conf(config))
                efforts.append(_reload(process.pid, config, 100 + number))
            return Efforts.of(efforts)
        finally:
            process.terminate()


def _reload(pid: int, config: LvsConfig, weight: int) -> Effort:
    pids = (pid, *children_of(pid))
    before, started = settled_work_of(*pids), time.perf_counter()
    os.kill(pid, SIGHUP)
    wait_for(lambda: _weight(config) == weight, "keepalived's change", PATIENCE, every=0.002)
    return Effort(time.perf_counter() - started, settled_work_of(*pids) - before)
