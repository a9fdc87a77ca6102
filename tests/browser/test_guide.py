"""The guide in a browser: read in the panels' frame, searched, judged by axe, and fit for a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from lvs import models
from tests.browser.conftest import shot
from tests.browser.inside import SITE, go, served
from tests.browser.test_accessible import judged
from tests.reference import build
from tests.web.conftest import administrator, cluster, password_file, site

__all__ = ["administrator", "cluster", "password_file", "site"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

# One of each kind: contents, a page of the help, drawings, wide tables, what is made from the program.
PAGES = (
    "/guide/",
    "/guide/guide/schedulers.html",
    "/guide/guide/nat.html",
    "/guide/router.html",
    "/guide/operations/clients-cannot-connect.html",
    "/guide/reference/commands.html",
    "/guide/reference/pages.html",
)


@pytest.fixture
def opened(
    chromium: Browser, administrator: Client, site: Any, tmp_path: Path, cluster: models.Cluster
) -> Iterator[tuple[Page, list[str]]]:
    """A page of the site with the guide, and what the browser complains about."""
    site.PIRANHA_GUIDE = [build(tmp_path)]
    page = chromium.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce").new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    with served(page, administrator):
        yield page, complaints


def test_the_guide_is_read_and_searched_in_the_panels_without_a_complaint(
    opened: tuple[Page, list[str]],
) -> None:
    page, complaints = opened
    found = []
    for address in PAGES:
        go(page, address)
        found += judged(page, address)
        if os.environ.get("PIRANHA_SCREENSHOTS"):
            shot(page, "page-" + re.sub(r"\W+", "-", address).strip("-"))
    go(page, "/guide/")
    page.get_by_label("Search the guide").fill("pasv_address")
    page.locator(".guide-search button").click()
    page.wait_for_url(f"{SITE}/guide/search.html?q=pasv_address")
    found += judged(page, "the search")
    page.get_by_role("link", name=re.compile("FTP")).first.click()
    expect(page.locator("h1, h2").filter(has_text="FTP").first).to_be_visible()
    assert found == []
    assert complaints == []
