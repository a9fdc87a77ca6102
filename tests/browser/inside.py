"""A Chromium that the site answers from inside the test: no server, no port, and the test's own database.

What the browser asks is given to Django's test client; what comes back is all that the browser gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import Client
from playwright.sync_api import Page, Request, Route

SITE = "http://localhost"
SETTLED = "() => window.htmx && !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')"


@contextmanager
def served(page: Page, client: Client) -> Iterator[None]:
    """Answers all that the page asks of the site with what the client gets; redirects are followed inside.

    Django works in a thread of its own, with the test's connection: Playwright's loop runs in this one.
    """
    ours = connections["default"]
    ours.inc_thread_sharing()
    with ThreadPoolExecutor(1, initializer=take, initargs=(ours,)) as thread:

        def answer(route: Route) -> None:
            status, headers, body = thread.submit(answer_to, client, route.request).result()
            route.fulfill(status=status, headers=headers, body=body)

        page.route(f"{SITE}/**", answer)
        yield
        page.unroute_all(behavior="ignoreErrors")  # what the page asks for by itself may be on its way
        page.context.close()
    ours.dec_thread_sharing()


def take(connection: BaseDatabaseWrapper) -> None:
    """Has this thread work with the test's connection."""
    connections["default"] = connection


def answer_to(client: Client, asked: Request) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the site's answer."""
    parts = urlsplit(asked.url)
    response = client.generic(
        asked.method,
        f"{parts.path}?{parts.query}" if parts.query else parts.path,
        asked.post_data_buffer or b"",
        content_type=asked.headers.get("content-type", "application/octet-stream"),
        headers={name: value for name, value in asked.headers.items() if name.startswith("hx-")},
    )
    if response.status_code in (301, 302) and response["Location"].startswith("/"):
        response = client.get(response["Location"])
    return response.status_code, dict(response.items()), content(response)


def content(response: HttpResponse | StreamingHttpResponse | FileResponse) -> bytes:
    """A response's body, also of one that is sent in pieces."""
    if isinstance(response, StreamingHttpResponse):
        return b"".join(pieces(response))
    return response.content


def pieces(response: StreamingHttpResponse) -> Iterator[bytes]:
    """What a streamed response consists of."""
    for piece in response.streaming_content:
        assert isinstance(piece, bytes)
        yield piece


def go(page: Page, address: str) -> None:
    """Opens a page, which is there, and waits for the parts that it asks for by itself."""
    answer = page.goto(f"{SITE}{address}")
    assert answer
    assert answer.status == 200, address
    page.wait_for_function(SETTLED)
