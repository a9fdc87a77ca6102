"""Refuses requests that are larger than anything this site takes, before anybody reads them.

Django streams an uploaded file to the disk before it is known who sends it (the token against forged requests
stands in the same body), so without a limit here anybody could fill the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class SizeMiddleware:
    """Answers 413 to a body longer than DATA_UPLOAD_MAX_MEMORY_SIZE bytes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = request.META.get("CONTENT_LENGTH") or "0"
        # Without a length WSGI gives no body, and one that is no number Django takes for 0.
        if length.isdecimal() and (len(length) > len(str(most)) or int(length) > most):
            return HttpResponse(
                f"A request to this site has at most {most // 1024 // 1024} MB. No lvs.cf is larger: send "
                "the right file.\n",
                status=413,
                content_type="text/plain; charset=utf-8",
            )
        return self.get_response(request)
