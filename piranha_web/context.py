"""What every page shows: the cluster in view, what is pending, how the routers are."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from lvs import dispatch, models, store
from lvs.rows.glance import remember
from lvs.sent import orders
from piranha_web.status_line import StatusLine, status_line
from piranha_web.tls.serving import notice

SESSION_KEY = "cluster"


def current_cluster(request: HttpRequest) -> models.Cluster | None:
    """The cluster that this session looks at: the one chosen, else the first; None: there is none yet."""
    clusters = models.Cluster.objects.all()
    chosen = request.session.get(SESSION_KEY)
    return clusters.filter(pk=chosen).first() or clusters.first() if chosen else clusters.first()


def cluster_of(request: HttpRequest) -> models.Cluster | None:
    """The same, looked up once a request: its name and identity count, its edition may be of a moment ago."""
    chosen = request.session.get(SESSION_KEY)
    clusters = clusters_of(request)
    return next((one for one in clusters if one.pk == chosen), clusters[0] if clusters else None)


def clusters_of(request: HttpRequest) -> list[models.Cluster]:
    """All of them, read once a request."""
    kept: list[models.Cluster] | None = getattr(request, "piranha_clusters", None)
    if kept is None:
        found = models.Cluster.objects.annotate(is_applying=Exists(dispatch.unfinished(OuterRef("pk"))))
        for cluster in found:
            remember(store.edition_key(cluster), cluster.edition)
            remember(dispatch.applying_key(cluster), cluster.is_applying)
        kept = list(found)
        request.piranha_clusters = kept  # type: ignore[attr-defined]
    return kept


def current_state(request: HttpRequest, cluster: models.Cluster) -> dispatch.ClusterState:
    """The routers' last words, read once a request: the document of a large cluster has megabytes."""
    kept: tuple[int, dispatch.ClusterState] | None = getattr(request, "piranha_state", None)
    if kept is None or kept[0] != cluster.pk:
        kept = (cluster.pk, dispatch.state(cluster))
        request.piranha_state = kept  # type: ignore[attr-defined]
    return kept[1]


def current_waiting(request: HttpRequest, cluster: models.Cluster) -> orders.Waiting | None:
    """The revision that waits for its confirmation, looked up once a request."""
    kept: tuple[int, orders.Waiting | None] | None = getattr(request, "piranha_waiting", None)
    if kept is None or kept[0] != cluster.pk:
        kept = (cluster.pk, orders.waiting(cluster))
        request.piranha_waiting = kept  # type: ignore[attr-defined]
    return kept[1]


def current_line(request: HttpRequest, cluster: models.Cluster) -> StatusLine:
    """The status line of a page."""
    return status_line(
        current_state(request, cluster),
        current_waiting(request, cluster),
        applying=dispatch.is_applying(cluster),
        certificate=notice(),
    )


def frame(request: HttpRequest) -> dict[str, Any]:
    """The context of `base.html`; nothing of it for somebody who is not logged in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    # A page that only shows has changed nothing; a form with an older edition would be refused as stale.
    is_shown = request.method in ("GET", "HEAD")
    cluster = cluster_of(request) if is_shown else current_cluster(request)
    if cluster is None:
        return {"cluster": None}
    match = request.resolver_match
    return {
        "cluster": cluster,
        "clusters": clusters_of(request) if is_shown else models.Cluster.objects.all(),
        "pending_count": len(store.pending(cluster)),
        "status_line": current_line(request, cluster),
        "unconfirmed": current_waiting(request, cluster),
        "page": match.url_name if match else "",
    }
