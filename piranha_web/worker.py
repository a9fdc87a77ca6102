"""`piranha worker`: a Celery worker, and the thread that reports what it stands beside.

On a router it serves the queue `router.NAME` and reports what pulse says. On the manager it serves the queue
`manager` and carries frozen revisions to the routers. Either way the report is the sign of life that the
pages show with its age.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import redis
from celery import signals

from lvs.errors import LvsError, NotPossible, RouterError
from lvs.log_form import is_ours
from lvs.logs import formatter
from lvs.machines import broker, serials, signing, worker_file
from lvs.machines.doorway import Doorway
from lvs.machines.redis_words import in_words
from lvs.machines.refusals import Refusals
from lvs.machines.worker_file import WorkerFile, queue_of, serials_of
from lvs.reported import reports
from lvs.reported.reporting import Reporter
from lvs.tasks import pulse
from piranha_web.celery import BROKER_URL, app, known_tasks, serve_router
from piranha_web.databases import in_use
from piranha_web.supervised import Supervised

log = logging.getLogger("piranha.worker")

REPORT_SECONDS = 5  # pulse's status of a large table takes a moment; longer means that it hangs
_COMMAND = re.compile(r"\ACommand # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
REFUSALS_INTERVAL = 0.5  # seconds; nothing is written when nothing was refused


class Repeater(threading.Thread):
    """Calls work every interval seconds until stopped; what goes wrong is logged once, until it changes."""

    def __init__(self, name: str, interval: float, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self.interval = interval
        self.work = work
        self.ended = threading.Event()
        self.complaint = ""
        self.began: float | None = None  # of the call under way, on the monotonic clock

    def run(self) -> None:
        while not self.ended.wait(self.interval):
            complaint = self.attempt()
            if complaint != self.complaint:
                log.warning("%s: %s", self.name, complaint or "works again")
                self.complaint = complaint

    def attempt(self) -> str:
        """One call of work; what went wrong in words, "" when nothing did."""
        self.began = time.monotonic()
        try:
            self.work()
        except (redis.RedisError, LvsError) as error:
            # redis-py puts the command before it, with what was to be written: another one each time.
            return _COMMAND.sub("", in_words(error))
        except Exception as error:
            # Whatever else it is (a database that stays locked, a fault of ours): the thread must go on, for
            # nobody starts it again, and its process would look alive without it.
            complaint = f"{type(error).__name__}: {error}"
            if complaint != self.complaint:
                log.exception("%s ended in an unexpected error; it will be tried again", self.name)
            return complaint
        finally:
            self.began = None
        return ""

    def stop(self) -> None:
        """Ends the thread after the call under way."""
        self.ended.set()


def run_router_worker(router: str, path: Path, pulse_socket: Path, log_level: str) -> int:
    """Serves a router until stopped; the exit code. path: of its worker's file."""
    try:
        file = file_of(router, path)
        lock = alone(path.with_name("lock"))
    except (RouterError, OSError) as error:
        return complain(str(error))
    if lock is None:
        return complain(f"the worker of {router} runs already. Use that one, or stop it first")
    os.environ["PIRANHA_PULSE_SOCKET"] = str(pulse_socket)
    os.environ["PIRANHA_ROUTER"] = router
    refusals = Refusals()
    seen = serials.SeenSerials(serials_of(path))
    broker.trust(file.ca)
    keys = signing.trusted(file.manager_keys)
    serve_router(Doorway(router, keys, seen, refusals, known_tasks()), file.broker_url)
    client = reports.connect(file.broker_url)
    reporter = Reporter(client, router, pulse(REPORT_SECONDS))
    repeaters = (
        Repeater("report", reports.INTERVAL, reporter.report),
        Repeater("refusals", REFUSALS_INTERVAL, lambda: refusals.publish(client, router)),
    )
    with lock:
        return serve(f"piranha@{router}", queue_of(router), repeaters, log_level)


def file_of(router: str, path: Path) -> WorkerFile:
    """The worker's file at path; RouterError when it is not that router's."""
    file = worker_file.read(path)
    if file.router != router:
        raise RouterError(f"{path} is the file of {file.router}, and not of {router}: name the right one")
    return file


