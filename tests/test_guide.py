"""The guide as it is built: no warning, every link leads somewhere, nothing that the application forbids."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from piranha_web.guide.further import FURTHER
from tests.reference import build

pytestmark = pytest.mark.thorough
ELSEWHERE = ("http:", "https:", "mailto:")


class Page(HTMLParser):
    """What a page leads to, what can be led to, and what of it a Content-Security-Policy may forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.links += [named[name] or "" for name in ("href", "src", "action") if name in named]
        self.anchors += [named["id"] or ""] if "id" in named else []
        self.forbidden += [f"{tag} {name}" for name in named if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.forbidden.append(tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide, built of what is there now."""
    return build(tmp_path_factory.mktemp("guide"))


@cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def test_every_link_and_anchor_of_the_guide_holds(site: Path) -> None:
    broken = []
    for path in site.rglob("*.html"):
        for link in read(path).links:
            if link.startswith(ELSEWHERE):
                continue
            address, _sign, anchor = link.partition("#")
            target = (path.parent / address.partition("?")[0]).resolve() if address else path
            where = f"{path.relative_to(site)}: {link}"
            is_there = target.is_file() and target.is_relative_to(site)
            wants = anchor if target.suffix == ".html" else ""
            if not is_there or (wants and wants not in read(target).anchors):
                broken.append(where)
    assert not broken


def test_no_page_has_what_the_content_security_policy_forbids(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert read(path).forbidden == [], path.relative_to(site)


def test_no_page_has_an_anchor_twice(site: Path) -> None:
    for path in site.rglob("*.html"):
        anchors = read(path).anchors
        assert sorted(set(anchors)) == sorted(anchors), path.relative_to(site)


def test_nothing_in_the_guide_comes_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:script|link|img|iframe|form)\b[^>]*>", text):
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', tag), (path.relative_to(site), tag)


def test_the_help_leads_to_places_of_the_guide_that_are_there(site: Path) -> None:
    for pages in FURTHER.values():
        for place, _title in pages:
            name, _sign, anchor = place.partition("#")
            assert (site / name).is_file(), place
            assert not anchor or anchor in read(site / name).anchors, place


def test_the_search_of_the_application_knows_every_page(site: Path) -> None:
    places = json.loads((site / "guide.json").read_text(encoding="utf-8"))
    known = {one["page"] for one in places}
    written = {str(path.relative_to(site)) for path in site.rglob("*.html")} - {
        "search.html",
        "genindex.html",
    }
    assert known == written
    for one in places:
        if one["anchor"]:
            assert one["anchor"] in read(site / one["page"]).anchors, one
