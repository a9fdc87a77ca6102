"""Journeys of an administrator on the lab's real kernels, with clients that ask meanwhile.

Of the seven journeys these four go on from one another, so that each finds in service what it begins with;
CONTRIBUTING.md says where the other three are. Each can be run alone as well.
"""

from __future__ import annotations

import re
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.lab import (
    answers,
    asking,
    end_web_server,
    in_lab,
    is_answered_by,
    start_web_server,
    streaming,
)
from tests.browser.panels import (
    APPLY_MS,
    LIVE_MS,
    START_MS,
    apply_pending,
    attention,
    by_keys,
    hide,
    on_router,
    open_shop,
    row_of,
    serve,
    type_into,
    until_both_say,
    watch,
)
from tests.conftest import eventually

pytestmark = pytest.mark.browser

LIVE_SECONDS = LIVE_MS / 1000
NO_ACTIVE = re.compile(r"^0\b")  # what follows are connections that have ended, which the kernel remembers
AWAY_MS = 60_000  # of the page's clock: a tab that somebody left


def both_applied(page: Page) -> None:
    """Waits until both routers have the revision in view."""
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)


def drawn(page: Page, name: str, state: str) -> Locator:
    """A real server in CONTROL's picture."""
    return page.get_by_role("link", name=f"shop / {name}: {state}")


