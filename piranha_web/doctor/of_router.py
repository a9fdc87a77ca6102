"""What a router's machine says: pulse, lvs.cf, the worker's file, the way to Redis, the kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import redis

from lvs.config.check import check
from lvs.config.model import Severity
from lvs.errors import LvsError, RouterError
from lvs.machines import broker, worker_file
from lvs.pulse.client import PulseClient
from lvs.pulse.version import version
from lvs.reported import reports
from piranha_web.doctor import judgement
from piranha_web.doctor.findings import Finding, fault, note, well

PULSE_SECONDS = 4.0
MOST_ERRORS = 5


def pulse(socket: Path) -> Iterator[Finding]:
    """What it says of itself."""
    try:
        status = PulseClient(socket, PULSE_SECONDS).status([])
    except LvsError as error:
        yield fault("pulse", str(error), "systemctl enable --now pulse; why not: journalctl -u pulse")
        return
    yield from judgement.pulse(status, version())


def preflight(socket: Path) -> Iterator[Finding]:
    """What stands against what is in force."""
    try:
        found = PulseClient(socket, PULSE_SECONDS).preflight(None)
    except LvsError:
        return  # said already
    yield from judgement.remarks(found["remarks"])


def lvs_cf(path: Path) -> Iterator[Finding]:
    """Whether it can be used."""
    try:
        reading = check(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        yield note("lvs.cf", f"there is no {path}: nothing was applied yet")
        return
    except OSError as error:
        yield fault("lvs.cf", f"{path} cannot be read: {error.strerror}", "run this as root")
        return
    errors = [one for one in reading.problems if one.severity is Severity.ERROR]
    for one in errors[:MOST_ERRORS]:
        yield fault("lvs.cf", f"line {one.line or 1}: {one.message}", f"piranha check {path}")
    if not errors:
        yield well("lvs.cf", f"{path} is valid")


def worker(path: Path) -> Iterator[Finding]:
    """The worker's file, the way to Redis from here, and whether the worker reports."""
    try:
        file = worker_file.read(path)
    except RouterError as error:
        yield fault("worker", str(error), "piranha enrol ROUTER on the manager, then piranha join TOKEN here")
        return
    yield well("worker", f"{path} makes this machine the router {file.router}")
    broker.trust(file.ca)
    try:
        with reports.connect(file.broker_url) as client:
            apart = time.time() - reports.seconds(client.time())
            found = reports.briefs(client, [file.router]).get(file.router)
    except redis.AuthenticationError:
        remedy = f"piranha enrol {file.router} on the manager, then piranha join TOKEN here"
        yield fault("Redis", "it does not know this router's password any more", remedy)
        return
    except redis.RedisError as error:
        said = f"it cannot be reached from here: {' '.join(str(error).split())}"
        yield fault("Redis", said, "does it run on the manager, and is the way free? nc -vz HOST PORT")
        return
    finally:
        broker.trust(None)
    yield well("Redis", "it answers, and lets this router in")
    yield from judgement.clocks({"this router": apart})
    age = None if found is None else found.age
    yield judgement.worker("this router's worker", age, reports.SILENT_AFTER, None, "piranha-worker")


def kernel(proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Whether it has IPVS."""
    if (proc / "net/ip_vs").exists():
        yield well("kernel", "it has IPVS")
    else:
        yield fault(
            "kernel", "IPVS is not there (ip_vs)", "modprobe ip_vs; a kernel with it: linux-image-amd64"
        )
