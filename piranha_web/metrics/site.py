"""What the manager knows at the moment of a scrape: its own parts, each cluster, each router's last report.

A part that fails costs its own lines alone, and `piranha_up` says which it was: the metrics must be there
most of all when something is wrong.
"""

from __future__ import annotations

import logging
import time
from collections import Counter

import redis
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count

from lvs import dispatch, models, store
from lvs.machines import refusals
from lvs.machines.worker_file import queue_of
from lvs.reported import metrics, report_parts, reports
from lvs.reported.exposition import GAUGE, Metric, Page
from lvs.reported.metrics import Limits
from piranha_web.tls.serving import shown

log = logging.getLogger("piranha.site")

PART = Metric("piranha_up", GAUGE, "1: that part of the manager works (database, redis, manager).", ("part",))
MANAGER_AGE = Metric(
    "piranha_manager_report_age_seconds", GAUGE, "Since the manager's worker was heard last."
)
QUEUE = Metric("piranha_queue_length", GAUGE, "Tasks that wait in Redis for a worker.", ("queue",))
ROUTER_UP = Metric(
    "piranha_router_up", GAUGE, "1: its worker reports and pulse answers.", ("cluster", "router")
)
AGE = Metric(
    "piranha_router_report_age_seconds", GAUGE, "Since its worker was heard last.", ("cluster", "router")
)
DRIFT = Metric(
    "piranha_router_config_drift", GAUGE, "1: its lvs.cf was changed outside.", ("cluster", "router")
)
BEHIND = Metric(
    "piranha_router_behind", GAUGE, "1: it does not run the newest revision.", ("cluster", "router")
)
TASKS_REFUSED = Metric(
    "piranha_tasks_refused", GAUGE, "Tasks that its worker refused within a day.", ("router", "reason")
)
CLUSTER_ALARMS = Metric(
    "piranha_cluster_alarms", GAUGE, "What the manager sees wrong with the pair.", ("cluster", "level")
)
ACTIVE_ROUTERS = Metric(
    "piranha_cluster_active_routers", GAUGE, "Routers that say they are active.", ("cluster",)
)
REVISION = Metric("piranha_cluster_revision", GAUGE, "Number of the newest revision.", ("cluster",))
APPLIED = Metric(
    "piranha_last_apply_timestamp_seconds",
    GAUGE,
    "When somebody applied last, since the epoch.",
    ("cluster",),
)
PENDING = Metric("piranha_pending_changes", GAUGE, "Changes that nobody has applied yet.", ("cluster",))
DEPLOYMENTS = Metric(
    "piranha_deployments", GAUGE, "Revisions for a router, by how far they are.", ("router", "state")
)
ERRANDS = Metric(
    "piranha_errands", GAUGE, "What routers are given besides, by how far it is.", ("router", "kind", "state")
)
CERTIFICATE = Metric(
    "piranha_certificate_not_after_seconds", GAUGE, "When the site's certificate ends, since the epoch."
)
ALERTS = Metric("piranha_alerts", GAUGE, "Alerts that somebody was told of and that go on.", ("kind",))
MESSAGES = Metric(
    "piranha_alert_messages", GAUGE, "Messages of alerts within 30 days, by what became of them.", ("state",)
)
SCRAPE = Metric("piranha_scrape_seconds", GAUGE, "How long it took to gather this page.")

OF_THE_SITE = (
    PART, MANAGER_AGE, QUEUE, ROUTER_UP, AGE, DRIFT, BEHIND, TASKS_REFUSED, CLUSTER_ALARMS, ACTIVE_ROUTERS,
    REVISION, APPLIED, PENDING, DEPLOYMENTS, ERRANDS, CERTIFICATE, ALERTS, MESSAGES, SCRAPE,
)  # fmt: skip


def page() -> Page:
    """Everything, as of now."""
    began = time.perf_counter()
    made = Page()
    names: list[str] = []
    try:
        names = list(models.Router.objects.order_by("name").values_list("name", flat=True))
        _add_database(made)
        _add_alerts(made)
        made.add(PART, 1, "database")
    except DatabaseError as error:
        log.warning("metrics without the database: %s", error)
        made.add(PART, 0, "database")
    try:
        _add_redis(made, names)
        made.add(PART, 1, "redis")
    except redis.RedisError as error:
        log.warning("metrics without Redis: %s", error)
        made.add(PART, 0, "redis")
    if found := shown():
        made.add(CERTIFICATE, found.certificate.not_after.timestamp())
    made.add(SCRAPE, time.perf_counter() - began)
    return made


