"""The guide in the application: its pages in the frame, its search, and nothing but its own folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from lvs import models
from piranha_web.guide.further import FURTHER
from piranha_web.guide.pages import BY_NAME
from tests.web.pages import text_of

PAGE = """<!doctype html><html><head><title>Both &amp; none</title>
<script src="_static/theme.js"></script></head>
<body><header>its own frame</header>
<!-- guide -->
<div class="guide book"><a href="operations/b.html#end">further</a></div>
<!-- /guide -->
</body></html>"""
PLACES = [
    {"page": "index.html", "title": "The guide", "anchor": "", "heading": "", "text": ["Begin here."]},
    {
        "page": "operations/both-active.html",
        "title": "Both routers are active",
        "anchor": "look",
        "heading": "What to look at",
        "text": ["The links <b> between both.", "Switch one machine off."],
    },
]


@pytest.fixture
def built(site: Any, tmp_path: Path) -> Path:
    """A folder with a guide of a few files, and something beside it that is nobody's business."""
    folder = tmp_path / "guide"
    (folder / "_static").mkdir(parents=True)
    (folder / "operations").mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "operations" / "b.html").write_text(PAGE)
    (folder / "_static" / "guide.css").write_text("p { color: red }")
    (folder / "plain.html").write_text("<html><body>of another program</body></html>")
    (folder / "guide.json").write_text(json.dumps(PLACES))
    (tmp_path / "secret.html").write_text("secret")
    site.PIRANHA_GUIDE = [tmp_path / "nowhere", folder]
    return folder


def test_a_page_stands_in_the_frame_of_the_panels(
    administrator: Client, cluster: models.Cluster, built: Path
) -> None:
    for address in ("/guide/", "/guide/index.html", "/guide/operations/b.html"):
        response = administrator.get(address)
        page = response.content.decode()
        assert response.status_code == 200
        assert "<title>Both &amp; none · The guide" in page
        assert 'href="operations/b.html#end"' in page
        assert "its own frame" not in page
        assert re.search(r'aria-current="page">Help</a>', page)


def test_the_address_without_a_slash_leads_to_the_guide(administrator: Client, built: Path) -> None:
    assert administrator.get("/guide").headers["Location"] == "/guide/"


def test_a_file_that_a_page_needs_comes_as_what_it_is(administrator: Client, built: Path) -> None:
    response = administrator.get("/guide/_static/guide.css")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "operations/../../secret.html",
        "%2e%2e/secret.html",
        "..%2fsecret.html",
        "operations/..%2f..%2fsecret.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..%5csecret.html",
        "link.html",
        "outside/secret.html",
        ".hidden.html",
        "guide.json",
        "plain.html",
        "operations",
        "operations/",
        "index.html%00.css",
        "none.html",
    ],
)
def test_nothing_but_the_guides_own_files_is_handed_out(
    administrator: Client, built: Path, tmp_path: Path, name: str
) -> None:
    os.symlink(tmp_path / "secret.html", built / "link.html")
    os.symlink(tmp_path, built / "outside")
    (built / ".hidden.html").write_text(PAGE)

    response = administrator.get(f"/guide/{name}")

    assert response.status_code in (301, 404)
    assert "secret" not in response.content.decode().replace(name, "")


def test_the_search_finds_places_and_shows_their_sentence(administrator: Client, built: Path) -> None:
    page = administrator.get("/guide/search.html?q=links+between").content.decode()

    assert 'href="/guide/operations/both-active.html#look"' in page
    assert "<mark>links</mark> &lt;b&gt; <mark>between</mark>" in page


def test_the_search_says_that_it_found_nothing_or_was_asked_nothing(
    administrator: Client, built: Path
) -> None:
    assert "Nothing about “&lt;i&gt;quorum”" in text_of(administrator.get("/guide/search.html?q=<i>quorum"))
    assert administrator.get("/guide/search.html").status_code == 200
    (built / "guide.json").unlink()
    assert "Nothing about" in text_of(administrator.get("/guide/search.html?q=links"))


def test_a_guide_that_was_built_anew_is_searched_anew(administrator: Client, built: Path) -> None:
    assert "Nothing about" in text_of(administrator.get("/guide/search.html?q=quorum"))
    (built / "guide.json").write_text(json.dumps([PLACES[0] | {"text": ["There is no quorum."]}]))
    os.utime(built / "guide.json", ns=(1, 1))
    assert "1 place" in text_of(administrator.get("/guide/search.html?q=quorum"))


def test_where_nobody_built_it_the_page_says_how(administrator: Client, site: Any, tmp_path: Path) -> None:
    site.PIRANHA_GUIDE = [tmp_path]
    for address in ("/guide/", "/guide/index.html", "/guide/search.html?q=x"):
        response = administrator.get(address)
        assert response.status_code == 404
        assert "make guide" in text_of(response)


def test_the_help_leads_to_the_guide(administrator: Client, cluster: models.Cluster) -> None:
    assert f'href="{reverse("guide")}"' in administrator.get("/help").content.decode()
    for topic, pages in FURTHER.items():
        page = administrator.get(reverse("help-topic", args=[BY_NAME[topic].name])).content.decode()
        for place, title in pages:
            assert f'href="/guide/{place}"' in page, topic
            assert escape(title) in page
