"""Rows and configurations: what the panels have written, as an LvsConfig, and back; revisions.

The whole candidate is read with six queries however many servers it has, and of those only what changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q

from lvs import models
from lvs.config import document, rules, writer
from lvs.config.diff import Difference, differences
from lvs.config.model import LvsConfig, Problem, RealServer, Redundancy, Severity, VirtualServer
from lvs.errors import InvalidConfig
from lvs.router.state import Node
from lvs.rows.columns import packed, to_columns
from lvs.rows.glance import once
from lvs.rows.shelf import SHELF
from lvs.rows.versions import Versions, new_version

BATCH = 500  # rows an INSERT; SQLite counts its variables


_VALUES: Versions[VirtualServer] = Versions()
_kept: ContextVar[dict[tuple[int, int], LvsConfig] | None] = ContextVar("kept", default=None)


@contextmanager
def loads_kept() -> Iterator[None]:
    """Within it a candidate that did not change is loaded once. For one transaction at most."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def edition(cluster: models.Cluster) -> int:
    """The candidate's edition, as the database has it now."""
    editions = models.Cluster.objects.values_list("edition", flat=True)
    return once(edition_key(cluster), lambda: editions.get(pk=cluster.pk))


def edition_key(cluster: models.Cluster) -> tuple[str, int]:
    """Under what a glance remembers it."""
    return ("edition", cluster.pk)


def load(cluster: models.Cluster) -> LvsConfig:
    """The candidate of the cluster."""
    kept = _kept.get()
    if kept is None:
        return load_rows(cluster)
    key = (cluster.pk, edition(cluster))
    if key not in kept:
        kept[key] = load_rows(cluster)
    return kept[key]


def load_rows(cluster: models.Cluster) -> LvsConfig:
    """The candidate from its rows; a virtual server whose rows did not change is the same object again."""
    kept = models.Cluster.objects.get(pk=cluster.pk)
    return LvsConfig(
        global_settings=models.GlobalSettings.objects.get(cluster=cluster).value(),
        redundancy=models.Redundancy.objects.get(cluster=cluster).value(),
        virtual_servers=tuple(_VALUES.of(cluster.pk, versions(cluster), partial(values, cluster))),
        failover_services=document.from_document({"failover": kept.failover_services}).failover_services,
        comments=tuple((directive, tuple(lines)) for directive, lines in kept.comments),
    )


def versions(cluster: models.Cluster) -> dict[int, int]:
    """The version of each virtual server of the candidate, in the order of lvs.cf."""
    return dict(cluster.virtual_servers.order_by("position", "pk").values_list("pk", "version"))


def values(cluster: models.Cluster, pks: Collection[int] | None) -> dict[int, VirtualServer]:
    """The virtual servers with these numbers from their rows; None: all of the cluster."""
    chosen = Q(cluster=cluster) if pks is None else Q(cluster=cluster, pk__in=pks)
    owners = models.VirtualServer.objects.filter(chosen)
    servers: dict[int, list[RealServer]] = defaultdict(list)
    rows = models.RealServer.objects.filter(virtual_server__in=owners.order_by().values("pk"))
    for server in rows.order_by("position", "pk"):
        servers[server.virtual_server_id].append(server.value())
    return {
        row.pk: row.value(row.monitoring_script.value(), tuple(servers[row.pk]))
        for row in owners.select_related("monitoring_script")
    }


@transaction.atomic
def create_cluster(name: str, primary: str, backup: str = "") -> models.Cluster:
    """A new cluster with its routers; backup "": the primary stands alone."""
    cluster = models.Cluster.begin(name)
    for router, node in ((primary, Node.PRIMARY), (backup, Node.BACKUP)):
        if router:
            models.Router.objects.create(cluster=cluster, name=router, node=node)
    return cluster


@transaction.atomic
def save(cluster: models.Cluster, config: LvsConfig) -> None:
    """Makes config the candidate, whole; InvalidConfig when two servers in one place have one name."""
    refuse_shared_names(config)
    cluster.global_settings.take(config.global_settings)
    cluster.redundancy.take(config.redundancy)
    cluster.virtual_servers.all().delete()
    rows = models.VirtualServer.objects.bulk_create(
        [
            models.VirtualServer(
                cluster=cluster,
                position=position,
                **to_columns(virtual_server, leave_out=models.VirtualServer.IN_ROWS),
            )
            for position, virtual_server in enumerate(config.virtual_servers)
        ],
        batch_size=BATCH,
    )
    pairs = list(zip(rows, config.virtual_servers, strict=True))
    models.MonitoringScript.objects.bulk_create(
        [models.MonitoringScript(virtual_server=row, **to_columns(value.check)) for row, value in pairs],
        batch_size=BATCH,
    )
    models.RealServer.objects.bulk_create(
        [
            models.RealServer(virtual_server=row, position=position, **to_columns(server))
            for row, value in pairs
            for position, server in enumerate(value.real_servers)
        ],
        batch_size=BATCH,
    )
    failover = document.to_document(LvsConfig(failover_services=config.failover_services))["failover"]
    models.Cluster.objects.filter(pk=cluster.pk).update(
        comments=packed(config.comments), failover_services=failover
    )
    cluster.record_change()


@transaction.atomic
def add_virtual_server(cluster: models.Cluster, value: VirtualServer) -> models.VirtualServer:
    """Puts a virtual server below the others."""
    row = models.VirtualServer(cluster=cluster, position=cluster.next_position())
    row.take(value)
    models.MonitoringScript(virtual_server=row).take(value.check)
    for server in value.real_servers:
        add_real_server(row, server)
    return row


