"""Carries frozen revisions to their routers: standby first, then the active; a refusal puts back what was.

Theory. The database is the queue. A revision is frozen together with a Deployment for each router, all of
them `queued`. The manager's worker looks for unfinished deployments every INTERVAL seconds and moves each
one step on:

    queued       -> sent          given to the router's own queue
    queued       -> superseded    a newer revision was frozen before this one was sent
    queued       -> cancelled     another router refused the revision
    queued       -> failed        somebody changed the router's lvs.cf outside; no router is sent anything
    sent         -> applied, failed   the router's answer
    sent         -> waiting       the same, for a revision that is to be confirmed
    sent         -> queued        the answer is overdue although the worker lives: Redis lost the task
    waiting      -> confirming    the administrator has confirmed it; the router is told
    waiting      -> applied       he has done so on the router itself (piranha confirm)
    waiting      -> rolled_back   the router's own clock ran out: it has put back what was
    waiting      -> putting_back  he has taken it back, or another router has not kept it
    waiting      -> superseded    the router has a newer revision
    confirming   -> applied, rolled_back   the router's answer: in time, or too late
    applied      -> putting_back  another router refused the revision
    putting_back -> putting_back  sent again, its answer being overdue
    putting_back -> rolled_back, failed

A task is carried out only while it is the one that its deployment waits for (`answers.want`), so that what
Redis delivers late or twice undoes nothing. The clock of a confirmation is the router's alone: pulse puts
back what was whether or not the manager, Redis and the worker live, and the manager reads that in its report.

A router that is silent does not hold the others up for longer than PATIENCE: its task waits in its own queue,
and pulse refuses it there when something newer was installed meanwhile. Nothing is kept in memory between
steps, so a manager that dies goes on where it was; every step may be taken twice.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import redis
from celery import Task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import KombuError

from lvs import dispatch, models, tasks
from lvs.reported import answers, reports
from lvs.sent import sending

INTERVAL = 0.25  # seconds between two looks at the database
PATIENCE = timedelta(seconds=15)  # how long the next router waits for one that has the task and says nothing
OVERDUE = timedelta(seconds=tasks.APPLY_SECONDS + 30)  # after this an answer will not come any more
STALE = timedelta(seconds=6)  # pulse's status is this much older than the report at most (piranha_web.worker)
GRACE = timedelta(seconds=15)  # after which a router that did not put back by itself is made to

State = models.Deployment.State

log = logging.getLogger("piranha.deploy")


def advance() -> None:
    """Moves every unfinished deployment one step on. redis.RedisError while Redis is away."""
    for cluster in models.Cluster.objects.filter(
        revisions__deployments__state__in=State.unfinished()
    ).distinct():
        newest = cluster.revisions.order_by("-number").values_list("number", flat=True).first()
        unfinished = cluster.revisions.filter(deployments__state__in=State.unfinished()).distinct()
        for revision in unfinished.defer("document", "lvs_cf").order_by("number"):
            advance_revision(revision, superseded=revision.number != newest)


def advance_revision(revision: models.Revision, *, superseded: bool) -> None:
    """One step for each deployment of a revision, in the order in which its routers take it."""
    deployments = list(revision.deployments.select_related("router").order_by("position"))
    if not superseded and all(one.state == State.QUEUED for one in deployments):
        deployments = prepared(revision, deployments)
    for deployment in deployments:
        take_answer(deployment)
        if deployment.state == State.WAITING:
            look(deployment)
    reason = why_not_kept(revision, deployments)
    for deployment in deployments:
        if reason is not None:
            give_up(deployment, reason)
        elif superseded and deployment.state == State.QUEUED:
            deployment.end(State.SUPERSEDED, "A newer revision was applied before this one was sent.")
    if reason is None:
        send_next(revision, deployments)


def prepared(revision: models.Revision, deployments: list[models.Deployment]) -> list[models.Deployment]:
    """The deployments in the order of the roles that the routers have now, before the first one is sent.

    What somebody changed on a router outside of this tool is not overwritten unseen: that router's deployment
    fails before any router has been given anything.
    """
    briefs = reports.briefs(dispatch.broker(), [one.router.name for one in deployments])
    order = {router.pk: place for place, router in enumerate(dispatch.standby_first(revision.cluster))}
    for deployment in deployments:
        place = order[deployment.router_id]
        if deployment.position != place:
            deployment.position = place
            deployment.save(update_fields=["position"])
        brief = briefs.get(deployment.router.name)
        if brief is not None and brief.is_current and is_outside(deployment.router, brief):
            text = f"On {deployment.router.name} {dispatch.CHANGED_OUTSIDE}, then apply again."
            deployment.end(State.FAILED, text)
    return sorted(deployments, key=lambda one: one.position)


def is_outside(router: models.Router, brief: reports.Brief) -> bool:
    """Whether the router runs what is no revision and what nobody has taken in."""
    known = dispatch.is_known(router.cluster, brief.serial, brief.sha256)
    return not known and brief.sha256 != router.taken_in


def send_next(revision: models.Revision, deployments: list[models.Deployment]) -> None:
    """Sends the first queued deployment when all before it have ended, or have kept silent long enough."""
    for deployment in deployments:
        if deployment.state == State.QUEUED:
            send(deployment, revision, State.SENT, taken_in_serial(deployment.router))
            return
        if deployment.state == State.SENT and waited(deployment) < PATIENCE and not silent(deployment):
            return


def taken_in_serial(router: models.Router) -> int | None:
    """The serial number of what the router runs, if that is no revision but was taken in: it may go back."""
    if not router.taken_in:
        return None
    brief = reports.briefs(dispatch.broker(), [router.name]).get(router.name)
    return brief.serial if brief is not None and brief.sha256 == router.taken_in else None


def waited(deployment: models.Deployment) -> timedelta:
    """How long the router has had the task."""
    return timezone.now() - deployment.sent_at if deployment.sent_at else timedelta()


def silent(deployment: models.Deployment) -> bool:
    """Whether the router's worker is known not to live, so that waiting for it has no sense."""
    name = deployment.router.name
    found = reports.briefs(dispatch.broker(), [name]).get(name)
    return found is None or found.is_silent


