"""What a viewer and an operator see in a browser: every page, and no button that would be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tool, log_in, shot
from tests.browser.panels import add_real_server, add_virtual_server, apply_pending, import_sample
from tests.conftest import eventually

pytestmark = pytest.mark.browser

APPLY_MS = 120_000
LOAD_MS = 90_000  # parts of a page that ask a router
LIVE_SECONDS = 90  # the order, its report, on a slow machine
GIVEN, OWN = "made by somebody else", "chosen by myself"
ONE_OF_EACH = re.compile(r"\d+|(?<=^/help/).+")  # pages that differ in a number only; topics of the help

# What everybody may send: about themselves, or about what their own browser looks at.
OWN_AFFAIRS = {
    "/logout",
    "/password",
    "/sessions/end",
    "/second-factor/start",
    "/auto-update",
    "/clusters/choose",
}
# What an operator may besides.
OPERATIONS = {"/real-servers/order", "/real-servers/test", "/real-servers/check", "/redundancy/switch"}
OPERATORS_PAGES = (
    *("/", "/global-settings", "/redundancy", "/virtual-servers", "/real-servers/everywhere", "/routers"),
    *("/review", "/history", "/history/1", "/real-servers/explained?target=shop/web1"),
    "/real-servers/order?order=drain&target=shop/web1",
)
# What is there for a program, and would be saved instead of shown.
FILES = re.compile(r"/lvs\.cf$|/script$|/download$|/export$")

GUIDE = "/guide/"  # the same for everybody, and built by whoever needs it (test_guide)

# A form without a button that can be pressed is one to read.
FORMS = """() => [...document.querySelectorAll('button:not([type=button]), input[type=submit]')]
  .filter(one => one.form && one.form.method === 'post' && !one.matches(':disabled'))
  .map(one => one.getAttribute('formaction') || one.form.getAttribute('action') || location.pathname)"""
BUTTONS = """() => [...document.querySelectorAll('[hx-post]')]
  .filter(one => !one.matches(':disabled')).map(one => one.getAttribute('hx-post'))"""
# A link in a drawing (SVG) has no plain text in its property href.
LINKS = """() => [...document.querySelectorAll("main a[href], header a[href]")].map(
    one => new URL(one.getAttribute("href"), document.baseURI).href
)"""


def add_account(page: Page, tool: Tool, name: str, role: str) -> None:
    """An account with a password that somebody else knows."""
    page.goto(f"{tool.url}/accounts/add")
    page.locator("#id_name").fill(name)
    page.locator("#id_role").select_option(label=role)
    page.locator("#id_password").fill(GIVEN)
    page.locator("#id_again").fill(GIVEN)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("At the first login it has to be changed")).to_be_visible()


def first_login(page: Page, tool: Tool, name: str) -> None:
    """The first login of that account, which has to choose a password of its own before anything else."""
    page.context.clear_cookies()
    page.goto(f"{tool.url}/login")
    page.get_by_label("User").fill(name)
    page.get_by_label("Password").fill(GIVEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Change password")).to_be_visible()
    page.goto(f"{tool.url}/virtual-servers")
    expect(page.get_by_role("heading", name="Change password")).to_be_visible()
    page.locator("#id_old").fill(GIVEN)
    page.locator("#id_new").fill(OWN)
    page.locator("#id_again").fill(OWN)
    page.get_by_role("button", name="Change password").click()
    page.wait_for_url(f"{tool.url}/")


def walk(page: Page, tool: Tool) -> Iterator[str]:
    """Opens every page that a link leads to, one of each kind; the path of each."""
    todo, seen = [f"{tool.url}/"], set()
    while todo:
        address = todo.pop(0)
        path = urlsplit(address).path
        kind = ONE_OF_EACH.sub("*", path)
        if not address.startswith(tool.url) or kind in seen or path.startswith(GUIDE):
            continue
        seen.add(kind)
        if FILES.search(path):
            assert page.request.get(address).ok, address
            continue
        response = page.goto(address)
        assert response is not None
        assert response.ok, f"{address} answers {response.status}"
        if page.locator("[hx-trigger*=load]").count():
            page.wait_for_load_state("networkidle", timeout=LOAD_MS)
        yield path
        todo += page.evaluate(LINKS)


def sent_by(page: Page) -> set[str]:
    """Where the buttons of the page in view would send something."""
    found = [urlsplit(one).path for one in page.evaluate(FORMS) + page.evaluate(BUTTONS)]
    return {re.sub(r"\d+", "*", one) for one in found}


def token(page: Page) -> str:
    """What a form of the page in view proves that it is ours with."""
    return page.locator("input[name=csrfmiddlewaretoken]").first.input_value()


def is_refused(page: Page, tool: Tool, path: str, **fields: str) -> bool:
    """Whether the server refuses what no button offers, sent all the same."""
    form = {"csrfmiddlewaretoken": token(page), **fields}
    response = page.request.post(f"{tool.url}{path}", form=form, headers={"Referer": f"{tool.url}/"})
    return response.status == 403 and "takes the role" in response.text()


def see(page: Page, may_send: set[str]) -> set[str]:
    """Sees that the page in view offers nothing that would be refused; what it offers."""
    found = sent_by(page)
    assert found <= may_send, f"{page.url} offers {sorted(found - may_send)}"
    return found


def is_said(page: Page, tool: Tool, words: str) -> bool:
    """Whether the page of web1 has these words now."""
    page.goto(f"{tool.url}/real-servers/explained?target=shop/web1")
    return words in page.get_by_role("main").inner_text()


def is_drained(page: Page, tool: Tool) -> bool:
    """Whether web1 drains by otto's order; else it is given, again if a slow router missed it."""
    if is_said(page, tool, "drain by otto: new disk"):
        return True
    page.goto(f"{tool.url}/real-servers/order?order=drain&target=shop/web1")
    page.get_by_label("Why").fill("new disk")
    page.get_by_role("button", name="Drain web1 of shop").click()
    return False