def add_real_server(virtual_server: models.VirtualServer, value: RealServer) -> models.RealServer:
    """Puts a real server below the others of its virtual server."""
    row = models.RealServer(virtual_server=virtual_server, position=virtual_server.next_position())
    row.take(value)
    return row


@transaction.atomic
def switch_virtual_servers(cluster: models.Cluster, pks: Collection[int], *, active: bool) -> None:
    """Switches several virtual servers of the cluster on or off at once."""
    for some in batches(pks):
        cluster.virtual_servers.filter(pk__in=some).update(active=active, version=new_version())
    cluster.record_change()


@transaction.atomic
def delete_virtual_servers(cluster: models.Cluster, pks: Collection[int]) -> None:
    """Deletes several virtual servers of the cluster, with all that belongs to them."""
    for some in batches(pks):
        cluster.virtual_servers.filter(pk__in=some).delete()
    cluster.record_change()


@transaction.atomic
def change_real_servers(cluster: models.Cluster, pks: Collection[int], changes: Mapping[str, Any]) -> None:
    """Gives several real servers of the cluster the same columns at once."""
    for some in batches(pks):
        rows = models.RealServer.objects.filter(virtual_server__cluster=cluster, pk__in=some)
        owners = list(rows.order_by().values_list("virtual_server", flat=True).distinct())
        models.RealServer.objects.filter(virtual_server__in=owners, pk__in=some).update(**changes)
        cluster.virtual_servers.filter(pk__in=owners).update(version=new_version())
    cluster.record_change()


def batches(pks: Collection[int]) -> Iterator[list[int]]:
    """The numbers, as many at a time as a statement takes."""
    numbers = list(pks)
    return (numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH))


def refuse_shared_names(config: LvsConfig) -> None:
    """Names are how the panels, the revisions and the reports speak of servers: one name, one server."""
    faults = [problem for problem in errors_of(config) if problem.field == "name"]
    if faults:
        raise InvalidConfig(faults)


def empty() -> LvsConfig:
    """What a cluster runs before its first revision."""
    return LvsConfig()


def errors_of(config: LvsConfig) -> list[Problem]:
    """What keeps config from being installed."""
    return [problem for problem in rules.problems(config) if problem.severity is Severity.ERROR]


def pending(cluster: models.Cluster) -> tuple[Difference, ...]:
    """What the next revision would change, against what the routers were given last (or nothing at all)."""
    newest, now = cluster.standing_revision(), edition(cluster)
    if newest is not None and newest.edition == now:
        return ()  # without reading either, which of a large cluster takes seconds
    name = pending_name(cluster, now, newest)
    return SHELF.get(name, lambda: since(newest, load(cluster)))


def keep_pending(cluster: models.Cluster, of_edition: int, config: LvsConfig) -> None:
    """Works out what is pending for the next page, from a candidate that somebody has loaded anyway."""
    newest = cluster.standing_revision()
    SHELF.put(pending_name(cluster, of_edition, newest), since(newest, config))


def pending_name(cluster: models.Cluster, of_edition: int, newest: models.Revision | None) -> str:
    """Under which name it is kept what is pending."""
    return f"pending-{cluster.pk}-{of_edition}-{newest.number if newest else 0}"


def since(newest: models.Revision | None, config: LvsConfig) -> tuple[Difference, ...]:
    """What config changes against a revision, or against nothing."""
    return differences(config_of(newest) if newest else empty(), config)


def config_of(revision: models.Revision) -> LvsConfig:
    """What a revision has, read from its document once."""
    return SHELF.get(f"config-{revision.identity}", lambda: document.from_document(revision.document))


def redundancy_of(revision: models.Revision) -> Redundancy:
    """What a revision says of the two routers, read from its document once."""
    key = f"redundancy-{revision.identity}"
    found: Redundancy | None = cache.get(key)
    if found is None:
        found = document.from_document(revision.document | {"virtual": [], "failover": []}).redundancy
        cache.set(key, found, timeout=None)
    return found


@transaction.atomic
def freeze(
    cluster: models.Cluster,
    author: str,
    message: str,
    *,
    order: Sequence[models.Router] | None = None,
    confirm_within: int | None = None,
) -> models.Revision:
    """The candidate as a new revision, queued for each router in order; or InvalidConfig.

    order: None, the backup first. confirm_within: seconds in which it must be confirmed; None: it need not.
    """
    models.Cluster.objects.select_for_update().get(pk=cluster.pk)
    config = load(cluster)
    faults = errors_of(config)
    if faults:
        raise InvalidConfig(faults)
    newest = cluster.newest_revision()
    number = newest.number + 1 if newest else 1
    settings = replace(config.global_settings, serial_no=number)
    config = replace(config, global_settings=settings)
    cluster.global_settings.take(settings)
    revision = models.Revision.objects.create(
        cluster=cluster,
        number=number,
        author=author,
        message=message,
        document=document.to_document(config),
        lvs_cf=writer.write(config),
        confirm_within=confirm_within,
        edition=models.Cluster.objects.values_list("edition", flat=True).get(pk=cluster.pk),
    )
    for position, router in enumerate(cluster.routers_in_order() if order is None else order):
        models.Deployment.objects.create(revision=revision, router=router, position=position)
    return revision


def take_back(revision: models.Revision) -> None:
    """Makes what was frozen the candidate again; nothing reaches a router before it is applied anew."""
    save(revision.cluster, document.from_document(revision.document))
