"""The Celery doorways on a router: render lvs.cf, hand it to pulse, say what came of it. No Django here.

The worker lets in only what the manager has signed for this router (`lvs.machines.doorway`). Each task takes
JSON and leaves its answer, JSON too, in Redis (`lvs.reported.answers`). What went wrong is part of the
answer, not an exception, so that the caller gets every problem with its line: {"ok": true, "result": ...} or
{"ok": false, "error": {"kind", "message", "problems"}}, the shape of pulse's own answers (ARCHITECTURE.md).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from celery import Task, shared_task

from lvs.config import document as documents
from lvs.config import reader, writer
from lvs.config.model import Problem, Severity
from lvs.config.rules import problems
from lvs.errors import ConfigError, InvalidConfig, LvsError, RouterError
from lvs.machines.doorway import UNKNOWN
from lvs.pulse.client import PulseClient
from lvs.reported import answers, reports
from lvs.reported.answers import Answer

log = logging.getLogger("piranha.worker")

APPLY_SECONDS = 60  # pulse's first checks of new real servers and the largest table stay far below
PLAN_SECONDS = 20
PREFLIGHT_SECONDS = 6
CONFIRM_SECONDS = 10
RULES_SECONDS = 8
GUARD_SECONDS = 10
SERVER_SECONDS = 8
EXPLAIN_SECONDS = 6
CONNECTIONS_SECONDS = 8  # one reading, and another one before it
CONNECTION_FILTERS = ("client", "virtual_server", "real_server", "protocol", "state", "limit")
EXAMINE_SECONDS = 8  # two examinations, one after the other
TEST_SECONDS = 22  # a check with a longer limit is tried at the router, by `piranha server test`
HAND_OVER_SECONDS = 30  # pulse waits for the dead time and five seconds more at most
ANSWER_SECONDS = 60  # how long a Redis that is away is waited for


def pulse(timeout: float) -> PulseClient:
    """The client of this machine's pulse; `piranha worker` names its socket in the environment."""
    return PulseClient(
        Path(os.environ.get("PIRANHA_PULSE_SOCKET", "/run/piranha/pulse.sock")), timeout=timeout
    )


def router_name() -> str:
    """The router whose worker this is; `piranha worker` names it in the environment."""
    return os.environ["PIRANHA_ROUTER"]


@shared_task(name="piranha.apply", bind=True)
def apply(
    self: Task,
    document: dict[str, Any],
    back_from: int | None = None,
    keys: list[str] | None = None,
    confirm_within: int | None = None,
) -> None:
    """Installs the configuration of document, and the cluster's keys.

    back_from: the serial that this one takes back. keys: hexadecimal digits, newest first; in no answer.
    confirm_within: seconds after which pulse puts back what was, unless it was confirmed.
    """
    if_wanted(
        self,
        lambda: pulse(APPLY_SECONDS).install(
            rendered(document), back_from=back_from, keys=keys, confirm_within=confirm_within
        ),
    )


@shared_task(name="piranha.confirm", bind=True)
def confirm(self: Task, serial: int) -> None:
    """Ends the wait for the confirmation of the installed lvs.cf, if it still has that serial number."""
    if_wanted(self, lambda: pulse(CONFIRM_SECONDS).confirm(serial))


@shared_task(name="piranha.hand_over", bind=True)
def hand_over(self: Task, anyway: bool = False) -> None:
    """On the active router: gives the role to the other; on the standby: asks for it."""
    if_wanted(self, lambda: pulse(HAND_OVER_SECONDS).hand_over(anyway=anyway))


@shared_task(name="piranha.take_over_by_force", bind=True)
def take_over_by_force(self: Task) -> None:
    """Makes this router active, whatever the other says."""
    if_wanted(self, lambda: pulse(HAND_OVER_SECONDS).take_over_by_force())


@shared_task(name="piranha.set_aside", bind=True)
def set_aside(
    self: Task, by: str, reason: str = "", until: float | None = None, anyway: bool = False
) -> None:
    """Has this router take no part in the pair, until it is told to; the active one hands over first."""
    if_wanted(
        self,
        lambda: pulse(HAND_OVER_SECONDS).set_aside(by=by, reason=reason, until=until, anyway=anyway),
    )


@shared_task(name="piranha.take_part", bind=True)
def take_part(self: Task) -> None:
    """Has this router be one of the pair again."""
    if_wanted(self, lambda: pulse(HAND_OVER_SECONDS).take_part())


@shared_task(name="piranha.server", bind=True)
def server(
    self: Task, targets: list[list[str]], order: str, by: str, reason: str = "", until: float | None = None
) -> None:
    """The administrator's hand on real servers (`lvs.nanny.hand`). targets: [virtual server, real server]."""
    if_wanted(
        self,
        lambda: pulse(SERVER_SECONDS).server(
            [(virtual_server, real_server) for virtual_server, real_server in targets],
            order,
            by=by,
            reason=reason,
            until=until,
        ),
    )