def test_add_a_server_under_traffic_costs_no_request_and_gives_it_its_share(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    with asking(tool) as client:
        eventually(lambda: len(client.seen) == 2, "both real servers answer", LIVE_SECONDS)
        page.get_by_role("link", name=re.compile(r"^Add\b")).click()
        page.locator("#id_name").fill("web3")
        page.locator("#id_address").fill("10.11.12.3")
        page.get_by_label("Active", exact=True).check()
        page.get_by_role("button", name="Accept").click()
        apply_pending(page)
        both_applied(page)
        watch(page, tool)
        expect(drawn(page, "web3", "healthy")).to_be_visible(timeout=START_MS)
        eventually(lambda: client.seen["s3"] > 0, "a client is answered by the new one", LIVE_SECONDS)
        shot(page, "added-under-traffic")
    assert client.failures == []
    assert answers(tool, 9) == {"s1": 3, "s2": 3, "s3": 3}


def test_drain_and_remove_lets_a_connection_end_before_the_server_goes(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 3)
    row = row_of(page, "web3")
    with streaming(tool, "s3") as connection:
        page.get_by_label("Select web3").check()
        page.get_by_role("button", name="Drain…", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Drain web3 of shop:")
        page.get_by_label("Why").fill("sold")
        shot(page, "drain")
        page.get_by_role("button", name="Drain web3 of shop").click()
        expect(row).to_contain_text("draining", timeout=LIVE_MS)
        expect(row).to_contain_text("by piranha: sold")
        expect(page.locator("#status-line")).to_contain_text("1 draining", timeout=LIVE_MS)
        assert set(answers(tool)) == {"s1", "s2"}
        assert connection.recv(1000), "the connection goes on"
        shot(page, "draining")
    expect(row.locator("td[data-label=Connections]")).to_have_text(NO_ACTIVE, timeout=LIVE_MS)
    row.locator("summary").click()
    row.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("it drains first")).to_be_visible()
    page.get_by_role("button", name="Delete web3").click()
    apply_pending(page)
    both_applied(page)
    page.goto(tool.url)
    expect(drawn(page, "web2", "healthy")).to_be_visible(timeout=LIVE_MS)
    expect(page.get_by_role("link", name="shop / web3")).to_have_count(0, timeout=LIVE_MS)
    for router in ("r1", "r2"):
        gone = partial(is_gone, tool, router)
        eventually(gone, f"web3 leaves the kernel of {router} when its time is over", LIVE_SECONDS)
    assert set(answers(tool)) == {"s1", "s2"}


def is_gone(tool: Tool, router: str) -> bool:
    """Whether the kernel of a router has no web3 any more."""
    return "10.11.12.3:80" not in in_lab(tool, router, "ipvsadm", "-Ln")


def test_a_server_dies_find_out_why_by_two_clicks_from_control_and_it_comes_back(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    page.clock.install()
    watch(page, tool)
    expect(drawn(page, "web2", "healthy")).to_be_visible(timeout=LIVE_MS)
    end_web_server(tool, "s2")
    try:
        says_so_where_it_stands(page)
        assert set(answers(tool)) == {"s1"}
        shot(page, "failed")
        asks_for_nothing_while_hidden(page)
        finds_out_why(page)
    finally:
        start_web_server(tool, "s2")
    open_shop(page, tool)
    expect(row_of(page, "web2")).to_contain_text("healthy", timeout=START_MS)
    eventually(lambda: is_answered_by(tool, ("s1", "s2")), "web2 answers again", LIVE_SECONDS)
    page.goto(tool.url)
    expect(page.get_by_role("heading", name="Needs attention")).to_have_count(0, timeout=LIVE_MS)


def says_so_where_it_stands(page: Page) -> None:
    """CONTROL, which nobody loads again, has it first, and leaves the focus where it is."""
    page.evaluate("window.opened = 'once'")
    focused = page.get_by_role("link", name="Switch now…")
    focused.focus()
    row = attention(page).first
    expect(row).to_contain_text("shop / web2", timeout=LIVE_MS)
    expect(row).to_contain_text(re.compile(r"failed \d+ (s|min)"))
    expect(row).to_contain_text("connect: refused")
    expect(page.locator("#status-line")).to_contain_text("1 real server failed")
    expect(focused).to_be_focused()
    assert page.evaluate("window.opened") == "once"


def finds_out_why(page: Page) -> None:
    """One click from CONTROL to the history of its check, a second to the check made now, word for word."""
    attention(page).first.get_by_role("link", name="shop / web2").click()
    until_both_say(page, "connect: refused")
    for router in ("r1", "r2"):
        newest = on_router(page, router).locator("tbody").get_by_role("row").first
        expect(newest).to_contain_text(re.compile(r"bad\s+connect: refused"))
    until_both_say(page, "Tested now: ✖ bad", button="Test this check now")
    shot(page, "failed-why")


def asks_for_nothing_while_hidden(page: Page) -> None:
    """A tab that nobody sees asks nobody, however long; at once when somebody looks again."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide(page, hidden=True)
    asked.clear()
    page.clock.fast_forward(AWAY_MS)
    page.evaluate("new Promise(done => requestAnimationFrame(done))")
    assert asked == []
    with page.expect_response("**/live*"):
        hide(page, hidden=False)


def test_roll_back_by_keyboard_alone_from_the_history_and_clients_see_it(tool: Tool, page: Page) -> None:
    log_in(page, tool)
    serve(page, tool, 2)
    type_into(page, page.get_by_label("Weight of web2"), "0")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved. Apply to put it in service.")).to_be_visible()
    by_keys(page, page.get_by_role("link", name="Review and apply").first, "Enter")
    apply_by_keys(page, "web2 rests")
    assert set(answers(tool)) == {"s1"}

    wrong = int(page.url.rpartition("/")[2])
    by_keys(page, page.get_by_role("link", name="History", exact=True).first, "Enter")
    newest = page.get_by_role("row").filter(has_text="web2 rests").get_by_role("link").first
    by_keys(page, newest, "Enter")
    by_keys(page, page.get_by_label("Compare with"), *str(wrong - 1))
    by_keys(page, page.get_by_role("button", name="Compare"), "Enter")
    changes = page.get_by_role("region", name=re.compile("^Changes"))
    expect(changes).to_contain_text(re.compile("web2.*weight.*1.*0"))
    shot(page, "compared")

    page.go_back()
    page.go_back()
    before = page.get_by_role("link", name=str(wrong - 1), exact=True)
    by_keys(page, before, "Enter")
    by_keys(page, page.get_by_role("button", name="Take this revision back"), "Enter")
    apply_by_keys(page, "back to both")
    eventually(lambda: is_answered_by(tool, ("s1", "s2")), "both answer again", LIVE_SECONDS)
    shot(page, "rolled-back-by-hand")


def apply_by_keys(page: Page, message: str) -> None:
    """Applies what is pending with a message and no confirmation, and waits until both routers have it."""
    type_into(page, page.get_by_label("Message"), message)
    box = page.get_by_label("Roll back by itself unless I confirm within")
    if box.is_checked():
        by_keys(page, box, "Space")
    by_keys(page, page.get_by_role("button", name=re.compile("^Apply to")), "Enter")
    both_applied(page)
