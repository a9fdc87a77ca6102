"""An evening that goes wrong: a check that nobody passes, and an old file with programs that nobody has."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import answers
from tests.browser.panels import APPLY_MS, LIVE_MS, apply_pending, attention, comes, open_shop, row_of, serve
from tests.conftest import eventually

pytestmark = pytest.mark.browser

OLD = """\
primary = 192.168.26.9
primary_private = 10.11.12.9
service = lvs
rsh_command = rsh
backup_active = 1
backup = 192.168.26.8
backup_private = 10.11.12.8
heartbeat = 1
keepalive = 6
deadtime = 18
network = nat
nat_router = 10.11.12.10 eth1:1
nat_nmask = 255.255.255.0
virtual legacy {
     active = 1
     address = 192.168.26.10 eth0:1
     port = 80
     expect = "OK"
     send_program = "/usr/local/bin/x %h"
     load_monitor = uptime
     scheduler = wlc
     protocol = tcp
     server web1 {
         address = 10.11.12.1
         active = 1
         weight = 1
     }
     server web2 {
         address = 10.11.12.2
         active = 1
         weight = 1
     }
}
"""


def set_service(page: Page, tool: Tool, service: str, **values: str) -> None:
    """Fields of a virtual server, the folded ones as well."""
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name=service, exact=True).click()
    for name, value in values.items():
        field = page.locator(f"#id_{name}")
        if not field.is_visible():
            page.locator("details").filter(has=field).locator("summary").click()
        field.fill(value)
    page.get_by_role("button", name="Accept").click()


def applied(page: Page) -> None:
    """Applies what is pending on both routers."""
    apply_pending(page)
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)


def trouble(page: Page) -> Locator:
    """What needs attention of the whole of shop."""
    return attention(page).filter(has=page.get_by_role("rowheader", name="shop", exact=True))


def test_a_wrong_check_costs_no_answer_and_control_says_what_holds_why_and_what_to_do(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    set_service(page, tool, "shop", protection="50")
    applied(page)

    open_shop(page, tool)
    page.get_by_role("link", name="Monitoring scripts", exact=True).click()
    page.locator("input[name=kind][value=http]").check()
    page.locator("#id_body").fill("wrong text")
    page.get_by_role("button", name="Test it, save nothing").click()
    expect(page.get_by_role("region", name=re.compile("^From r1"))).to_contain_text(
        "bad, “answered 200 OK, expected 'wrong text' in the body", timeout=LIVE_MS
    )
    shot(page, "evening-tried")
    page.get_by_role("button", name="Accept").click()
    applied(page)
    expect(page.locator("#deployments")).to_contain_text("its check fails (answered 200 OK, expected 'wrong")
    page.goto(tool.url)
    expect(trouble(page)).to_contain_text("pool protection holds", timeout=LIVE_MS)
    expect(trouble(page)).to_contain_text("All 2 checks fail since revision")
    expect(page.locator("#status-line")).to_contain_text("kept in by pool protection")
    assert answers(tool)
    shot(page, "evening-protected")
    trouble(page).get_by_role("link", name="Its check").click()
    expect(page.locator("#id_body")).to_have_value("wrong text")


def test_without_protection_nobody_serves_and_the_revision_before_brings_all_back(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    set_service(page, tool, "shop", protection="0", sorry_server="192.168.26.11")
    applied(page)
    page.goto(tool.url)
    expect(trouble(page)).to_contain_text("only the sorry server serves it", timeout=LIVE_MS)
    expect(page.locator("#status-line")).to_contain_text("1 virtual server served by no real server")
    alone = page.get_by_role("region", name="Needs attention").get_by_role("rowheader", name="intranet")
    expect(alone).to_have_count(0)
    shot(page, "evening-unserved")
    trouble(page).get_by_role("link", name="Revisions").click()
    page.get_by_role("row").nth(3).get_by_role("link").first.click()
    page.get_by_role("button", name="Take this revision back").click()
    page.get_by_role("button", name=re.compile("^Apply to")).click()
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    open_shop(page, tool)
    for name in ("web1", "web2"):
        expect(row_of(page, name)).to_contain_text("healthy", timeout=LIVE_MS)
    assert set(answers(tool)) == {"s1", "s2"}


def test_import_an_old_lvs_cf_and_go_live_once_what_no_router_has_is_out_of_it(
    tool: Tool, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "lvs.cf").write_text(OLD)
    log_in(page, tool)
    serve(page, tool, 2)
    page.goto(f"{tool.url}/import")
    page.get_by_label(re.compile("file", re.I)).first.set_input_files(tmp_path / "lvs.cf")
    page.get_by_role("button", name="Check it").click()
    report = page.locator(".alert-warning")
    for words in (
        "line 4: rsh_command",
        "line 19: virtual server legacy: ",
        "line 20: virtual server legacy: ",
    ):
        expect(report).to_contain_text(words)
    shot(page, "evening-import")
    page.get_by_role("button", name="Replace the candidate").click()
    page.get_by_role("link", name="legacy", exact=True).click()
    page.get_by_role("link", name="Monitoring scripts", exact=True).click()
    expect(page.locator("#id_send_program")).to_have_value("/usr/local/bin/x %h")

    page.get_by_role("link", name="Review and apply").first.click()
    for router in ("r1", "r2"):
        refusal = page.get_by_text(f"{router} would refuse this")
        eventually(partial(comes, page, refusal), f"{router} says that it would refuse this", 90)
    shot(page, "evening-review")
    page.get_by_label("Roll back by itself unless I confirm within").set_checked(False)
    page.get_by_role("button", name=re.compile("^Apply to")).click()
    deployments = page.locator("#deployments")
    expect(deployments).to_contain_text("uptime is not in", timeout=APPLY_MS)
    expect(deployments).to_contain_text("Nothing was changed.")
    expect(deployments).to_contain_text(re.compile(r"Not sent: r[12] refused this revision\."))
    shot(page, "evening-refused")
    assert set(answers(tool)) == {"s1", "s2"}

    set_service(page, tool, "legacy", load_monitor="none")
    page.get_by_role("link", name="Monitoring scripts", exact=True).click()
    page.locator("input[name=kind][value=http]").check()
    page.locator("#id_body").fill("")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Saved the monitoring script of legacy.")).to_be_visible()
    applied(page)
    page.goto(tool.url)
    for name in ("web1", "web2"):
        drawn = page.get_by_role("link", name=f"legacy / {name}: healthy")
        expect(drawn).to_be_visible(timeout=LIVE_MS)
    assert set(answers(tool)) == {"s1", "s2"}
    shot(page, "evening-live")
