"""The first set-up in a browser, on the lab's kernel: from the addresses found to a balanced request."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import is_answered
from tests.conftest import eventually

pytestmark = pytest.mark.browser

APPLY_MS = 120_000
SERVE_MS = 240_000  # both hearts, the election, the first checks
HEARD_MS = 120_000  # both workers on a slow machine
EMPTY = "primary = 192.168.26.9\n"


def begin_anew(page: Page, tool: Tool) -> None:
    """A candidate with nothing in it, whatever the tests before have left, and two routers that are heard."""
    page.goto(tool.url)
    for role in (re.compile(r"r[12]: active"), re.compile(r"r[12]: standby")):
        expect(page.locator("#status-line").get_by_text(role)).to_be_visible(timeout=HEARD_MS)
    page.goto(f"{tool.url}/import")
    page.locator("#id_text").fill(EMPTY)
    page.get_by_role("button", name="Check it").click()
    page.get_by_role("button", name="Replace the candidate").click()
    expect(page.get_by_text("There is none yet")).to_be_visible()


def knows_its_machine(page: Page, tool: Tool) -> bool:
    """Whether r1 tells of its addresses within the time that the page waits for it: the lab may be slow."""
    page.goto(f"{tool.url}/first/network")
    return page.get_by_text(re.compile(r"r1 \(primary\) says it has")).is_visible()


def describe(page: Page) -> None:
    """Network, second router and virtual server, as somebody fills them in."""
    for name, text in (
        ("primary", "192.168.26.9"),
        ("primary_private", "10.11.12.9"),
        ("backup", "192.168.26.8"),
        ("backup_private", "10.11.12.8"),
        ("nat_router", "10.11.12.10"),
        ("nat_mask", "/24"),
        ("nat_router_device", "eth1:1"),
    ):
        page.locator(f"#id_{name}").fill(text)
    page.locator("input[name=forwarding][value=nat]").check()
    shot(page, "first-network")
    page.get_by_role("button", name="Save and go on").click()

    page.locator("#id_keepalive").fill("6")
    page.locator("#id_deadtime").fill("18")
    page.get_by_label("Gateway to check").fill("")
    page.locator("#id_syncd_iface").fill("eth1")
    shot(page, "first-pair")
    page.get_by_role("button", name="Save and go on").click()

    page.locator("#id_name").fill("shop")
    page.locator("#id_address").fill("192.168.26.10")
    page.locator("#id_device").fill("eth0:1")
    page.get_by_label("Address of real server 1").fill("10.11.12.1")
    page.get_by_label("Address of real server 2").fill("10.11.12.2")
    shot(page, "first-service")
    page.locator("form.form-page button.btn-primary").click()


def test_first_set_up_leads_from_the_routers_own_addresses_to_a_balanced_request(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    begin_anew(page, tool)
    page.get_by_role("link", name="Go on with the first set-up").click()
    eventually(lambda: knows_its_machine(page, tool), "r1 tells of its addresses", 240)
    expect(page.get_by_text("192.168.26.9/24")).to_be_visible()
    describe(page)

    expect(page.get_by_role("heading", name="Who will serve")).to_be_visible()
    shot(page, "first-review")
    page.get_by_role("button", name=re.compile("^Apply to r[12], then r[12]$")).click()

    expect(page.get_by_role("heading", name="1. The routers have it")).to_be_visible()
    expect(page.locator("#live li").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    for name in ("web1", "web2"):
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        expect(row.get_by_text("healthy")).to_be_visible(timeout=SERVE_MS)
        expect(row.get_by_role("link", name=re.compile(rf"Set up this machine ?: {name}"))).to_be_visible()

    eventually(lambda: is_answered(tool), "a request to the virtual address is answered", SERVE_MS / 1000)
    expect(page.get_by_text("It works:")).to_be_visible(timeout=SERVE_MS)
    expect(page.get_by_text("a request to http://192.168.26.10/ was balanced")).to_be_visible()
    shot(page, "first-works")
