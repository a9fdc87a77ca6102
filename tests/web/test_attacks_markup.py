"""Texts of attackers on every page: in names, messages, forms, and in what routers and real servers say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client

from lvs import dispatch, models
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.web import hostile
from tests.web.answering import answering
from tests.web.hostile import MARKUP, SIGNS, evil, taken
from tests.web.pages import fields_in
from tests.web.test_every_address import EVERY

pytestmark = pytest.mark.thorough

TARGET = f"{quote(evil('shop'), safe='')}/{quote(evil('web2'), safe='')}"
# What makes a page show more than it does without: its queries, each with an attack in it as well.
QUERIES = {
    "control": {"interval": MARKUP},
    "login": {"next": "/" + MARKUP},
    "router": {"look": "1", "q": "192"},
    "router-rules": {"q": MARKUP},
    "real-server-order": {"order": "drain", "target": TARGET, "next": "/" + MARKUP},
    "real-server-everywhere": {"address": evil("10.11.12.2", SIGNS)},
    "real-server-everywhere-live": {"address": evil("10.11.12.2", SIGNS)},
    "real-server-explained": {"target": TARGET},
    "revision": {"against": MARKUP},
    "history": {"page": MARKUP},
    "user": {"name": evil("eve")},
    "audit": {"text": "did it"},
    "search": {"q": MARKUP},
    "virtual-server-list": {"q": MARKUP},
    "machine-list": {"q": MARKUP},
    "help": {"q": MARKUP},
}


@pytest.fixture
def site_of_an_attacker(
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    site: Any,
    tmp_path: Path,
    password_file: Path,
) -> Iterator[models.Cluster]:
    """Everything that can be text is an attack; r1 answers."""
    for name in [name for name in dir(orders) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(orders, name, 1.0)
    monkeypatch.setattr(dispatch, "DRY_RUN_SECONDS", 0.2)
    cluster = hostile.evil_cluster()
    hostile.evil_reports()
    site.PIRANHA_PASSWORD_FILE, site.PIRANHA_ALLOW_FILE = tmp_path / "piranha.passwd", tmp_path / "allow"
    site.PIRANHA_PASSWORD_FILE.write_bytes(password_file.read_bytes())
    hostile.evil_accounts(site)
    with answering("r1", **hostile.evil_answers()):
        yield cluster


def addresses(cluster: models.Cluster) -> Iterator[tuple[str, str]]:
    """Every address of the site with the attacker's objects in it, by its name."""
    virtual_server = cluster.virtual_servers.get()
    real_server = virtual_server.real_servers.get(name=evil("web2"))
    router = cluster.routers.get(name="r1")
    for name, address in EVERY:
        for before, row in (
            ("virtual-servers", virtual_server),
            ("real-servers", real_server),
            ("routers", router),
        ):
            address = address.replace(f"/{before}/1", f"/{before}/{row.pk}")
        yield name, address


def html_of(client: Client, method: str, address: str, fields: dict[str, str] | None = None) -> str:
    """The page at the end of the way, "" where there is no page."""
    response = (
        client.generic(method, address) if fields is None else client.post(address, fields, follow=True)
    )
    assert response.status_code < 500 or address == "/readyz", address  # no worker of the manager runs here
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    return response.content.decode() if is_page else ""


def test_no_text_of_an_attacker_becomes_more_than_text_on_any_page(
    administrator: Client, site_of_an_attacker: models.Cluster
) -> None:
    showing = set()
    for name, address in addresses(site_of_an_attacker):
        query = f"?{urlencode(QUERIES[name])}" if name in QUERIES else ""
        page = html_of(administrator, "GET", address + query)
        found = taken(page)
        assert found.foreign == [], address
        if any(MARKUP in text for text in found.text):
            showing.add(name)
    assert len(showing) > 30, sorted(showing)
    assert {"control", "history", "revision", "router", "router-outside", "real-server-explained"} <= showing
    assert {"real-server-list", "virtual-server-edit", "monitoring-script", "review"} <= showing
    assert {"user-list", "user", "access", "audit", "router-enrol", "session-list"} <= showing


def test_nor_does_what_is_typed_into_a_form_and_refused(
    administrator: Client, site_of_an_attacker: models.Cluster
) -> None:
    shown = 0
    for name, address in addresses(site_of_an_attacker):
        page = html_of(administrator, "GET", address)
        typed = {field: evil("1", SIGNS) for field in fields_in(page)} | {"text": evil("x", SIGNS)}
        if name in ("logout", "login", "password", "cluster-create") or not page:
            typed |= {"verb": MARKUP, "target": TARGET, "cluster": MARKUP, "reason": MARKUP}
        if name == "logout":
            continue
        found = taken(html_of(administrator, "POST", address, typed))
        assert found.foreign == [], address
        shown += any(MARKUP in text for text in found.text)
    assert shown > 10


def test_what_an_order_says_after_it_is_text_too(
    administrator: Client, site_of_an_attacker: models.Cluster
) -> None:
    for verb in ("drain", "maintenance", "up", "down", "auto"):
        fields = {"order": verb, "target": TARGET, "reason": "disk", "next": "/"}
        found = taken(html_of(administrator, "POST", "/real-servers/order", fields))
        assert found.foreign == []
        assert any("drain web1" + MARKUP in text for text in found.text)


def test_the_page_of_a_refusal_repeats_nothing_as_more_than_text(
    anonymous: Client, site_of_an_attacker: models.Cluster
) -> None:
    pages = [
        html_of(anonymous, "POST", "/login", {"username": MARKUP, "password": MARKUP, "next": MARKUP}),
        html_of(anonymous, "GET", "/login?" + urlencode({"next": MARKUP})),
        html_of(anonymous, "GET", "/" + quote(MARKUP)),
    ]
    assert [taken(page).foreign for page in pages] == [[], [], []]
