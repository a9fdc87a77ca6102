"""Routers that a test plays itself: it reads the queue, publishes the reports and gives the answers."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from django.conf import settings
from django.utils import timezone

from lvs import dispatch, models, store
from lvs.config.model import FloatingAddress, GlobalSettings, LvsConfig, RealServer, Redundancy, VirtualServer
from lvs.machines import doorway, signing
from lvs.machines.signing import SignedTask
from lvs.machines.worker_file import queue_of
from lvs.reported import answers, reports
from lvs.sent import deploy, errands

State = models.Deployment.State

SHOP = VirtualServer(
    name="shop",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    real_servers=(RealServer(name="web1", address=IPv4Address("127.0.0.1"), active=True, port=9),),
)
CONFIG = LvsConfig(
    global_settings=GlobalSettings(
        primary=IPv4Address("192.168.26.9"),
        primary_private=IPv4Address("10.9.9.9"),
        nat_router=FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1"),
    ),
    redundancy=Redundancy(
        backup_active=True, backup=IPv4Address("192.168.26.8"), backup_private=IPv4Address("10.9.9.8")
    ),
    virtual_servers=(SHOP,),
)


def pair() -> models.Cluster:
    """A pair of routers whose candidate has one virtual server."""
    cluster = store.create_cluster("lab", "r1", "r2")
    store.save(cluster, CONFIG)
    return cluster


def edit(cluster: models.Cluster, **changes: Any) -> None:
    """Changes the virtual server of the candidate."""
    config = store.load(cluster)
    changed = dataclasses.replace(config.virtual_servers[0], **changes)
    store.save(cluster, dataclasses.replace(config, virtual_servers=(changed,)))


def report(name: str, revision: models.Revision | None, **changes: Any) -> None:
    """What a router's worker would report: that it runs that revision."""
    pulse: dict[str, Any] = {
        "name": name,
        "node": "primary" if name == "r1" else "backup",
        "role": "active" if name == "r1" else "standby",
        "mode": "kernel",
        "now": 1000.0,
        "started_at": 0.0,
        "serial": revision.number if revision else None,
        "sha256": revision.sha256 if revision else None,
        "installed_at": None,
        "version": "1.0",
        "problems": [],
        "events": [],
        "addresses": [],
        "virtual_servers": [],
        "foreign": [],
        "redundancy": None,
        "unconfirmed": None,
        **changes,
    }
    reports.publish(dispatch.broker(), name, pulse, None)


def queued(name: str) -> list[tuple[str, list[Any]]]:
    """The tasks in a router's queue, oldest first: (name, arguments)."""
    raw = dispatch.broker().lrange(queue_of(name), 0, -1)
    signed = [signed_in(str(one)) for one in reversed(list(raw))]  # type: ignore[arg-type]
    return [(one.task, list(one.arguments)) for one in signed]


def signed_in(raw: str) -> SignedTask:
    """What the manager signed in a message, as it stands in a queue."""
    text, signature = doorway.parts_of(json.loads(raw))
    return signing.unseal(text, signature, signing.trusted(signing.public_texts(settings.VAR)))


def answer(row: models.Deployment | models.Errand, **refused: str) -> None:
    """Gives the answer to what the row waits for; refused: kind and message of an error."""
    row.refresh_from_db()
    if refused:
        error = {"kind": refused["kind"], "message": refused["message"], "problems": []}
        answers.give(dispatch.broker(), row.router.name, row.task_id, {"ok": False, "error": error})
    else:
        result = {"changes": ["one change"], "refused": [], "seconds": 0.1}
        answers.give(dispatch.broker(), row.router.name, row.task_id, {"ok": True, "result": result})


def steps(count: int = 3) -> None:
    """The manager's work, so often that nothing more comes of it."""
    for _ in range(count):
        deploy.advance()
        errands.look()
        errands.advance()


def of(revision: models.Revision, name: str) -> models.Deployment:
    """The deployment of a revision on a router, as it is now."""
    return revision.deployments.get(router__name=name)


def states(revision: models.Revision) -> dict[str, str]:
    """The states of a revision's deployments by router."""
    return {one.router.name: one.state for one in revision.deployments.select_related("router")}


def pass_time(revision: models.Revision, seconds: float) -> None:
    """Makes everything that happened to the revision so many seconds older."""
    span = timedelta(seconds=seconds)
    for row in revision.deployments.all():
        for name in ("sent_at", "waits_until", "ended_at"):
            at = getattr(row, name)
            setattr(row, name, at and at - span)
        row.save()


def apply(cluster: models.Cluster, confirm_within: int | None = None) -> models.Revision:
    """A revision that both routers have taken; they report it."""
    revision = dispatch.apply(cluster, author="anna", message="", confirm_within=confirm_within)
    taken_by_both(revision)
    return revision


def taken_by_both(revision: models.Revision) -> None:
    """Both routers take the revision, standby first."""
    for name in ("r2", "r1"):
        steps(1)
        assert of(revision, name).state == State.SENT
        answer(of(revision, name))
    steps(1)
    waits = {"serial": revision.number, "seconds_left": 30, "back_to": 1} if revision.confirm_within else None
    for name in ("r1", "r2"):
        report(name, revision, unconfirmed=waits)


def long_ago() -> None:
    """Makes everything that ended end an hour ago, so that the reports count."""
    for rows in (models.Deployment.objects.all(), models.Errand.objects.all()):
        rows.exclude(ended_at=None).update(ended_at=timezone.now() - timedelta(hours=1))