def forget_serials(router: str, path: Path) -> int:
    """Has a worker, which may run meanwhile, take tasks whatever their serial numbers; the exit code."""
    try:
        file_of(router, path)
        serials.begin(serials_of(path))
    except RouterError as error:
        return complain(str(error))
    sys.stdout.write(
        f"The worker of {router} has forgotten which tasks it took. It takes the next one of its manager, "
        "and then only newer ones.\n"
    )
    return 0


def complain(why: str) -> int:
    """Says on the terminal why there is no worker; the exit code."""
    sys.stderr.write(f"piranha worker: {why}.\n")
    return 1


def run_manager_worker(log_level: str) -> int:
    """Serves the manager until stopped; the exit code."""
    import django  # only here: a router's worker has no Django

    django.setup()
    from django.conf import settings

    from lvs.machines.readmitting import readmit
    from lvs.router.state import Guard
    from lvs.sent import (
        deploy,
        errands,  # they need Django's models
    )
    from lvs.sent.guarding import Warden
    from piranha_web.access import allowed
    from piranha_web.alerts import duty
    from piranha_web.databases.manager import OneManager, mended

    try:
        lock = at_work(settings.VAR)
    except NotPossible as error:
        return complain(str(error))
    client = reports.connect(BROKER_URL)
    warden: Warden | None = None
    if settings.PIRANHA_GUARD:
        warden = Warden(
            client, settings.PIRANHA_GUARD, lambda: Guard(settings.PIRANHA_PORT, allowed.guarded())
        )
    # The routers report less often than there is work: who is behind need not be asked more often.
    looks = itertools.cycle([True] + [False] * (round(reports.INTERVAL / deploy.INTERVAL) - 1))

    one = OneManager()

    def work() -> None:
        one.hold()
        deploy.advance()
        if next(looks):
            errands.look()
        errands.advance()
        if warden is not None:
            warden.advance()
        reports.publish(client, reports.MANAGER, None, warden.problem if warden else None)

    repeaters = (
        Repeater("deploy", deploy.INTERVAL, mended(lambda: telling(client, work))),
        Repeater("Redis' users", reports.INTERVAL, mended(lambda: readmit(client))),
        Repeater("alerts", duty.LOOK_SECONDS, mended(duty.Watch().advance)),
        Repeater("sending alerts", duty.SEND_SECONDS, mended(duty.deliver)),
    )
    with lock:
        return serve("piranha@manager", "manager", repeaters, log_level)


def at_work(var: Path) -> IO[str]:
    """Makes this process the manager's worker of that folder until the lock is closed, or it ends.

    NotPossible: there is one already, or the site is being restored.
    """
    lock = alone(var / "manager.lock")
    if lock is None:
        raise NotPossible("the manager's worker runs already. Use that one, or stop it first")
    in_use.hold(var)
    return lock


def telling(client: redis.Redis, work: Callable[[], None]) -> None:
    """The manager's work; that it can sign nothing is said by its report too, and not only in the log."""
    try:
        work()
    except signing.UnusableKey as error:
        problem = f"The manager cannot give its routers anything to do: {error}."
        reports.publish(client, reports.MANAGER, None, problem)
        raise


def alone(path: Path) -> IO[str] | None:
    """Holds the lock file at path until it is closed, or the process ends; None: somebody else does.

    Two workers that carry the same revisions would send them twice and overwrite what the other one noted.
    They share the database, a file, so they are on one machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def set_up_log(level: str, **_of_celery: Any) -> None:
    """In the place of Celery's own lines. Django may have been here before, on the manager."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter("%(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def serve(hostname: str, queue: str, repeaters: Sequence[Repeater], log_level: str) -> int:
    """Runs the Celery worker in this process with the repeaters beside it."""
    # At the level debug Celery's pool writes each task's whole body, and the cluster's keys are in it.
    logging.getLogger("celery.pool").setLevel(logging.INFO)
    if is_ours(os.environ):
        signals.setup_logging.connect(partial(set_up_log, log_level), weak=False)
    life = Supervised(os.environ, repeaters)
    life.follow()
    threads: tuple[Repeater | Supervised, ...] = (*repeaters, life)
    for thread in threads:
        thread.start()
    try:
        code = app.worker_main(
            [
                "worker",
                "--pool=threads",
                "--concurrency=2",
                f"--hostname={hostname}",
                f"--queues={queue}",
                f"--loglevel={log_level}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",  # events that nobody reads, on a channel that no router may write to
            ]
        )
    finally:
        for thread in threads:
            thread.stop()
    return int(code or 0)
