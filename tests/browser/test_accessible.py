"""axe-core over every page of the site, in both themes, and Tab through it; no page is wider than a phone.

With PIRANHA_SCREENSHOTS in the environment (`make screenshots`) it leaves a picture of each page, light and
dark, wide and narrow, for somebody to look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from lvs import dispatch, models, store
from lvs.config.model import Scheduler
from tests.browser.conftest import shot
from tests.browser.inside import SITE, go, served
from tests.browser.keyboard import by_keyboard
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import SHOP, administrator, cluster, password_file, shop, site
from tests.web.explaining import explanation, trial
from tests.web.looking import preflight, remark, rules
from tests.web.redundant import redundant
from tests.web.reports import hand, real_server, report
from tests.web.test_roles import NOT_TAKEN, TABLE

__all__ = ["administrator", "cluster", "password_file", "shop", "site"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

State = models.Deployment.State
# What is there for a program or a library and is no page.
NO_PAGES = re.compile(
    r"(/lvs\.cf|/script|/download|/export|/live|/figures|/status-line|/confirmation|/preflight|/rules|/deployments|^/review/routers|^/login.*"
    r"|^/healthz|^/readyz|^/metrics|^/guide/.*)$"
)
# What a page must be asked for, and further pages that the table has once.
ASKED = {
    "/real-servers/order": "?order=drain&target=shop/web1",
    "/real-servers/explained": "?target=shop/web2",
    "/real-servers/bulk": "?picked=1&verb=deactivate",
    "/virtual-servers/bulk": "?picked=1&verb=deactivate",
    "/real-servers/everywhere": "?address=10.11.12.1",
    "/accounts/one": "?name=anna",
    "/accounts/remove": "?name=anna",
    "/search": "?q=web",
    "/help": "?q=drain",
}
MORE = (
    "/virtual-servers?q=nothing",
    "/history/2",
    "/help/introduction",
    "/help/schedulers",
    "/help/glossary",
)
PLAN: dict[str, Any] = {
    "changes": ["set the scheduler of shop (192.168.26.10:80/tcp) from wlc to rr"],
    "problems": [{"line": None, "severity": "warning", "message": "the guard has port 80"}],
    "netfilter": {
        "words": ["set firewall mark 7 for tcp 192.168.26.10:443 (shop)"],
        "more_words": 0,
        "difference": [["place", "@@ -3,1 +3,2 @@"], ["add", "+\t\t\t192.168.26.10 . tcp . 443 : 7"]],
        "more_lines": 0,
    },
}
# What routers answer to the pages that ask them.
ANSWERS: dict[str, Any] = {
    "plan": PLAN,
    "preflight": preflight(remark(), remark("error"), remark("note")),
    "rules": rules(),
    "explain": explanation(test=trial()),
}
PHONE = 390  # CSS pixels
LONG = 60_000  # ms, on a machine that does much else
WIDER = """() => document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth
  ? [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
    .filter(one => !one.closest('.table-responsive, pre'))
    .slice(0, 5).map(one => one.outerHTML.slice(0, 120)).concat("or a word in it") : []"""


@pytest.fixture(autouse=True)
def _seeded(
    site: Any, redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A second cluster, a revision that runs, one that waits to be confirmed, a pending change; routers."""
    monkeypatch.setattr(dispatch, "DRY_RUN_SECONDS", 30.0)  # routers that are asked do answer here
    store.create_cluster("other", "o1", "")
    models.Account.objects.create(name="anna", issuer="https://id.example", subject="1")
    store.freeze(cluster, author="bob", message="the first")
    for one in models.Deployment.objects.all():
        one.end(State.APPLIED)
    cluster.virtual_servers.get().take(replace(SHOP, persistence=60))
    made = store.freeze(cluster, author="anna", message="keeps clients", confirm_within=3600)
    for one in made.deployments.all():
        one.wait(timezone.now() + timedelta(seconds=3600))
    cluster.virtual_servers.get().take(replace(SHOP, scheduler=Scheduler.RR))
    with answering("r1", **ANSWERS), answering("r2", **ANSWERS):
        yield


@pytest.fixture
def opened(chromium: Browser, administrator: Client) -> Iterator[Page]:
    """A page that the site answers from inside; nothing on it moves."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    context.set_default_timeout(2 * LONG)
    page = context.new_page()
    with served(page, administrator):
        yield page


def pages() -> list[str]:
    """Every address of the site that is a page."""
    read = [address for address, (reads, _writes) in TABLE.items() if reads != NOT_TAKEN]
    return [one + ASKED.get(one, "") for one in read if not NO_PAGES.search(one)]


def tell(cluster: models.Cluster) -> None:
    """Both routers report right now: one real server healthy, one drained, one failed."""
    newest = cluster.newest_revision()
    assert newest is not None
    same = {"serial": newest.number, "sha256": newest.sha256}
    servers = [
        real_server("web1", "10.11.12.1", hand=hand("drain", reason="new disk"), weight=0),
        real_server("web2", "10.11.12.2", "failed", "connect: refused"),
    ]
    for name, role in (("r1", "active"), ("r2", "standby")):
        document = redundant(role, **same)
        document["virtual_servers"][0] |= {"real_servers": servers}
        report(name, document)


def violations(page: Page, address: str, theme: str) -> list[str]:
    """What axe-core finds; of the dark theme only what colours can change."""
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if theme == "dark" else {}
    found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    return [
        f"{address} ({theme}): {one['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"][:3]
    ]


def judged(page: Page, address: str) -> list[str]:
    """What is wrong with one page."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        found += violations(page, address, theme)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": PHONE, "height": 1000})
    if wider := page.evaluate(WIDER):
        found.append(f"{address}: wider than {PHONE} pixels: {wider}")
    page.set_viewport_size({"width": 1400, "height": 1000})
    return found