def is_left_alone(page: Page, tool: Tool) -> bool:
    """Whether that order is taken back; else it is, again if a slow router missed it."""
    if not is_said(page, tool, "by otto"):
        return True
    # One router may know already that it is, while the other one's report still says otherwise.
    if page.get_by_role("button", name="Back to automatic").is_visible():
        page.get_by_role("button", name="Back to automatic").click()
    return False


def test_a_viewer_and_an_operator_see_every_page_and_no_button_that_is_not_theirs(
    tool: Tool, page: Page
) -> None:
    log_in(page, tool)
    import_sample(page, tool)
    add_virtual_server(page, tool)
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    add_real_server(page, "web1", "10.11.12.1")
    apply_pending(page)
    expect(page.locator("#deployments").get_by_text("applied")).to_have_count(2, timeout=APPLY_MS)
    add_account(page, tool, "vera", "viewer")
    add_account(page, tool, "otto", "operator")

    first_login(page, tool, "vera")
    paths = set()
    for path in walk(page, tool):
        paths.add(path)
        see(page, OWN_AFFAIRS)
    assert {"/", "/global-settings", "/redundancy", "/virtual-servers", "/routers", "/history"} <= paths
    assert not paths & {"/audit", "/accounts", "/access", "/import", "/clusters/new"}
    page.goto(f"{tool.url}/real-servers/explained?target=shop/web1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("web1")
    see(page, OWN_AFFAIRS)
    page.goto(f"{tool.url}/virtual-servers")
    page.get_by_role("link", name="shop", exact=True).click()
    expect(page.locator("#id_scheduler")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    shot(page, "viewer")
    for path in ("/apply", "/discard", "/redundancy/reset", "/virtual-servers/1/delete"):
        assert is_refused(page, tool, path, edition="1")
    assert is_refused(page, tool, "/real-servers/order", target="shop/web1", order="drain")

    first_login(page, tool, "otto")
    offered: set[str] = set()
    for address in OPERATORS_PAGES:
        page.goto(f"{tool.url}{address}")
        offered |= see(page, OWN_AFFAIRS | OPERATIONS)
    assert {"/real-servers/order", "/real-servers/test"} <= offered
    for path in ("/apply", "/virtual-servers/1/deactivate", "/accounts/add"):
        assert is_refused(page, tool, path, edition="1")
    eventually(lambda: is_drained(page, tool), "web1 drains", LIVE_SECONDS)
    shot(page, "operator")
    eventually(lambda: is_left_alone(page, tool), "web1 is back", LIVE_SECONDS)