def _add_database(made: Page) -> None:
    limits = Limits(settings.PIRANHA_METRICS_VIRTUAL_SERVERS, settings.PIRANHA_METRICS_REAL_SERVERS)
    for cluster in models.Cluster.objects.all():
        _add_cluster(made, cluster)
        state = dispatch.state(cluster, look=False)
        _add_state(made, cluster, state)
        for router in state.routers:
            _add_router(made, cluster, router, limits)
    deployments = models.Deployment.objects.order_by().values_list("router__name", "state")
    for name, stage, count in deployments.annotate(count=Count("pk")):
        made.add(DEPLOYMENTS, count, name, stage)
    errands = models.Errand.objects.order_by().values_list("router__name", "kind", "state")
    for name, kind, stage, count in errands.annotate(count=Count("pk")):
        made.add(ERRANDS, count, name, kind, stage)


def _add_alerts(made: Page) -> None:
    told = models.Alert.objects.order_by().filter(closed=False, told__isnull=False).values_list("kind")
    for kind, count in told.annotate(count=Count("pk")):
        made.add(ALERTS, count, kind)
    for stage, count in (
        models.AlertMessage.objects.order_by().values_list("state").annotate(count=Count("pk"))
    ):
        made.add(MESSAGES, count, stage)


def _add_cluster(made: Page, cluster: models.Cluster) -> None:
    newest = cluster.revisions.defer("document", "lvs_cf").first()
    if newest is not None:
        made.add(REVISION, newest.number, cluster.name)
        made.add(APPLIED, newest.created_at.timestamp(), cluster.name)
    made.add(PENDING, len(store.pending(cluster)), cluster.name)


def _add_state(made: Page, cluster: models.Cluster, state: dispatch.ClusterState) -> None:
    if state.problem:  # nothing at all is known
        return
    levels = Counter(alarm.level for alarm in state.alarms)
    for level in ("danger", "warning"):
        made.add(CLUSTER_ALARMS, levels[level], cluster.name, level)
    active = sum(one.is_current and one.role == "active" for one in state.routers)
    made.add(ACTIVE_ROUTERS, active, cluster.name)


def _add_router(made: Page, cluster: models.Cluster, router: dispatch.RouterState, limits: Limits) -> None:
    """One router; what it said last only as long as that is how things are."""
    name = router.router.name
    made.add(ROUTER_UP, router.is_current, cluster.name, name)
    if router.age is not None:
        made.add(AGE, router.age, cluster.name, name)
    pulse = router.pulse
    if pulse is None or not router.is_current:
        return
    standing = cluster.standing_revision()
    made.add(DRIFT, router.is_outside, cluster.name, name)
    made.add(BEHIND, standing is not None and pulse["serial"] != standing.number, cluster.name, name)
    metrics.add_router(made, name, pulse)
    try:
        client = dispatch.broker()
        metrics.add_standings(made, name, report_parts.standings_of(client, name), limits)
        metrics.add_counts(made, name, report_parts.counts_of(client, name), limits)
        if limits.real_servers:
            parts = report_parts.every_part(client, name)
            metrics.add_real_servers(made, name, parts.values(), limits)
    except (redis.RedisError, ValueError) as error:
        log.warning("metrics without the virtual servers of %s: %s", name, error)


def _add_redis(made: Page, names: list[str]) -> None:
    client = dispatch.broker()
    queues = ["manager", *map(queue_of, names)]
    pipeline = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.llen(queue)
    for queue, length in zip(queues, pipeline.execute(raise_on_error=False), strict=True):
        if not isinstance(length, Exception):  # a router may have put another type of value there
            made.add(QUEUE, length, queue)
    found = reports.fetch(client, [reports.MANAGER]).get(reports.MANAGER)
    made.add(PART, dispatch.problem_of(found) is None, "manager")
    if found is not None:
        made.add(MANAGER_AGE, found.age)
    for one in refusals.fetch(client, names):
        made.add(TASKS_REFUSED, one.count, one.router, one.kind.value)