def send(
    deployment: models.Deployment, revision: models.Revision, state: str, back_from: int | None = None
) -> None:
    """Gives the revision to the router's queue, then notes that. A crash between the two sends it twice."""
    # What is put back was confirmed before, or needed no confirmation.
    within = revision.confirm_within if state == State.SENT else None
    task_id = give(deployment, deployment.router, revision, back_from, within)
    deployment.send(state, task_id)


def give(
    row: models.Deployment | models.Errand,
    router: models.Router,
    revision: models.Revision,
    back_from: int | None,
    confirm_within: int | None = None,
) -> str:
    """Puts a revision and the cluster's keys into the router's queue; the id of the task."""
    arguments = [revision.document, back_from, router.cluster.key_ring(), confirm_within]
    return queue(row, router, tasks.apply, arguments)


def queue(
    row: models.Deployment | models.Errand, router: models.Router, task: Task, arguments: Sequence[object]
) -> str:
    """Puts a task for row into the router's queue; its id. redis.RedisError when Redis does not take it,
    UnusableKey when it cannot be signed."""
    task_id = f"{type(row).__name__.lower()}-{row.pk}-{uuid.uuid4().hex}"
    try:
        sending.send(dispatch.broker(), router.name, task, arguments, task_id)
    except (KombuError, OSError) as error:
        raise redis.ConnectionError(f"the queue of {router.name} does not take the task: {error}") from error
    return task_id


def take_answer(deployment: models.Deployment) -> None:
    """Notes what the router answered, if it has; asks again when the answer is long overdue."""
    if deployment.state not in (State.SENT, State.CONFIRMING, State.PUTTING_BACK):
        return
    answer = answers.take(dispatch.broker(), deployment.router.name, deployment.task_id)
    if answer is not None:
        try:
            note(deployment, answers.fitting(answer, task_of(deployment)))
        except (KeyError, TypeError, AttributeError) as error:
            log.exception("the answer of %s makes no sense", deployment.router)
            text = f"The answer of its worker makes no sense ({error!r}): is it as new as this site?"
            deployment.end(State.FAILED, text)
        answers.unwant(dispatch.broker(), deployment.router.name, deployment.task_id)
    elif waited(deployment) > OVERDUE:
        if silent(deployment):
            # A worker that comes back has the task before it in its queue, and time to carry it out.
            deployment.wait_anew()
            return
        answers.unwant(dispatch.broker(), deployment.router.name, deployment.task_id)
        if deployment.state == State.PUTTING_BACK:
            put_back(deployment)
        elif deployment.state == State.CONFIRMING:
            confirm(deployment)
        else:
            deployment.queue_again()


def task_of(deployment: models.Deployment) -> str:
    """Of which task the answer is that a deployment waits for."""
    return str((tasks.confirm if deployment.state == State.CONFIRMING else tasks.apply).name)


def note(deployment: models.Deployment, answer: dict[str, Any]) -> None:
    """The end of a deployment, or of one part of it, by the router's answer."""
    state = deployment.state
    with transaction.atomic():
        if state == State.CONFIRMING:
            note_confirmed(deployment, answer)
        elif answer["ok"]:
            result = answer["result"]
            deployment.changes = list(result["changes"])
            deployment.refused = list(result["refused"])
            deployment.seconds = result["seconds"]
            within = deployment.revision.confirm_within
            if state == State.PUTTING_BACK:
                deployment.end(State.ROLLED_BACK, deployment.error)
            elif within is not None:
                deployment.wait(timezone.now() + timedelta(seconds=within))
            else:
                deployment.end(State.APPLIED)
        else:
            text = refusal(answer)
            prefix = "Putting back failed: " if state == State.PUTTING_BACK else ""
            deployment.end(State.FAILED, f"{prefix}{text}")


