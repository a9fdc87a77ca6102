"""Checks and the administrator's hand in a browser, on the real kernel of the lab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.panels import (
    APPLY_MS,
    LIVE_MS,
    START_MS,
    apply_pending,
    import_text,
    on_router,
    open_shop,
    row_of,
    shop_of,
    until_both_say,
)

pytestmark = pytest.mark.browser


def test_a_check_is_chosen_by_its_kind_and_only_its_fields_are_shown(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    import_text(page, tool, shop_of(2).replace("     check = http\n", ""))
    open_shop(page, tool)
    page.get_by_role("link", name="Monitoring scripts", exact=True).click()
    expect(page.locator("#id_send")).to_be_visible()
    expect(page.locator("#id_http_path")).to_be_hidden()
    page.locator("input[name=kind][value=http]").check()
    expect(page.locator("#id_send")).to_be_hidden()
    expect(page.get_by_role("button", name="Blank send")).to_be_hidden()
    expect(page.locator("#id_tls_name")).to_be_hidden()
    page.locator("#id_http_path").fill("/health")
    shot(page, "monitoring-http")
    page.locator("#id_http_status").fill("many")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("is not a whole number").first).to_be_visible()
    page.locator("#id_http_status").fill("200")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Saved the monitoring script of shop.")).to_be_visible()
    apply_pending(page)
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    open_shop(page, tool)
    for name in ("web1", "web2"):
        expect(row_of(page, name)).to_contain_text("healthy", timeout=START_MS)


def test_a_test_shows_on_both_routers_what_was_sent_and_received(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    open_shop(page, tool)
    row_of(page, "web1").get_by_role("button", name="Test now").click()
    until_both_say(page, "Tested now: ✔ good", button="Test this check now")
    for part in (on_router(page, "r1"), on_router(page, "r2")):
        expect(part.locator(".sent pre")).to_contain_text("GET /health HTTP/1.1\\r\\n")
        expect(part.locator(".received pre").first).to_contain_text("HTTP/1.1 200")
    shot(page, "tested")


def test_maintenance_of_a_machine_is_one_order_for_all_its_virtual_servers(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    open_shop(page, tool)
    page.get_by_role("link", name="10.11.12.1", exact=True).click()
    page.get_by_role("link", name="Maintenance…").first.click()
    page.get_by_label("Why").fill("kernel update")
    page.get_by_label("Ends").fill("1 h")
    page.get_by_role("button", name="into maintenance").click()
    expect(page.get_by_role("row").filter(has_text="shop / web1")).to_contain_text(
        "maintenance", timeout=LIVE_MS
    )
    page.goto(tool.url)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="shop / web1"))
    expect(row).to_contain_text("kernel update", timeout=LIVE_MS)
    shot(page, "maintenance")
    row.get_by_role("button", name="Back to automatic").click()
    expect(row).to_have_count(0, timeout=LIVE_MS)
