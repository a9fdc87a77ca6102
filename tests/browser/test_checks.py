"""Checks and the administrator's hand in a browser, on the real kernel of the lab."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter

import pytest
from playwright.sync_api import Locator, Page, expect

from deploy.start.place import PROJECT
from tests.browser.conftest import Tool, log_in, shot
from tests.browser.panels import add_real_server, add_virtual_server, apply_pending, import_sample
from tests.conftest import eventually

pytestmark = pytest.mark.browser

APPLY_MS = 120_000
START_MS = 90_000  # both hearts, the election, the first checks
LIVE_MS = 40_000  # checks, a report and a refresh of the page, on a slow machine
# What makes a machine look as if its service had ended.
REFUSING = (
    "add table inet refusing { chain input { type filter hook input priority 0; "
    "ip daddr 10.11.12.2 tcp dport 80 reject with tcp reset; }; }"
)


def in_lab(tool: Tool, machine: str, *words: str) -> None:
    """Runs a command on a machine of the tool's lab."""
    argv = [sys.executable, "deploy/lab/lab.py", "exec", machine, *words]
    subprocess.run(argv, cwd=PROJECT, env={**os.environ, "PIRANHA_VAR": str(tool.var)}, check=True)


def answers(tool: Tool, count: int = 6) -> Counter[str]:
    """Which real servers answered so many requests through the virtual address, a new connection each."""
    found: Counter[str] = Counter()
    for _ in range(count):
        with urllib.request.urlopen(f"http://127.0.0.1:{tool.vip_port}/", timeout=10) as answer:
            found[answer.read().split()[0].decode()] += 1
    return found


def open_list(page: Page, tool: Tool) -> None:
    """The real servers of shop."""
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    page.get_by_role("link", name="Real server", exact=True).click()


def row_of(page: Page, name: str) -> Locator:
    """A real server's row in the list."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def on_router(page: Page, router: str) -> Locator:
    """What one router says on the page of a real server."""
    return page.get_by_role("region", name=re.compile(f"On {router}"))


def until_both_say(page: Page, words: str, button: str = "") -> None:
    """Looks again, or presses the button again, until both routers say so: a slow one may miss its time."""

    def both_say() -> bool:
        if all(words in on_router(page, router).inner_text() for router in ("r1", "r2")):
            return True
        if button:
            page.get_by_role("button", name=button).click()
        else:
            page.get_by_role("link", name="Look again").click()
        return False

    eventually(both_say, f"both routers say {words!r}", LIVE_MS / 1000)


def test_a_check_is_chosen_by_its_kind_and_only_its_fields_are_shown(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    import_sample(page, tool)
    add_virtual_server(page, tool)
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    page.locator("#id_timeout").fill("2")
    page.locator("#id_reentry").fill("4")
    page.get_by_role("button", name="Accept").click()
    add_real_server(page, "web1", "10.11.12.1")
    add_real_server(page, "web2", "10.11.12.2")

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
    open_list(page, tool)
    for name in ("web1", "web2"):
        expect(row_of(page, name)).to_contain_text("healthy", timeout=START_MS)


def test_a_test_shows_on_both_routers_what_was_sent_and_received(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    open_list(page, tool)
    row_of(page, "web1").get_by_role("button", name="Test now").click()
    until_both_say(page, "Tested now: ✔ good", button="Test this check now")
    for part in (on_router(page, "r1"), on_router(page, "r2")):
        expect(part.locator(".sent pre")).to_contain_text("GET /health HTTP/1.1\\r\\n")
        expect(part.locator(".received pre").first).to_contain_text("HTTP/1.1 200")
    shot(page, "tested")


def test_a_drained_real_server_gets_nothing_new_on_either_router_until_it_is_put_back(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    open_list(page, tool)
    page.get_by_label("Select web2").check()
    page.get_by_role("button", name="Drain…", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Drain web2 of shop:")
    page.get_by_label("Why").fill("new disk")
    shot(page, "drain")
    page.get_by_role("button", name="Drain web2 of shop").click()
    expect(row_of(page, "web2")).to_contain_text(re.compile("drain(ing|ed)"), timeout=LIVE_MS)
    expect(row_of(page, "web2")).to_contain_text("by piranha: new disk")
    expect(page.locator("#status-line")).to_contain_text(re.compile("1 drain(ing|ed)"), timeout=LIVE_MS)
    assert set(answers(tool)) == {"s1"}
    shot(page, "drained")

    row_of(page, "web2").get_by_role("link", name="web2").click()
    until_both_say(page, "drain by piranha: new disk")
    until_both_say(page, "Tested now: ✔ good", button="Test this check now")
    page.get_by_role("button", name="Back to automatic").click()
    open_list(page, tool)
    expect(row_of(page, "web2")).to_contain_text("healthy", timeout=LIVE_MS)
    eventually(lambda: set(answers(tool)) == {"s1", "s2"}, "both answer again")


def test_a_dead_real_server_is_named_with_its_reason_and_comes_back(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    in_lab(tool, "s2", "nft", REFUSING)
    try:
        page.goto(tool.url)
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="shop / web2"))
        expect(row).to_contain_text("failed", timeout=LIVE_MS)
        expect(row).to_contain_text("connect: refused")
        expect(page.locator("#status-line")).to_contain_text("1 real server failed")
        shot(page, "failed")
        assert set(answers(tool)) == {"s1"}
    finally:
        in_lab(tool, "s2", "nft", "delete table inet refusing")
    page.get_by_role("link", name="shop / web2", exact=True).click()
    until_both_say(page, "connect: refused")
    open_list(page, tool)
    expect(row_of(page, "web2")).to_contain_text("healthy", timeout=LIVE_MS)


def test_maintenance_of_a_machine_is_one_order_for_all_its_virtual_servers(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    open_list(page, tool)
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


def test_a_deleted_real_server_drains_first_and_the_review_says_so(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    open_list(page, tool)
    row = row_of(page, "web2")
    row.locator("summary").click()
    row.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("it drains first")).to_be_visible()
    page.get_by_role("button", name="Delete web2").click()
    answers(tool)
    page.get_by_role("link", name="Review and apply").first.click()

    def says_so() -> bool:
        """Whether the router has answered; a slow machine may need a second look."""
        page.reload()
        return "drains first" in on_router(page, "r1").inner_text()

    eventually(says_so, "r1 says that web2 drains first", 60)
    shot(page, "review-drains-first")
