"""Carries frozen revisions to their routers: standby first, then the active; a refusal puts back what was.

Theory. The database is the queue. A revision is frozen together with a Deployment for each router, all of
them `queued`. The manager's worker looks for unfinished deployments every INTERVAL seconds and moves each
one step on:

    queued       -> sent          given to the router's own queue
    queued       -> superseded    a newer revision was frozen before this one was sent
    queued       -> cancelled     another router refused the revision
    sent         -> applied, failed   the router's answer
    sent         -> queued        the answer is overdue although the worker lives: Redis lost the task
    applied      -> putting_back  another router refused the revision
    putting_back -> putting_back  sent again, its answer being overdue
    putting_back -> rolled_back, failed

A task is carried out only while it is the one that its deployment waits for (`answers.want`), so that what
Redis delivers late or twice undoes nothing.

A router that is silent does not hold the others up for longer than PATIENCE: its task waits in its own queue,
and pulse refuses it there when something newer was installed meanwhile. Nothing is kept in memory between
steps, so a manager that dies goes on where it was; every step may be taken twice.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

import redis
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import KombuError

from lvs import answers, dispatch, models, tasks

INTERVAL = 0.25  # seconds between two looks at the database
PATIENCE = timedelta(seconds=15)  # how long the next router waits for one that has the task and says nothing
OVERDUE = timedelta(seconds=tasks.APPLY_SECONDS + 30)  # after this an answer will not come any more

State = models.Deployment.State

log = logging.getLogger("piranha.deploy")


def advance() -> None:
    """Moves every unfinished deployment one step on. redis.RedisError while Redis is away."""
    for cluster in models.Cluster.objects.filter(
        revisions__deployments__state__in=State.unfinished()
    ).distinct():
        newest = cluster.revisions.order_by("-number").values_list("number", flat=True).first()
        unfinished = cluster.revisions.filter(deployments__state__in=State.unfinished()).distinct()
        for revision in unfinished.order_by("number"):
            advance_revision(revision, superseded=revision.number != newest)


def advance_revision(revision: models.Revision, *, superseded: bool) -> None:
    """One step for each deployment of a revision, in the order in which its routers take it."""
    deployments = list(revision.deployments.select_related("router").order_by("position"))
    for deployment in deployments:
        take_answer(deployment)
    failed = next((one for one in deployments if one.state == State.FAILED and not one.was_applied), None)
    for deployment in deployments:
        if failed is not None:
            give_up(deployment, failed)
        elif superseded and deployment.state == State.QUEUED:
            deployment.end(State.SUPERSEDED, "A newer revision was applied before this one was sent.")
    if failed is None:
        send_next(revision, deployments)


def send_next(revision: models.Revision, deployments: list[models.Deployment]) -> None:
    """Sends the first queued deployment when all before it have ended, or have kept silent long enough."""
    for deployment in deployments:
        if deployment.state == State.QUEUED:
            send(deployment, revision, State.SENT)
            return
        if deployment.state == State.SENT and waited(deployment) < PATIENCE and not silent(deployment):
            return


def waited(deployment: models.Deployment) -> timedelta:
    """How long the router has had the task."""
    return timezone.now() - deployment.sent_at if deployment.sent_at else timedelta()


def silent(deployment: models.Deployment) -> bool:
    """Whether the router's worker is known not to live, so that waiting for it has no sense."""
    found = dispatch.report_of(deployment.router)
    return found is None or found.is_silent


def send(
    deployment: models.Deployment, revision: models.Revision, state: str, back_from: int | None = None
) -> None:
    """Gives the revision to the router's queue, then notes that. A crash between the two sends it twice."""
    task_id = f"deployment-{deployment.pk}-{uuid.uuid4().hex}"
    answers.want(dispatch.broker(), task_id)
    try:
        tasks.apply.apply_async(
            [revision.document, back_from],
            queue=tasks.queue_of(deployment.router.name),
            task_id=task_id,
            retry=False,
        )
    except (KombuError, OSError) as error:
        raise redis.ConnectionError(
            f"the queue of {deployment.router.name} does not take the task: {error}"
        ) from error
    deployment.send(state, task_id)


def take_answer(deployment: models.Deployment) -> None:
    """Notes what the router answered, if it has; asks again when the answer is long overdue."""
    if deployment.state not in (State.SENT, State.PUTTING_BACK):
        return
    answer = answers.take(dispatch.broker(), deployment.task_id)
    if answer is not None:
        try:
            note(deployment, answer)
        except (KeyError, TypeError, AttributeError) as error:
            log.exception("the answer of %s makes no sense", deployment.router)
            text = f"The answer of its worker makes no sense ({error!r}): is it as new as this site?"
            deployment.end(State.FAILED, text)
        answers.unwant(dispatch.broker(), deployment.task_id)
    elif waited(deployment) > OVERDUE:
        if silent(deployment):
            # A worker that comes back has the task before it in its queue, and time to carry it out.
            deployment.wait_anew()
            return
        answers.unwant(dispatch.broker(), deployment.task_id)
        if deployment.state == State.PUTTING_BACK:
            put_back(deployment)
        else:
            deployment.queue_again()


def note(deployment: models.Deployment, answer: dict[str, Any]) -> None:
    """The end of a deployment, by the router's answer."""
    putting_back = deployment.state == State.PUTTING_BACK
    with transaction.atomic():
        if answer["ok"]:
            result = answer["result"]
            deployment.changes = list(result["changes"])
            deployment.refused = list(result["refused"])
            deployment.seconds = result["seconds"]
            deployment.end(
                State.ROLLED_BACK if putting_back else State.APPLIED, deployment.error if putting_back else ""
            )
        else:
            error = answer["error"]
            text = "\n".join([error["message"], *lines(error["problems"])])
            deployment.end(State.FAILED, f"Putting back failed: {text}" if putting_back else text)


def lines(problems: list[dict[str, Any]]) -> list[str]:
    """pulse's problems, a line each, with the line of lvs.cf."""
    return [f"line {one['line']}: {one['message']}" if one["line"] else one["message"] for one in problems]


def give_up(deployment: models.Deployment, failed: models.Deployment) -> None:
    """What a refusal elsewhere means for this deployment."""
    if deployment.state == State.QUEUED:
        deployment.end(State.CANCELLED, f"Not sent: {failed.router.name} refused this revision.")
    elif deployment.state == State.APPLIED:
        before = deployment.revision.before_on(deployment.router)
        if before is None:
            deployment.end(
                State.FAILED,
                f"{failed.router.name} refused this revision, and there is no earlier one to put back here.",
                was_applied=True,
            )
            return
        deployment.error = (
            f"{failed.router.name} refused this revision: revision {before.number} was put back."
        )
        deployment.was_applied = True
        deployment.save(update_fields=["error", "was_applied"])
        put_back(deployment)


def put_back(deployment: models.Deployment) -> None:
    """Sends what the router had before the deployment's revision, which another router refused."""
    before = deployment.revision.before_on(deployment.router)
    if before is not None:
        send(deployment, before, State.PUTTING_BACK, back_from=deployment.revision.number)
