"""The guide as it was built by `make guide`: which file an address stands for, what the application's own
frame takes of a page, and the search over all of it.

The folder is ours (PIRANHA_GUIDE): what is in its pages is trusted as the templates are.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from piranha_web.guide.pages import Page
from piranha_web.guide.search import Found, Place, search_in

FIRST_PAGE = "index.html"
SEARCH_PAGE = "search.html"
INDEX = "guide.json"  # docs/_ext/piranha_guide.py writes it
# What is handed out, and as what; a file of any other kind is not there.
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")
_BODY = re.compile(r"<!-- guide -->(.*)<!-- /guide -->", re.DOTALL)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Framed:
    """A page for the application's frame."""

    title: str
    body: SafeString


def folder() -> Path | None:
    """Where the guide is; None: nobody built it."""
    for one in settings.PIRANHA_GUIDE:
        if (one / FIRST_PAGE).is_file():
            return Path(one).resolve()
    return None


def file_of(root: Path, name: str) -> Path | None:
    """The guide's file with that name; None: there is none, or it would lie elsewhere."""
    if not _NAME.fullmatch(name) or Path(name).suffix not in TYPES:
        return None
    path = (root / name).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def framed(path: Path) -> Framed | None:
    """A page without its own frame; None: it is no page of the guide."""
    text = path.read_text(encoding="utf-8")
    title, body = _TITLE.search(text), _BODY.search(text)
    if title is None or body is None:
        return None
    return Framed(html.unescape(title[1].strip()), mark_safe(body[1]))  # noqa: S308 - see above


def search(root: Path, question: str) -> tuple[Found, ...]:
    """The guide's places that have the words, best first."""
    path = root / INDEX
    return search_in(places(path, path.stat().st_mtime_ns), question) if path.is_file() else ()


@lru_cache(maxsize=1)
def places(path: Path, changed_at: int) -> tuple[Place, ...]:
    """What stands where. changed_at: when the file was written, so that a newer one is read."""
    return tuple(
        Place(
            Page(name=one["page"], title=one["title"], part=""),
            one["anchor"],
            one["heading"],
            tuple(one["text"]),
        )
        for one in json.loads(path.read_text(encoding="utf-8"))
    )
