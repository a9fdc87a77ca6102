"""All that the web may ask of the routers, and what it may believe of them.

Nothing here waits longer than a page may take, and nothing here decides: a router that does not answer is
said not to answer, with its age.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import redis
from django.db.models import OuterRef, QuerySet
from kombu.exceptions import KombuError

from lvs import models, store, tasks
from lvs.config import document
from lvs.config.model import LvsConfig, Severity
from lvs.machines import refusals
from lvs.machines.broker import url_in
from lvs.machines.redis_words import in_words
from lvs.machines.signing import UnusableKey
from lvs.reported import answers, report_parts, reports, witness
from lvs.reported.answers import Answer
from lvs.reported.standing import Standing
from lvs.reported.summary import Part
from lvs.rows.glance import once
from lvs.sent import sending

log = logging.getLogger("piranha.site")

Read = TypeVar("Read")

DRY_RUN_SECONDS = 8.0  # the longest that the review page waits for all routers together
POLL_SECONDS = 0.02
NO_MANAGER = "The manager's worker does not run: what is applied waits (piranha worker --manager)."
CHANGED_OUTSIDE = (
    "its lvs.cf was changed outside: it is no revision of this cluster. Take it in as candidate, or put back "
    "what was applied"
)

NOT_UNDERSTOOD = (
    "its report is not understood. Its worker is newer than this site, or somebody else writes to Redis"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterState:
    """A router as the pages show it. level: success, warning or danger; sentence: what to know and to do."""

    router: models.Router
    report: reports.Report | None
    level: str
    sentence: str
    is_outside: bool = False  # its lvs.cf is no revision of the cluster: somebody changed it there

    @property
    def role(self) -> str | None:
        """What it said last that it was; None: never anything."""
        return str(self.pulse["role"]) if self.pulse else None

    @property
    def pulse(self) -> Mapping[str, Any] | None:
        """pulse's status document, also when it is old; None when there never was one."""
        return self.report.pulse if self.report else None

    @property
    def age(self) -> float | None:
        """Seconds since the router's worker reported; None: never."""
        return self.report.age if self.report else None

    @property
    def is_current(self) -> bool:
        """Whether what is shown is how it is now."""
        return self.report is not None and not self.report.is_silent and self.report.pulse is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """Every router of a cluster at one moment. problem: why nothing at all is known, or None.

    alarms: what is wrong with the pair, and who else seems to write to Redis.
    """

    routers: tuple[RouterState, ...]
    problem: str | None
    manager_problem: str | None
    alarms: tuple[witness.Alarm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a router says that a revision would change there; problem: why it says nothing.

    refusals: why it would refuse it, as things are there now; warnings: what it says of it because of
    what that router is. rules: how its rules of netfilter would differ (ARCHITECTURE.md, `plan`); None: not
    at all. is_older: its pulse does not tell.
    """

    router: models.Router
    changes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rules: Mapping[str, Any] | None = None
    is_older: bool = False
    problem: str | None = None


def broker() -> redis.Redis:
    """This process's client for the Redis between the web and the routers."""
    return reports.client(url_in(os.environ))


def routers_of(cluster: models.Cluster) -> list[models.Router]:
    """The routers by name."""
    return once(("routers", cluster.pk), lambda: list(cluster.routers.order_by("name")))


def state(cluster: models.Cluster, *, look: bool = True) -> ClusterState:
    """The last word of every router of the cluster, with its age. look: as of `reports.fetch`."""
    routers = routers_of(cluster)
    notes: list[str] = []
    try:
        names = [router.name for router in routers]
        found = reports.fetch(broker(), [reports.MANAGER, *names], look=look, notes=notes)
        refused = refusals.fetch(broker(), names)
    except redis.RedisError as error:
        problem = f"Redis cannot be reached ({error}): the routers go on as they are, nothing new is known."
        return ClusterState(
            routers=tuple(
                RouterState(
                    router=router, report=None, level="danger", sentence="not known: Redis cannot be reached"
                )
                for router in routers
            ),
            problem=problem,
            manager_problem=None,
        )
    standing = cluster.standing_revision()
    states = tuple(described(router, found.get(router.name), standing) for router in routers)
    return ClusterState(
        routers=states,
        alarms=(
            *(witness.Alarm("danger", f"{note}.") for note in notes),
            *(witness.Alarm(one.level, one.sentence) for one in refused),
            *witnessed(cluster, states, standing),
        ),
        problem=None,
        manager_problem=problem_of(found.get(reports.MANAGER)),
    )


def problem_of(manager: reports.Report | None) -> str | None:
    """What is wrong on the manager's own side, by its worker's report; None: nothing."""
    return manager.problem if manager is not None and manager.is_heard else NO_MANAGER


def report_of(router: models.Router) -> reports.Report | None:
    """The last report of one router; redis.RedisError when Redis is away."""
    return reports.fetch(broker(), [router.name]).get(router.name)


def witnessed(
    cluster: models.Cluster, states: Sequence[RouterState], standing: models.Revision | None
) -> tuple[witness.Alarm, ...]:
    """What is wrong with the pair, by the reports of its routers."""
    sights = [
        witness.Sight(name=one.router.name, age=one.age, pulse=one.pulse if one.is_current else None)
        for one in states
    ]
    redundancy = store.redundancy_of(standing) if standing and len(sights) > 1 else None
    return witness.alarms(sights, redundancy, applying=is_applying(cluster))


def is_applying(cluster: models.Cluster) -> bool:
    """Whether a revision is on its way to a router, or waits for its confirmation."""
    return once(applying_key(cluster), unfinished(cluster).exists)


def applying_key(cluster: models.Cluster) -> tuple[str, int]:
    """Under what a glance remembers it."""
    return ("applying", cluster.pk)


def unfinished(cluster: models.Cluster | OuterRef) -> QuerySet[models.Deployment]:
    """The deployments of a cluster that have not ended."""
    states = models.Deployment.State.unfinished()
    return models.Deployment.objects.filter(revision__cluster=cluster, state__in=states)


def aside_in_words(aside: Mapping[str, Any]) -> str:
    """Who keeps a router out of the pair, and why."""
    return f"set aside by {aside['by']}{': ' + aside['reason'] if aside['reason'] else ''}"


def described(
    router: models.Router, report: reports.Report | None, standing: models.Revision | None = None
) -> RouterState:
    """What a report means, in a sentence. standing: the revision that the router should run."""
    is_outside = False
    if report is None:
        level, sentence = "danger", "its worker has never been heard (piranha worker --router)"
    elif not report.is_understood:
        level, sentence = "danger", f"{NOT_UNDERSTOOD}: {report.problem}"
    elif report.is_silent:
        level, sentence = "danger", f"its worker has been silent for {duration(report.age)}"
    elif report.pulse is None:
        level, sentence = "danger", f"pulse does not answer: {report.problem}"
    else:
        level, sentence = "success", str(report.pulse["role"])
        if report.pulse["mode"] == "planning":
            level, sentence = "warning", f"{sentence}, planning only: nothing is written to a kernel"
        is_outside = not is_known(router.cluster, report.pulse["serial"], report.pulse["sha256"], standing)
        if report.pulse["sha256"] is None:
            level, sentence = "warning", f"{sentence}, no configuration yet: apply one"
        elif is_outside:
            level, sentence = "warning", f"{sentence}, {CHANGED_OUTSIDE}"
        elif standing is not None and report.pulse["serial"] != standing.number:
            level = "warning"
            sentence = f"{sentence}, runs revision {report.pulse['serial']} and not {standing.number}"
        elif report.pulse["problems"] and not report.pulse.get("aside"):
            level, sentence = "warning", f"{sentence}, {report.pulse['problems'][0]}"
        if report.pulse.get("aside"):  # whatever else there is: nobody takes over
            level, sentence = "warning", f"{sentence}, {aside_in_words(report.pulse['aside'])}"
    return RouterState(router=router, report=report, level=level, sentence=sentence, is_outside=is_outside)


def is_known(
    cluster: models.Cluster, serial: int | None, sha256: str | None, standing: models.Revision | None = None
) -> bool:
    """Whether what a router runs is a revision of its cluster, or nothing. standing: one that it may be."""
    if sha256 is None or serial is None:
        return True
    if standing is not None and standing.number == serial:
        return standing.sha256 == sha256
    revision = cluster.revisions.defer("document", "lvs_cf").filter(number=serial).first()
    return revision is not None and revision.sha256 == sha256


def duration(age: float) -> str:
    """A length of time for reading: 8 s, 5 min, 3 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if age >= 2 * size:
            return f"{int(age // size)} {unit}"
    return f"{int(age)} s"


def dry_runs(cluster: models.Cluster, config: LvsConfig) -> tuple[DryRun, ...]:
    """What each router would change for config, asked of all at once; waits DRY_RUN_SECONDS at most.

    A router that is known to be silent is not asked, so that nothing piles up in its queue.
    """
    now = state(cluster)
    asked: dict[str, str] = {}
    payload = document.to_document(config)
    runs: dict[str, DryRun] = {}
    for router in now.routers:
        name = router.router.name
        if not router.is_current:
            runs[name] = DryRun(router=router.router, problem=now.problem or f"{name}: {router.sentence}.")
            continue
        try:
            task_id = f"plan-{uuid.uuid4().hex}"
            sending.send(broker(), name, tasks.plan, [payload], task_id, within=DRY_RUN_SECONDS)
            asked[name] = task_id
        except (KombuError, redis.RedisError, OSError, UnusableKey) as error:
            runs[name] = DryRun(router=router.router, problem=f"{name} cannot be asked: {in_words(error)}")
    found = collect(asked, DRY_RUN_SECONDS)
    for router in now.routers:
        name = router.router.name
        if name in asked:
            runs[name] = dry_run_of(router.router, found.get(name))
    return tuple(runs[router.name] for router in standby_first(cluster))


def dry_run_of(router: models.Router, answer: Answer | None) -> DryRun:
    """A router's answer as the page shows it; None: it did not come in time."""
    if answer is None:
        return DryRun(router=router, problem=f"{router.name} did not answer within {DRY_RUN_SECONDS:.0f} s.")
    answer = answers.fitting(answer, tasks.plan.name)
    if not answer["ok"]:
        return DryRun(router=router, problem=f"{router.name} would refuse it: {answer['error']['message']}")
    problems = answer["result"]["problems"]
    return DryRun(
        router=router,
        changes=tuple(answer["result"]["changes"]),
        refusals=tuple(one["message"] for one in problems if one["severity"] == Severity.ERROR),
        # What has a line is said of the configuration, by every router and by the site itself.
        warnings=tuple(
            one["message"] for one in problems if one["severity"] == Severity.WARNING and one["line"] is None
        ),
        rules=answer["result"].get("netfilter"),
        is_older="netfilter" not in answer["result"],
    )


def collect(asked: Mapping[str, str], limit: float) -> dict[str, Answer]:
    """The answers to these tasks (router to task id) that come within limit seconds."""
    found: dict[str, Answer] = {}
    client = broker()
    end = time.monotonic() + limit
    while len(found) < len(asked) and time.monotonic() < end:
        for name, task_id in asked.items():
            try:
                answer = None if name in found else answers.take(client, name, task_id)
            except redis.RedisError:
                return found
            if answer is not None:
                found[name] = answer
        time.sleep(POLL_SECONDS)
    return found


def apply(
    cluster: models.Cluster, author: str, message: str, confirm_within: int | None = None
) -> models.Revision:
    """Freezes the candidate and leaves it for the manager's worker to carry to the routers.

    The database is the queue: nothing is lost, and nothing waits, when Redis or a router is away.
    confirm_within: seconds in which it must be confirmed, else each router puts back what was; None: it need
    not be. InvalidConfig when the candidate must not be installed.
    """
    return store.freeze(
        cluster, author=author, message=message, order=standby_first(cluster), confirm_within=confirm_within
    )


def standby_first(cluster: models.Cluster) -> list[models.Router]:
    """The routers in the order in which they take a change: by the roles that they report, else by node."""
    routers = cluster.routers_in_order()
    try:
        briefs = reports.briefs(broker(), [router.name for router in routers])
    except redis.RedisError:
        return routers
    roles = {name: brief.role for name, brief in briefs.items() if brief.is_current}
    if list(roles.values()).count("active") != 1:
        return routers
    return sorted(routers, key=lambda router: roles.get(router.name) == "active")


def speaking(now: ClusterState) -> RouterState | None:
    """The router whose word counts for the real servers: the active one, when its report is current."""
    for router in now.routers:
        if router.is_current and router.pulse and router.pulse["role"] == "active":
            return router
    return None


# ---- the parts of a report (ARCHITECTURE.md, "Reports of large clusters")


def servers(
    cluster: models.Cluster, names: Iterable[str], now: ClusterState | None = None
) -> dict[str, Part]:
    """These virtual servers by the active router's word, in the shape of its status document.

    Those that it does not have are left out; all of them are when it does not speak. From now on it brings
    them up to date with each report. now: what `state` gave.
    """
    speaker = speaking(now or state(cluster))
    return _read(lambda name: report_parts.parts_of(broker(), name, names), speaker)


def everything(cluster: models.Cluster, now: ClusterState | None = None) -> dict[str, Part]:
    """All of them; takes seconds for a large cluster, so for what must go over all."""
    return _read(lambda name: report_parts.every_part(broker(), name), speaking(now or state(cluster)))


def states(cluster: models.Cluster, now: ClusterState | None = None) -> dict[str, Standing]:
    """How all virtual servers stand by the active router's word, in the order of lvs.cf; {}: it is silent."""
    return _read(lambda name: report_parts.standings_of(broker(), name), speaking(now or state(cluster)))


def _read(read: Callable[[str], dict[str, Read]], router: RouterState | None) -> dict[str, Read]:
    """What read finds of a router; nothing where Redis is away or what is there cannot be understood."""
    if router is None:
        return {}
    try:
        return read(router.router.name)
    except redis.RedisError as error:
        log.warning("the report of %s cannot be read: %s", router.router.name, error)
    except ValueError as error:
        log.warning("the report of %s is not understood: %s", router.router.name, error)
    return {}


def detailed(router: RouterState, parts: Mapping[str, Part]) -> RouterState:
    """The router with these virtual servers in its report, in place of the few of the summary."""
    if router.report is None or router.report.pulse is None:
        return router
    pulse = {**router.report.pulse, "virtual_servers": list(parts.values())}
    pulse.pop("summary", None)
    return replace(router, report=replace(router.report, pulse=pulse))
