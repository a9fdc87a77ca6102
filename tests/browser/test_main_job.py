"""The main job in a browser, on the lab's real kernel: log in, describe a cluster, apply, get answers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import answers
from tests.browser.panels import add_real_server, add_virtual_server, comes, import_sample
from tests.conftest import eventually

pytestmark = pytest.mark.browser

APPLY_MS = 60_000
ELECTION_MS = 90_000  # both hearts start on a slow machine, and the sample's dead time is 18 s
LIVE_MS = 40_000  # two refreshes of the page and the checks in between


def test_an_administrator_sets_up_a_cluster_and_its_clients_get_answers_from_both_real_servers(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    shot(page, "control-before")

    import_sample(page, tool)
    expect(page.get_by_role("link", name="intranet", exact=True)).to_be_visible()

    add_virtual_server(page, tool)
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    add_real_server(page, "web1", "10.11.12.1")
    add_real_server(page, "web2", "10.11.12.2")
    shot(page, "real-servers")

    page.get_by_role("link", name="Review and apply").first.click()
    expect(page.get_by_text("add virtual server shop").first).to_be_visible()
    dry_run = page.get_by_role("region", name=re.compile("On r1")).get_by_text("add real server web2")
    eventually(
        lambda: comes(page, dry_run), "r1's dry run comes within the time that a page waits for it", 90
    )
    shot(page, "review")
    page.get_by_label("Message").fill("the shop")
    page.get_by_role("button", name=re.compile("^Apply to r[12], then r[12]$")).click()
    deployments = page.locator("#deployments")
    expect(deployments.get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    shot(page, "applied")

    page.goto(f"{tool.url}/")
    for target in ("shop / web1", "shop / web2", "intranet / s1", "intranet / s2"):
        drawn = page.get_by_role("link", name=f"{target}: healthy")
        expect(drawn).to_be_visible(timeout=LIVE_MS)
    expect(page.locator("#status-line").get_by_text(re.compile("r[12]: active"))).to_be_visible(
        timeout=ELECTION_MS
    )
    assert answers(tool, 10) == {"s1": 5, "s2": 5}
    shot(page, "control")
