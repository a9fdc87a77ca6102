"""Traffic through the lab's real kernel, from its counters to the chart."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import answers
from tests.browser.panels import hide, serve
from tests.conftest import eventually

pytestmark = pytest.mark.browser

SAMPLES = 120.0  # seconds: the first checks, two readings of the counters, a slow machine


def test_connections_are_seen_as_a_chart_that_goes_on(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    page.get_by_role("link", name="Traffic", exact=True).click()
    peak = page.locator("tr[data-figures=connections] td").nth(2)

    def is_seen() -> bool:
        try:
            answers(tool, 10)
        except OSError:
            return False  # no real server serves yet
        return peak.inner_text() not in ("–", "0")

    eventually(is_seen, "the page, which nobody loads again, shows connections", SAMPLES)
    expect(page.locator(".charts canvas")).to_have_count(4)
    expect(page.locator("[data-still=connections]")).to_be_hidden()
    expect(page.locator("[data-traffic]")).not_to_have_class("stale")
    expect(page.get_by_text("newest sample")).to_be_visible()
    shot(page, "traffic")
    expect(page.locator(".charts canvas")).to_have_count(4)

    with page.expect_response("**/traffic/figures*") as seen:
        hide(page, hidden=True)
        hide(page, hidden=False)
    assert seen.value.json()["charts"]["connections"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide(page, hidden=True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert asked == [], "nothing is asked while nobody sees it"

    page.get_by_role("link", name="10 minutes").click()
    expect(page.get_by_role("heading", name="Traffic, last 10 minutes")).to_be_visible()
    expect(page.locator(".charts canvas")).to_have_count(4)
