"""What several tests do in the panels, by mouse or by keyboard."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from deploy.start.place import PROJECT
from tests.browser.conftest import Tool
from tests.browser.lab import is_answered
from tests.conftest import eventually

APPLY_MS = 120_000
START_MS = 90_000  # both hearts, the election, the first checks
LIVE_MS = 40_000  # checks, a report and a refresh of the page, on a slow machine
INTERVAL = 2  # seconds: the shortest that CONTROL offers
MOST_TABS = 200  # from the top of a page to its end

# The lab's two routers. The lab may be slow: nothing but Switch now is to move the active role.
ROUTERS = """\
primary = 192.168.26.9
primary_private = 10.11.12.9
service = lvs
backup_active = 1
backup = 192.168.26.8
backup_private = 10.11.12.8
heartbeat = 1
keepalive = 1
deadtime = 15
network = nat
nat_router = 10.11.12.10 eth1:1
nat_nmask = 255.255.255.0
"""
SHOP = """\
virtual shop {{
     active = 1
     address = 192.168.26.10 eth0:1
     port = 80
     scheduler = rr
     protocol = tcp
     timeout = 2
     reentry = 4
     drain_time = 10
     check = http
{servers}}}
"""
SERVER = """\
     server web{number} {{
         address = 10.11.12.{number}
         active = 1
         weight = 1
     }}
"""


def shop_of(count: int) -> str:
    """The lvs.cf of the lab with the virtual server shop and so many real servers: web1 is s1 and so on."""
    servers = "".join(SERVER.format(number=number) for number in range(1, count + 1))
    return ROUTERS + SHOP.format(servers=servers)


def import_text(page: Page, tool: Tool, text: str) -> None:
    """An lvs.cf that somebody pastes, as candidate."""
    page.goto(f"{tool.url}/import")
    page.locator("#id_text").fill(text)
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="What it changes in the candidate")).to_be_visible()
    page.get_by_role("button", name="Replace the candidate").click()
    expect(page.get_by_text(re.compile(r"^\W*Imported \d+ virtual server"))).to_be_visible()


def serve(page: Page, tool: Tool, count: int = 2) -> None:
    """shop with so many real servers answers and all of them are healthy, whatever was before."""
    import_text(page, tool, shop_of(count))
    if page.locator("#status-line").get_by_text("no pending changes").count() == 0:
        apply_pending(page)
        expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    open_shop(page, tool)
    for number in range(1, count + 1):
        expect(row_of(page, f"web{number}")).to_contain_text("healthy", timeout=START_MS)
    eventually(lambda: is_answered(tool), "a router is active and answers", START_MS / 1000)


def open_shop(page: Page, tool: Tool) -> None:
    """The real servers of shop."""
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    page.get_by_role("link", name="Real server", exact=True).click()


def row_of(page: Page, name: str) -> Locator:
    """A real server's row in the list."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def attention(page: Page) -> Locator:
    """The rows of what needs attention on CONTROL, worst first."""
    return page.get_by_role("region", name="Needs attention").locator("tbody").get_by_role("row")


def on_router(page: Page, router: str) -> Locator:
    """What one router says on the page of a real server, or of a review."""
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


def watch(page: Page, tool: Tool) -> None:
    """CONTROL, updating itself as often as it can."""
    page.goto(tool.url)
    page.get_by_label("Update interval in seconds").fill(str(INTERVAL))
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("#live")).to_have_attribute("data-live", str(INTERVAL))


def hide(page: Page, *, hidden: bool) -> None:
    """Has the page believe that nobody sees it, or that somebody does again."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def by_keys(page: Page, target: Locator, *keys: str) -> None:
    """Tab until it has the focus, then these keys; no mouse. What is unfolded first comes first."""
    expect(target).to_be_visible()
    for _ in range(MOST_TABS):
        if target.evaluate("one => one === document.activeElement"):
            for key in keys:
                page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


def type_into(page: Page, field: Locator, text: str) -> None:
    """Goes to a field by Tab and writes this in place of what stands there."""
    by_keys(page, field, "Control+a")
    page.keyboard.type(text)


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