@shared_task(name="piranha.explain", bind=True)
def explain(self: Task, virtual_server: str, real_server: str, test: bool = False) -> None:
    """What pulse knows of a real server. test: its check is made now; nobody waiting, it is not made."""
    seconds = TEST_SECONDS if test else EXPLAIN_SECONDS
    if_wanted(self, lambda: pulse(seconds).explain(virtual_server, real_server, test=test))


@shared_task(name="piranha.try_check", bind=True)
def try_check(self: Task, document: dict[str, Any], virtual_server: str, real_server: str) -> None:
    """Makes the check that document has for a real server, once. Nobody waiting, it is not made."""
    if_wanted(self, lambda: pulse(TEST_SECONDS).try_check(rendered(document), virtual_server, real_server))


@shared_task(name="piranha.examine", bind=True)
def examine(self: Task, virtual_server: str, real_server: str) -> None:
    """What is wrong with a real server's set-up, found out from here. Nobody waiting, nothing is sent."""
    if_wanted(self, lambda: pulse(EXAMINE_SECONDS).examine(virtual_server, real_server))


@shared_task(name="piranha.plan", bind=True)
def plan(self: Task, document: dict[str, Any]) -> None:
    """What installing document would change in this router's kernel. Changes nothing."""
    if_wanted(self, lambda: pulse(PLAN_SECONDS).plan(rendered(document)))


@shared_task(name="piranha.preflight", bind=True)
def preflight(self: Task, document: dict[str, Any] | None = None) -> None:
    """What stands against document, or against what is in force, on this router. Changes nothing.

    Nobody waiting, nothing is looked at.
    """
    text = None if document is None else rendered(document)
    if_wanted(self, lambda: pulse(PREFLIGHT_SECONDS).preflight(text))


@shared_task(name="piranha.rules", bind=True)
def rules(self: Task) -> None:
    """The rule set of this router, with what it counted; nobody waiting, nothing is looked at."""
    if_wanted(self, lambda: pulse(RULES_SECONDS).rules())


@shared_task(name="piranha.connections", bind=True)
def connections(self: Task, asked: dict[str, Any]) -> None:
    """What is open through this router; nobody waiting, nothing is read. asked: as pulse's call has it."""
    known = {name: asked[name] for name in CONNECTION_FILTERS if name in asked}
    if_wanted(self, lambda: pulse(CONNECTIONS_SECONDS).connections(**known))


@shared_task(name="piranha.guard", bind=True)
def guard(self: Task, port: int | None, networks: list[str]) -> None:
    """Has only these networks reach the panel's port; port None: anybody."""
    if_wanted(self, lambda: pulse(GUARD_SECONDS).guard(port, networks))


@shared_task(name="piranha.running", bind=True)
def running(self: Task) -> None:
    """The lvs.cf that pulse runs now."""
    if_wanted(self, lambda: pulse(PLAN_SECONDS).running())


@shared_task(name=UNKNOWN, bind=True)
def unknown(self: Task, name: str) -> None:
    """Says that this worker does not have the task of that name, which its manager has signed."""

    def refuse() -> dict[str, Any]:
        raise RouterError(
            f"the worker of {router_name()} does not know {name}: it is older than the manager. Install the "
            "same version here, and start the worker again"
        )

    if_wanted(self, refuse)


def if_wanted(task: Task, call: Callable[[], dict[str, Any]]) -> None:
    """Makes the call and leaves its answer, unless the task is not wanted any more.

    So it is when another took its place, or nobody waits for it any longer.
    """
    if answers.is_wanted(reports.client(task.app.conf.broker_url), router_name(), task.request.id):
        answer(task, call)
    else:
        log.warning("left out %s: it is not wanted any more", task.request.id)


def answer(task: Task, call: Callable[[], dict[str, Any]]) -> None:
    """Makes the call and leaves its answer in Redis, under the task's id.

    A Redis that is away for a moment is waited for: the work is done, and its answer must not be lost.
    """
    said = answered(call)
    client = reports.client(task.app.conf.broker_url)
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            answers.give(client, router_name(), task.request.id, said)
        except redis.RedisError:
            if time.monotonic() > end:
                raise
            time.sleep(1)
        else:
            return


def rendered(document: dict[str, Any]) -> str:
    """The lvs.cf of a JSON document; ParseError when it is not one, InvalidConfig when lvs.cf cannot say it.

    A document comes from Redis: a line break in one of its texts must not become a directive of its own.
    """
    config = documents.from_document(document)
    text = writer.write(config)
    if reader.read(text).config != config:
        errors = [one for one in problems(config) if one.severity is Severity.ERROR]
        raise InvalidConfig(
            errors
            or [Problem(message="a text in it cannot stand in lvs.cf: look for line breaks and quotes")]
        )
    return text


def answered(call: Callable[[], dict[str, Any]]) -> Answer:
    """The answer of call, or what it refused in pulse's own shape."""
    try:
        return {"ok": True, "result": call()}
    except LvsError as error:
        problems = (
            [
                {"line": problem.line, "severity": str(problem.severity), "message": problem.message}
                for problem in error.problems
            ]
            if isinstance(error, ConfigError)
            else []
        )
        return {
            "ok": False,
            "error": {"kind": type(error).__name__, "message": str(error), "problems": problems},
        }
