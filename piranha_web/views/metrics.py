"""/metrics, for Prometheus: no login page is in a scraper's way, and nothing is shown without its token."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lvs.reported.exposition import CONTENT_TYPE
from piranha_web.access.roles import VIEWER, needs
from piranha_web.metrics import site, token, web

log = logging.getLogger("piranha.access")

TEXT = "text/plain; charset=utf-8"
WHOSE = (
    "The metrics are for whoever has their token: Authorization: Bearer TOKEN. On the manager, "
    "`piranha metrics token` makes one.\n"
)


@needs(VIEWER, everywhere=True, always=True, polls=True)
@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All of them. 401 without the token, unless PIRANHA_METRICS=open: then the allowed networks do."""
    if settings.PIRANHA_METRICS == "off":
        return HttpResponse(
            "PIRANHA_METRICS=off: there are no metrics here.\n", status=404, content_type=TEXT
        )
    if settings.PIRANHA_METRICS != "open" and not may_read(request):
        refused = HttpResponse(WHOSE, status=401, content_type=TEXT)
        refused["WWW-Authenticate"] = 'Bearer realm="Piranha metrics"'
        return refused
    return HttpResponse(site.page().text() + web.text(), content_type=CONTENT_TYPE)


def may_read(request: HttpRequest) -> bool:
    """Whether the token is there, and the right one."""
    try:
        return token.is_right(settings.PIRANHA_METRICS_TOKEN_FILE, request.headers.get("Authorization", ""))
    except OSError as error:
        log.error(
            "nobody gets the metrics: %s cannot be read: %s", settings.PIRANHA_METRICS_TOKEN_FILE, error
        )
        return False
