"""What several tests do in the panels."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from deploy.start.place import PROJECT
from tests.browser.conftest import Tool


def import_sample(page: Page, tool: Tool) -> None:
    """The lab's two routers and the virtual server intranet, as candidate."""
    page.goto(f"{tool.url}/import")
    page.get_by_label(re.compile("file", re.I)).first.set_input_files(PROJECT / "docs/samples/lab.cf")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="What it changes in the candidate")).to_be_visible()
    page.get_by_role("button", name="Replace the candidate").click()


def add_virtual_server(page: Page, tool: Tool) -> None:
    """shop, by hand, through the panel."""
    page.goto(f"{tool.url}/virtual-servers/add")
    page.locator("#id_name").fill("shop")
    page.get_by_label("Active", exact=True).check()
    page.get_by_label("Virtual IP address").fill("192.168.26.10")
    page.locator("#id_device").fill("eth0:1")
    page.locator("#id_scheduler").select_option("rr")
    page.get_by_role("button", name="Accept").click()


def add_real_server(page: Page, name: str, address: str) -> None:
    """A real server of the virtual server in view."""
    page.get_by_role("link", name="Real server", exact=True).click()
    page.get_by_role("link", name=re.compile(r"^Add\b")).click()
    page.locator("#id_name").fill(name)
    page.locator("#id_address").fill(address)
    page.get_by_label("Active", exact=True).check()
    page.get_by_role("button", name="Accept").click()


def apply_pending(page: Page) -> None:
    """Review and apply, without a confirmation."""
    page.get_by_role("link", name="Review and apply").first.click()
    page.get_by_label("Roll back by itself unless I confirm within").set_checked(False)
    page.get_by_role("button", name=re.compile("^Apply to")).click()


def comes(page: Page, what: Locator) -> bool:
    """Whether the page has it by now, or has it when it is loaded anew: the lab may be slow."""
    if not what.is_visible():
        page.reload()
    return what.is_visible()