def test_every_page_is_used_by_keyboard_without_a_violation_in_either_theme_and_fits_a_phone(
    opened: Page, cluster: models.Cluster
) -> None:
    found = []
    for address in (*pages(), *MORE):
        tell(cluster)
        go(opened, address)
        found += [f"{address}: by keyboard: {one}" for one in by_keyboard(opened)]
        found += judged(opened, address)
        if os.environ.get("PIRANHA_SCREENSHOTS"):
            shot(opened, "page-" + re.sub(r"\W+", "-", address).strip("-"))
    assert found == []


def test_a_field_is_judged_when_it_is_left_and_who_saves_second_chooses(
    opened: Page, shop: models.VirtualServer
) -> None:
    tell(shop.cluster)
    go(opened, f"/virtual-servers/{shop.pk}")
    field, accept = opened.locator("#id_timeout"), opened.locator(".actions button").first
    address, error = opened.locator("#id_address"), opened.locator("#id_address_error")
    left(opened, address, "10.1")
    expect(error).to_be_visible(timeout=LONG)
    found = judged(opened, "a field in error")
    left(opened, address, "192.168.26.10")
    expect(error).to_have_count(0, timeout=LONG)
    left(opened, field, "9")
    shop.take(replace(SHOP, timeout=7, scheduler=Scheduler.SH))
    accept.click()
    expect(opened.get_by_role("heading", name="Somebody else saved first")).to_be_visible(timeout=LONG)
    expect(field).to_have_value("9")
    expect(opened.locator("#id_scheduler")).to_have_value("sh")
    found += judged(opened, "somebody else saved first")
    if os.environ.get("PIRANHA_SCREENSHOTS"):
        shot(opened, "conflict")
    with opened.expect_response(f"{SITE}/virtual-servers/**"):
        opened.get_by_label("take 7").check()
    accept.click()
    expect(opened.get_by_text("Saved shop.")).to_be_visible(timeout=LONG)
    expect(field).to_have_value("7")
    assert found == []


def left(page: Page, field: Locator, text: str) -> None:
    """Fills a field in, leaves it, and waits for the server's judgement."""
    field.fill(text)
    with page.expect_response(f"{SITE}/virtual-servers/**"):
        field.press("Tab")


def test_without_a_login_the_way_in_has_no_violation(chromium: Browser, cluster: models.Cluster) -> None:
    page = chromium.new_context(reduced_motion="reduce").new_page()
    with served(page, Client()):
        page.goto(f"{SITE}/login")
        assert judged(page, "/login") == []
