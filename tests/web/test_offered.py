"""What pages offer is what the role can do: no link and no button leads to a refusal."""

from __future__ import annotations

import re

import pytest

from lvs import models
from lvs.sent import orders
from piranha_web.guide.pages import BY_NAME
from tests.conftest import RedisServer
from tests.web.pages import text_of
from tests.web.reports import report, status
from tests.web.test_roles import NOT_TAKEN, OP, ORDER, TABLE, A, V, accounts, client_of

__all__ = ["accounts"]

LEFT_OPEN = {"/logout", "/login"}
PAGES = [
    "/",
    "/global-settings",
    "/redundancy",
    "/routers",
    "/routers/1",
    "/virtual-servers",
    "/virtual-servers/1",
    "/virtual-servers/1/monitoring",
    "/virtual-servers/1/real-servers",
    "/real-servers/1",
    "/real-servers/1/set-up",
    "/real-servers/explained?target=shop/web1",
    "/real-servers/everywhere?address=10.11.12.1",
    "/review",
    "/history",
    "/help",
    "/first/works",
    "/help/first-steps",
    "/help/accounts",
    "/password",
    "/sessions",
]


@pytest.fixture(autouse=True)
def _reporting(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that reports, so that pages have something to offer."""
    monkeypatch.setattr(orders, "SERVER_SECONDS", 0.1)
    monkeypatch.setattr(orders, "EXPLAIN_SECONDS", 0.1, raising=False)
    report("r1", status())


def offers(page: str, own: str) -> set[tuple[str, str]]:
    """What the page leads to, as (GET or POST, address as in the table)."""
    page = re.sub(r"<fieldset disabled>.*?</fieldset>", "", page, flags=re.DOTALL)
    found = {("GET", address) for address in re.findall(r'<a\b[^>]*\bhref="(/[^"]*)"', page)}
    found |= {("POST", address) for address in re.findall(r'\bformaction="(/[^"]*)"', page)}
    for tag, content in re.findall(r"<form\b([^>]*)>(.*?)</form>", page, flags=re.DOTALL):
        named = re.search(r'\baction="([^"]*)"', tag)
        if "<button" in content:
            method = "POST" if 'method="post"' in tag else "GET"
            found.add((method, named[1] if named else own))
    return {(method, address_in_table(re.split("[?#]", address)[0])) for method, address in found}


def address_in_table(address: str) -> str:
    address = re.sub(r"^/guide/.+$", "/guide/index.html", address)
    return re.sub(r"\d+", "1", re.sub(r"^/help/[\w-]+$", "/help/forwarding", address))


@pytest.mark.parametrize("role", [V, OP, A])
def test_no_page_offers_what_the_role_cannot_do(cluster: models.Cluster, role: str) -> None:
    client = client_of(role, cluster)
    for own in PAGES:
        response = client.get(own)
        assert response.status_code == 200, own
        for method, address in offers(text_of(response), own):
            if address.startswith("/static/") or address in LEFT_OPEN:
                continue
            least = TABLE[address][method == "POST"]
            assert least != NOT_TAKEN, (own, method, address)
            assert ORDER.index(role) >= ORDER.index(least), (own, method, address)


def test_a_viewer_may_read_all_of_the_help_and_follow_its_links(cluster: models.Cluster) -> None:
    client = client_of(V, cluster)
    for name in BY_NAME:
        response = client.get(f"/help/{name}")
        assert response.status_code == 200, name
        for method, address in offers(text_of(response), f"/help/{name}"):
            assert address in LEFT_OPEN or TABLE[address][method == "POST"] == V, (name, address)


def test_an_administrator_is_offered_the_verbs(cluster: models.Cluster) -> None:
    client = client_of(A, cluster)
    found = set().union(*(offers(text_of(client.get(own)), own) for own in PAGES))

    assert ("POST", "/apply") in found
    assert ("POST", "/global-settings") in found
    assert ("POST", "/real-servers/1/deactivate") in found
    assert ("GET", "/virtual-servers/add") in found
    assert ("GET", "/real-servers/order") in found


def test_an_operator_is_offered_the_verbs_for_real_servers_and_no_settings(cluster: models.Cluster) -> None:
    client = client_of(OP, cluster)
    found = set().union(*(offers(text_of(client.get(own)), own) for own in PAGES))

    assert ("GET", "/real-servers/order") in found
    assert ("POST", "/real-servers/test") in found
    assert not {address for _method, address in found if address.endswith(("/add", "/delete", "/apply"))}


def test_a_viewer_sees_the_forms_and_is_told_that_they_are_only_to_look_at(cluster: models.Cluster) -> None:
    page = text_of(client_of(V, cluster).get("/global-settings"))

    assert "You are viewer of lab" in page
    assert "<fieldset disabled>" in page
    assert "192.168.26.9" in page


@pytest.mark.parametrize(
    ("role", "is_offered"), [("administrator of everything", True), (A, False), (V, False)]
)
def test_the_accounts_are_offered_to_administrators_of_everything(
    cluster: models.Cluster, role: str, is_offered: bool
) -> None:
    assert ('href="/accounts"' in text_of(client_of(role, cluster).get("/help"))) is is_offered
