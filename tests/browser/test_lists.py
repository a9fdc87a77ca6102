"""The lists by keyboard alone, a weight in its row, and an order for all that was selected."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.panels import LIVE_MS, START_MS, serve

pytestmark = pytest.mark.browser


def opened_row(page: Page, name: str) -> None:
    """By keys alone from the list to the virtual server of that name, and back to what was searched."""
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(name)
    expect(page).to_have_url(re.compile(rf"\?q={name}$"))
    rows = page.locator("#list tr[data-row]")
    expect(rows).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_label(f"Select {name}")).to_be_checked()
    expect(page.locator("[data-chosen-count]")).to_have_text("(1)")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    page.go_back()
    expect(page.locator("#q")).to_have_value(name)
    expect(rows).to_have_count(1)


def keys_off_and_on(page: Page) -> None:
    """The dialog switches single keys off; the menu brings it back."""
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    dialog.get_by_label("Single keys do this").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.locator("#q")).not_to_be_focused()
    expect(dialog).to_be_hidden()
    page.locator(".user-menu summary").click()
    page.get_by_role("button", name="Keyboard…").click()
    dialog.get_by_label("Single keys do this").check()
    dialog.get_by_role("button", name="Close").click()
    page.locator(".user-menu summary").click()


def weighed(page: Page) -> None:
    """A weight is saved where it stands, and what is typed outlives the list's updates."""
    page.get_by_role("link", name=re.compile("real servers of shop")).click()
    field = page.get_by_label("Weight of web1")
    field.fill("3")
    page.get_by_role("button", name="Save the weight of web1").click()
    expect(page.get_by_text("Saved. Apply to put it in service.")).to_be_visible()
    expect(field).to_have_value("3")
    expect(page.locator("#status-line")).to_contain_text("1 pending change")
    with page.expect_response(lambda answer: answer.url.endswith("/real-servers/live"), timeout=LIVE_MS):
        pass
    expect(page.get_by_label("Weight of web1")).to_have_value("3")


def drained_together(page: Page, tool: Tool) -> None:
    """What is selected in the list is drained by one order, and comes back by another."""
    for before, order, title in (
        ("✔✔", "Drain their real servers…", "Drain 2 real servers"),
        ("◐◐", "Back to automatic…", "Put 2 real servers back to automatic"),
    ):
        page.goto(f"{tool.url}/virtual-servers?q=shop")
        expect(page.locator("#live")).to_contain_text(before, timeout=START_MS)
        page.get_by_label("Select shop").check()
        page.get_by_role("button", name=order).click()
        expect(page.get_by_role("heading", name=re.compile(title))).to_be_visible()
        page.get_by_role("button", name=title).click()
        expect(page.locator("main .alert-success")).to_be_visible(timeout=LIVE_MS)
    page.goto(f"{tool.url}/virtual-servers?q=shop")
    expect(page.locator("#live")).to_contain_text("✔✔", timeout=START_MS)


def test_lists_are_worked_with_by_keyboard_in_the_row_and_together(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 2)

    page.goto(f"{tool.url}/virtual-servers")
    opened_row(page, "shop")
    keys_off_and_on(page)
    weighed(page)
    drained_together(page, tool)

    for name, path in (
        ("virtual-servers", "virtual-servers"),
        ("machines", "real-servers"),
        ("clusters", "clusters"),
    ):
        page.goto(f"{tool.url}/{path}")
        shot(page, f"list-{name}")
