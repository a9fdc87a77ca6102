"""Gives routers the running revision again: to one that was away, misses a key or was changed outside.

Theory. What a router runs is what it reports, never what was sent. `look` compares the two for every router
that is heard while no change is under way; where they differ, and what the router runs is a revision of its
cluster or nothing at all, it begins an Errand. What is nobody's revision it leaves alone: that is somebody's
work on the router, and the administrator decides. `advance` moves each Errand one step on:

    queued -> sent           the router is heard, and no revision is on its way to it
    queued -> dropped        the cluster runs another revision by now, which brings the same
    sent   -> done, failed   the router's answer
    sent   -> queued         the answer is overdue although the worker lives: Redis lost the task

As in `lvs.sent.deploy`, nothing is kept in memory and every step may be taken twice.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from lvs import dispatch, models, tasks
from lvs.reported import answers, reports
from lvs.sent import deploy

RETRY = timedelta(minutes=5)  # after a router refused to catch up

State = models.Errand.State
Kind = models.Errand.Kind

log = logging.getLogger("piranha.errands")


def advance() -> None:
    """Moves every unfinished errand one step on. redis.RedisError while Redis is away."""
    rows = models.Errand.objects.filter(state__in=State.unfinished())
    for errand in rows.select_related("router__cluster").order_by("pk"):
        if errand.state == State.SENT:
            take_answer(errand)
        else:
            send(errand)


def send(errand: models.Errand) -> None:
    """Gives it to the router's queue, if the router is heard and nothing speaks against it."""
    router = errand.router
    standing = router.cluster.standing_revision()
    if standing is None or standing.pk != errand.revision_id:
        errand.end(State.DROPPED, "The cluster runs another revision by now.")
        return
    brief = reports.briefs(dispatch.broker(), [router.name]).get(router.name)
    if brief is None or not brief.is_current or is_busy(router):
        return
    if errand.kind != Kind.PUT_BACK and deploy.is_outside(router, brief):
        return
    errand.send(deploy.give(errand, router, errand.revision, errand.back_from))


def is_busy(router: models.Router) -> bool:
    """Whether a revision is on its way to the router, or waits there for its confirmation."""
    return router.deployments.filter(state__in=models.Deployment.State.unfinished()).exists()


def take_answer(errand: models.Errand) -> None:
    """Notes what the router answered, if it has; asks again when the answer is long overdue."""
    answer = answers.take(dispatch.broker(), errand.router.name, errand.task_id)
    if answer is None:
        if errand.sent_at is None or timezone.now() - errand.sent_at <= deploy.OVERDUE:
            return
        brief = reports.briefs(dispatch.broker(), [errand.router.name]).get(errand.router.name)
        if brief is None or brief.is_silent:
            errand.wait_anew()
            return
        answers.unwant(dispatch.broker(), errand.router.name, errand.task_id)
        errand.queue_again()
        return
    try:
        answer = answers.fitting(answer, tasks.apply.name)
        if answer["ok"]:
            errand.changes = list(answer["result"]["changes"])
            errand.end(State.DONE)
        else:
            errand.end(State.FAILED, deploy.refusal(answer))
    except (KeyError, TypeError, AttributeError) as error:
        log.exception("the answer of %s makes no sense", errand.router)
        errand.end(State.FAILED, f"The answer of its worker makes no sense ({error!r}).")
    answers.unwant(dispatch.broker(), errand.router.name, errand.task_id)


def look() -> None:
    """Begins an errand for each router that is behind. redis.RedisError while Redis is away."""
    for cluster in models.Cluster.objects.all():
        standing = cluster.standing_revision()
        if standing is None or dispatch.is_applying(cluster):
            continue
        routers = list(cluster.routers.all())
        briefs = reports.briefs(dispatch.broker(), [router.name for router in routers])
        for router in routers:
            brief = briefs.get(router.name)
            if brief is not None and brief.is_current and brief.sha256 != standing.sha256:
                catch_up(router, standing, brief)


def catch_up(router: models.Router, standing: models.Revision, brief: reports.Brief) -> None:
    """Begins the errand of a router that runs an other revision than it should, or none."""
    cluster = router.cluster
    if not dispatch.is_known(cluster, brief.serial, brief.sha256) or not is_later(brief, router):
        return
    waits = router.errands.filter(state__in=State.unfinished())
    refused = router.errands.filter(
        revision=standing, kind=Kind.CATCH_UP, state=State.FAILED, ended_at__gt=timezone.now() - RETRY
    )
    if waits.exists() or refused.exists():
        return
    newer = brief.serial is not None and brief.serial > standing.number
    had = f"it ran revision {brief.serial}" if brief.sha256 else "it had no configuration"
    errand = models.Errand.begin(
        router, standing, Kind.CATCH_UP, reason=had, back_from=brief.serial if newer else None
    )
    log.warning("%s catches up with revision %s: %s", router, standing.number, errand.reason)


def is_later(brief: reports.Brief, router: models.Router) -> bool:
    """Whether the report was written after everything that the router was given last had ended there."""
    ends = [
        rows.aggregate(last=Max("ended_at"))["last"]
        for rows in (router.deployments.all(), router.errands.all())
    ]
    age = timedelta(seconds=brief.age)
    return all(end is None or timezone.now() - end > age + deploy.STALE for end in ends)
