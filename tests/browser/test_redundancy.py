"""Two routers in a browser, on the lab's real kernel: Switch now, and a change that rolls itself back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import answers
from tests.browser.panels import LIVE_MS, START_MS, by_keys, serve, watch

pytestmark = pytest.mark.browser

APPLY_MS = 60_000
CONFIRM_SECONDS = 10
ROLLED_BACK_MS = 60_000


def says(page: Page, name: str, value: str) -> None:
    """Waits until the redundancy table says what a router is."""
    table = page.locator("section", has=page.get_by_role("heading", name="Redundancy")).locator("table").first
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))
    expect(row).to_contain_text(value, timeout=LIVE_MS)


def apply(page: Page, *, confirm: bool) -> None:
    """Applies what is pending, to be confirmed or not."""
    page.get_by_role("link", name="Review and apply").first.click()
    box = page.get_by_label("Roll back by itself unless I confirm within")
    box.set_checked(confirm)
    if confirm:
        page.get_by_label("Seconds within which to confirm").fill(str(CONFIRM_SECONDS))
    page.get_by_role("button", name=re.compile("^Apply to")).click()


def set_interval(page: Page, tool: Tool, keepalive: str, deadtime: str) -> None:
    """The heartbeat's times, through the panel."""
    page.goto(f"{tool.url}/redundancy")
    page.locator("#id_keepalive").fill(keepalive)
    page.locator("#id_deadtime").fill(deadtime)
    page.get_by_role("button", name="Accept").click()


def switch(page: Page, giver: str, taker: str) -> None:
    """Switch now, with the page that asks."""
    by_keys(page, page.get_by_role("link", name="Switch now…").first, "Enter")
    expect(page.get_by_role("heading", name=f"Switch from {giver} to {taker}?")).to_be_visible()
    shot(page, f"switch-to-{taker}")
    by_keys(page, page.get_by_role("button", name=f"Switch to {taker}"), "Enter")
    expect(page.locator(".alert-success")).to_be_visible(timeout=LIVE_MS)


def test_switch_routers_by_keyboard_alone_turns_the_roles_and_traffic_goes_on(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    watch(page, tool)
    line = page.locator("#status-line")
    for role in ("active", "standby"):
        expect(line).to_contain_text(re.compile(rf"r[12]: {role}"), timeout=START_MS)
    shot(page, "pair")
    pair = ("r1", "r2") if "r1: active" in line.inner_text() else ("r2", "r1")
    for giver, taker in (pair, pair[::-1]):
        says(page, giver, "active")
        switch(page, giver, taker)
        page.goto(tool.url)
        says(page, taker, "active")
        says(page, giver, "standby")
        shot(page, f"switched-to-{taker}")
        assert answers(tool).total() == 6


def test_a_change_that_nobody_confirms_is_rolled_back_by_itself_on_both_routers(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    set_interval(page, tool, "1", "16")
    apply(page, confirm=True)
    expect(page.get_by_role("button", name="Keep it")).to_be_visible(timeout=APPLY_MS)
    expect(page.get_by_text("Rolls back by itself in")).to_be_visible()
    expect(page.locator("#status-line")).to_contain_text("waits for confirmation")
    shot(page, "waiting")
    before = int(page.url.rpartition("/")[2]) - 1
    expect(
        page.get_by_text(f"Nobody kept this revision within 10 s: r2 and r1 put back revision {before}")
    ).to_be_visible(timeout=ROLLED_BACK_MS)
    expect(page.get_by_role("button", name="Keep it")).to_have_count(0)
    shot(page, "rolled-back")
    assert answers(tool).total() == 6
    watch(page, tool)
    routers = page.locator("section", has=page.get_by_role("heading", name="Routers")).locator("table")
    expect(routers.get_by_role("link", name=str(before), exact=True)).to_have_count(2, timeout=LIVE_MS)


def test_a_change_that_is_kept_stays(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    apply(page, confirm=True)
    page.get_by_role("button", name="Keep it").click(timeout=APPLY_MS)
    expect(page.locator("#deployments").get_by_text("applied", exact=False)).to_have_count(
        2, timeout=APPLY_MS
    )
    expect(page.locator("#status-line")).not_to_contain_text("waits for confirmation")
    shot(page, "kept")
    assert answers(tool).total() == 6
