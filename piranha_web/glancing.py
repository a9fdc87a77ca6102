"""A request that only reads has one look at the database (`lvs.rows.glance`)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from lvs.rows.glance import glance


class GlanceMiddleware:
    """The last one, right around the views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        with glance():
            return self.get_response(request)
