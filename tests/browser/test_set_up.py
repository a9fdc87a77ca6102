"""Setting real servers up, checking them, and looking at the routers in a browser, on the lab's kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.panels import add_real_server, add_virtual_server, apply_pending, import_sample
from tests.conftest import eventually

pytestmark = pytest.mark.browser

APPLY_MS = 120_000
START_MS = 90_000  # both hearts, the election, the first checks
ASK_MS = 40_000  # a router of a slow machine, asked again if need be


def ready(page: Page) -> bool:
    """Asks the routers before Apply; whether both answered in time."""
    with page.expect_response("**/review/routers"):
        page.get_by_role("link", name="Check the routers").click()
    about = page.get_by_role("region", name="Are the routers ready for it?")
    for router in ("r1", "r2"):
        expect(about.get_by_role("heading", name=router, exact=True)).to_be_visible()
    return "is not known" not in about.inner_text()


def set_up_and_check(tool: Tool, page: Page) -> None:
    """Through the pages of web1: how it is set up, copied and downloaded; and whether it is."""
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    page.get_by_role("link", name="Real server", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="web1"))
    expect(row).to_contain_text("healthy", timeout=START_MS)
    row.get_by_text("More").click()
    row.get_by_role("link", name="Set up this machine").click()
    way = page.locator("#way-nat")
    way.get_by_role("button", name="Copy").first.click()
    expect(way.get_by_role("button", name=re.compile("Copied|Selected")).first).to_be_visible()
    with page.expect_download() as download:
        way.get_by_role("link", name="Download web1-nat.sh").click()
    assert Path(download.value.path()).read_text().startswith("#!/bin/sh\n")
    page.get_by_role("button", name="Check this real server").click()
    expect(page.get_by_role("heading", name=re.compile("^Checked from r[12]"))).to_be_visible(timeout=ASK_MS)
    expect(page.get_by_role("heading", name="What was tried")).to_be_visible()
    shot(page, "set-up")


def test_a_real_server_is_set_up_and_checked_and_the_routers_are_looked_at(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    import_sample(page, tool)
    add_virtual_server(page, tool)
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    page.get_by_role("button", name="HTTP + HTTPS", exact=True).click()
    expect(page.get_by_text("Nothing is saved yet")).to_be_visible()
    expect(page.locator("#id_ports")).to_have_value("443")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Firewall mark 80 gathers its ports.")).to_be_visible()
    add_real_server(page, "web1", "10.11.12.1")

    page.get_by_role("link", name="Review and apply").first.click()
    eventually(lambda: ready(page), "both routers say what stands in the way", ASK_MS / 1000)
    shot(page, "review-routers")
    page.goto(f"{tool.url}/routers")
    apply_pending(page)
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)

    set_up_and_check(tool, page)

    page.get_by_role("link", name="Routers", exact=True).click()
    page.get_by_role("link", name="r1", exact=True).click()
    expect(page.get_by_role("link", name="Look again")).to_have_count(2, timeout=ASK_MS)
    forwarding = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="net/ipv4/ip_forward"))
    expect(forwarding).to_contain_text("1")
    expect(page.locator("#rules td[data-label=Ports]")).to_have_text(["80", "443"])
    page.get_by_role("link", name="Look again").first.click()
    expect(page.get_by_role("link", name="Look again")).to_have_count(2, timeout=ASK_MS)
    shot(page, "router")