def refusal(answer: dict[str, Any]) -> str:
    """What a router said when it refused, with pulse's problems, a line each, and their line of lvs.cf."""
    error = answer["error"]
    problems = [
        f"line {one['line']}: {one['message']}" if one["line"] else one["message"]
        for one in error["problems"]
    ]
    return "\n".join([error["message"], *problems])


def note_confirmed(deployment: models.Deployment, answer: dict[str, Any]) -> None:
    """What came of a confirmation. A router that did not get it yet is told again."""
    if answer["ok"]:
        deployment.end(State.APPLIED)
    elif answer["error"]["kind"] == "PulseUnreachable":
        confirm(deployment)
    else:
        text = f"The confirmation came too late for {deployment.router.name}: {refusal(answer)}"
        deployment.end(State.ROLLED_BACK, text, was_applied=True)


def look(deployment: models.Deployment) -> None:
    """What the router's report and the administrator's verdict mean for a deployment that waits."""
    revision, router = deployment.revision, deployment.router
    newer = router.deployments.filter(
        revision__number__gt=revision.number, state__in=(State.WAITING, State.APPLIED)
    )
    verdict = revision.verdict
    brief = reports.briefs(dispatch.broker(), [router.name]).get(router.name)
    if newer.exists():
        deployment.end(State.SUPERSEDED, "A newer revision took its place before it was confirmed.")
    elif verdict is not None and verdict.keep:
        confirm(deployment)
    elif brief is not None and is_later(brief, deployment):
        believe(deployment, brief)


def is_later(brief: reports.Brief, deployment: models.Deployment) -> bool:
    """Whether the report was written after the router had the revision."""
    if deployment.waits_until is None or deployment.revision.confirm_within is None:
        return False
    began = deployment.waits_until - timedelta(seconds=deployment.revision.confirm_within)
    return brief.is_current and timezone.now() - began > timedelta(seconds=brief.age) + STALE


def believe(deployment: models.Deployment, brief: reports.Brief) -> None:
    """Follows what the router itself did: put back what was, or take a confirmation there."""
    revision = deployment.revision
    has_it = (brief.serial, brief.sha256) == (revision.number, revision.sha256)
    if not has_it:
        text = f"It was not confirmed within {revision.confirm_within} s: {deployment.router.name} put back "
        text += f"revision {brief.serial} by itself." if brief.sha256 else "that it had no configuration."
        deployment.end(State.ROLLED_BACK, text, was_applied=True)
    elif brief.knows_confirmation and brief.unconfirmed is None:
        # Confirmed where it runs, perhaps by somebody whom the change has cut off from this site.
        models.Confirmation.objects.get_or_create(
            revision=revision, defaults={"keep": True, "by": f"somebody on {deployment.router.name}"}
        )
        deployment.end(State.APPLIED)


def confirm(deployment: models.Deployment) -> None:
    """Tells the router that what it has stays."""
    task_id = queue(deployment, deployment.router, tasks.confirm, [deployment.revision.number])
    deployment.send(State.CONFIRMING, task_id)


def why_not_kept(revision: models.Revision, deployments: list[models.Deployment]) -> str | None:
    """Why no router is to keep the revision, as a sentence's beginning; None: nothing speaks against it."""
    verdict = revision.verdict if revision.confirm_within is not None else None
    for deployment in deployments:
        if deployment.state == State.FAILED and not deployment.was_applied:
            return f"{deployment.router.name} refused this revision"
    if verdict is not None:
        return None if verdict.keep else f"{verdict.by} took this revision back"
    for deployment in deployments:
        if deployment.state == State.ROLLED_BACK:
            return f"This revision was not confirmed, and {deployment.router.name} has put it back"
    ends = [one.waits_until for one in deployments if one.state == State.WAITING and one.waits_until]
    if any(timezone.now() > end + GRACE for end in ends):
        return f"This revision was not confirmed within {revision.confirm_within} s"
    return None


def give_up(deployment: models.Deployment, reason: str) -> None:
    """What becomes of a deployment whose revision no router is to keep."""
    if deployment.state == State.QUEUED:
        deployment.end(State.CANCELLED, f"Not sent: {reason}.")
    elif deployment.state in (State.APPLIED, State.WAITING):
        before = deployment.revision.before_on(deployment.router)
        if before is None:
            if deployment.state == State.APPLIED or timed_out(deployment):
                text = f"{reason}, and there is no earlier one to put back here."
                deployment.end(State.FAILED, text, was_applied=True)
            return
        deployment.error = f"{reason}: revision {before.number} was put back."
        deployment.was_applied = True
        deployment.save(update_fields=["error", "was_applied"])
        put_back(deployment)


def timed_out(deployment: models.Deployment) -> bool:
    """Whether the router has had its time to put back by itself."""
    return deployment.waits_until is not None and timezone.now() > deployment.waits_until + GRACE


def put_back(deployment: models.Deployment) -> None:
    """Sends what the router had before the deployment's revision, which is not kept."""
    before = deployment.revision.before_on(deployment.router)
    if before is not None:
        send(deployment, before, State.PUTTING_BACK, back_from=deployment.revision.number)
