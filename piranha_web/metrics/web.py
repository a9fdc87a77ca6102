"""What the web server counts: its requests, by view. The only module that speaks to prometheus_client.

Under gunicorn there are several processes, and a scrape meets one of them. `gunicorn_conf` names a folder
(PROMETHEUS_MULTIPROC_DIR) before this is imported: each process keeps its numbers there in files of its own,
and what is shown is their sum, those of processes that have ended included.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from lvs.reported.exposition import COUNTER, HISTOGRAM, Metric

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds
METHODS = ("GET", "HEAD", "POST")
OTHER = "other"
NOWHERE = "none"  # no address of the site, or refused before anybody looked at it

REQUESTS = Metric(
    "piranha_web_requests_total",
    COUNTER,
    "Requests that were answered, by the view's name, method and status.",
    ("view", "method", "status"),
)
SECONDS = Metric(
    "piranha_web_request_seconds", HISTOGRAM, "How long answering took, by the view's name.", ("view",)
)
OF_THE_WEB = (REQUESTS, SECONDS)

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each began is another series for each of them
REGISTRY = CollectorRegistry()
_requests = Counter(REQUESTS.name, REQUESTS.says, REQUESTS.labels, registry=REGISTRY)
_seconds = Histogram(SECONDS.name, SECONDS.says, SECONDS.labels, registry=REGISTRY, buckets=BOUNDS)


class CountingMiddleware:
    """Counts every request; it stands before everything else, so refusals count too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        view = (match.url_name if match else None) or NOWHERE
        method = request.method if request.method in METHODS else OTHER
        _requests.labels(view, method, str(response.status_code)).inc()
        _seconds.labels(view).observe(time.perf_counter() - began)
        return response


def text() -> str:
    """What all processes have counted together."""
    registry = REGISTRY
    if os.environ.get(FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry).decode()
