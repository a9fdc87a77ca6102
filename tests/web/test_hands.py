"""The administrator's hand on real servers in service: the verbs, what they ask, and what comes of them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.test import Client

from lvs import models, store
from lvs.reported import reports
from lvs.sent import orders
from piranha_web.forms.hands import end_of
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import fields_of, text_of
from tests.web.redundant import redundant
from tests.web.reports import hand, real_server, report, shop_with, status

ORDER = "/real-servers/order"
DONE = {"changed": ["drain web1 of shop"]}


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page here has its Redis and its cluster, and none waits long for a router that is not there."""
    monkeypatch.setattr(orders, "SERVER_SECONDS", 0.5)


def test_a_verb_asks_first_and_names_what_it_touches(administrator: Client) -> None:
    report("r1", status())
    with answering("r1") as asked:
        page = text_of(administrator.get(ORDER, {"order": "drain", "target": "shop/web1"}))
    assert "Drain web1 of shop: 3 connections now" in page
    assert "10.11.12.1:80" in page
    assert asked == []


def test_an_order_reaches_the_active_router_with_who_why_and_until_when(administrator: Client) -> None:
    report("r1", status())
    report("r2", status("standby"))
    page = f"{ORDER}?order=maintenance&target=shop/web1&target=shop/web2&next=/virtual-servers"
    fields = fields_of(administrator, page) | {
        "target": ["shop/web1", "shop/web2"],
        "reason": "new disk",
        "until": "2 h",
    }
    begun = time.time()
    with answering("r1", server={"changed": ["web1", "web2"]}) as asked:
        response = administrator.post(ORDER, fields)

    assert response["Location"] == "/virtual-servers"
    ((task, (targets, order, by, reason, until)),) = asked
    assert (task, order, by, reason) == ("server", "maintenance", "piranha", "new disk")
    assert targets == [["shop", "web1"], ["shop", "web2"]]
    assert until == pytest.approx(begun + 7200, abs=30)
    assert "r1: web1; web2." in text_of(administrator.get("/virtual-servers"))


def test_maintenance_says_why_or_is_not_begun(administrator: Client) -> None:
    report("r1", status())
    with answering("r1") as asked:
        response = administrator.post(ORDER, {"order": "maintenance", "target": "shop/web1"})
    assert response.status_code == 200
    assert "required" in str(response.context["form"].errors["reason"])
    assert asked == []


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30m", "2030-01-31 12:30"),
        ("30 min", "2030-01-31 12:30"),
        ("14:30", "2030-01-31 14:30"),
        ("9:00", "2030-02-01 09:00"),
        ("tomorrow 14:30", "2030-02-01 14:30"),
        ("2030-03-01 08:00", "2030-03-01 08:00"),
    ],
)
def test_an_end_is_typed_as_at_a_terminal(text: str, end: str) -> None:
    noon = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
    assert end_of(text, noon) == datetime.fromisoformat(f"{end}+00:00")


@pytest.mark.parametrize(
    ("until", "says"),
    [
        ("soon", "length of time"),
        ("2001-01-01 10:00", "end after now"),
        ("999 d", "within a year"),
        ("0 s", "end after now"),
        ("25:00", "length of time"),
    ],
)
def test_a_senseless_end_is_refused_at_its_field(administrator: Client, until: str, says: str) -> None:
    response = administrator.post(ORDER, {"order": "drain", "target": "shop/web1", "until": until})
    assert says in " ".join(response.context["form"].errors["until"])


def test_back_to_automatic_needs_no_second_page(administrator: Client) -> None:
    report("r1", shop_with(real_server("web1", "10.11.12.1", hand=hand("drain"), weight=0, why="draining")))
    assert "Back to automatic" in text_of(administrator.get("/"))
    with answering("r1", server={"changed": []}) as asked:
        administrator.post(ORDER, {"order": "auto", "target": "shop/web1", "next": "/"})
    assert asked[0][1][1] == "auto"


def test_what_the_router_refuses_is_said_in_its_words(administrator: Client) -> None:
    report("r1", status())
    with answering("r1", server={"refused": "There is no real server web1 in shop."}):
        response = administrator.post(ORDER, {"order": "drain", "target": "shop/web1"}, follow=True)
    assert "r1 did not do it: There is no real server web1 in shop." in text_of(response)


def test_a_standby_takes_the_order_when_the_active_router_does_not_answer(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", redundant("active"))
    report("r2", redundant("standby"))
    with answering("r2", server=DONE) as asked:
        outcome = orders.server(
            cluster, [("shop", "web1")], orders.Order.DRAIN, by="anna", reason="", until=None
        )
    assert outcome.ok
    assert [task for task, _arguments in asked] == ["server"]
    assert outcome.sentence.startswith("r2: drain web1 of shop. r1 did not answer within")


def test_a_router_that_could_not_be_told_is_named(administrator: Client) -> None:
    report("r1", status())
    with answering("r1", server=DONE):
        response = administrator.post(ORDER, {"order": "drain", "target": "shop/web1"}, follow=True)
    assert "r2 could not be told now: r1 tells it as soon as they hear each other." in text_of(response)


def test_without_any_router_nothing_is_changed_and_that_is_said(
    administrator: Client, redis_server: RedisServer
) -> None:
    response = administrator.post(ORDER, {"order": "drain", "target": "shop/web1"}, follow=True)
    assert "Nothing was changed. r1 cannot be asked" in text_of(response)
    redis_server.stop()
    response = administrator.post(ORDER, {"order": "drain", "target": "shop/web1"}, follow=True)
    assert "Nothing was changed. r1 cannot be asked" in text_of(response)


@pytest.mark.parametrize(
    "given", [{}, {"order": "drain"}, {"order": "eat", "target": "shop/web1"}, {"order": "up", "target": "x"}]
)
def test_a_request_that_names_nothing_does_nothing(administrator: Client, given: dict[str, str]) -> None:
    report("r1", status())
    for response in (
        administrator.get(ORDER, given, follow=True),
        administrator.post(ORDER, given, follow=True),
    ):
        assert "Nothing was changed: choose at least one real server" in text_of(response)


@pytest.mark.parametrize("address", ["https://example.com/", "//example.com/", "javascript:alert(1)", ""])
def test_the_way_back_stays_on_this_site(administrator: Client, address: str) -> None:
    report("r1", status())
    page = text_of(administrator.get(ORDER, {"order": "up", "target": "shop/web1", "next": address}))
    assert '<a class="btn btn-outline-secondary" href="/">Cancel</a>' in page


def test_the_last_one_that_serves_is_not_taken_out_unsaid(administrator: Client) -> None:
    servers = [real_server("web1", "10.11.12.1"), real_server("web3", "10.11.12.3")]
    report("r1", shop_with(*servers))
    one = text_of(administrator.get(ORDER, {"order": "drain", "target": "shop/web1"}))
    both = text_of(administrator.get(ORDER, {"order": "drain", "target": ["shop/web1", "shop/web3"]}))
    assert "Nobody else takes new connections" not in one
    assert "Nobody else takes new connections of <strong>shop</strong>" in both


def test_a_real_server_that_does_not_run_yet_is_named_as_such(administrator: Client) -> None:
    report("r1", status())
    page = text_of(administrator.get(ORDER, {"order": "drain", "target": "shop/web9"}))
    assert "not in service" in page


def test_one_machine_is_drained_in_all_its_virtual_servers(
    administrator: Client, cluster: models.Cluster
) -> None:
    store.save(cluster, replace(CONFIG, virtual_servers=(SHOP, replace(SHOP, name="mail", port=25))))
    document = status()
    mail = {**document["virtual_servers"][0], "name": "mail"}
    document["virtual_servers"].append(mail)
    report("r1", document)

    page = text_of(administrator.get("/real-servers/everywhere", {"address": "10.11.12.1"}))
    assert "2 virtual servers, 6 connections now" in page
    confirm = text_of(administrator.get(ORDER, {"order": "drain", "address": "10.11.12.1"}))
    assert "Drain web1 in 2 virtual servers: 6 connections now" in confirm
    with answering("r1", server=DONE) as asked:
        administrator.post(ORDER, {"order": "drain", "target": ["shop/web1", "mail/web1"]})
    assert asked[0][1][0] == [["shop", "web1"], ["mail", "web1"]]


def test_the_page_of_a_machine_renews_itself(administrator: Client) -> None:
    where = {"address": "10.11.12.1"}
    report("r1", status())
    assert "/real-servers/everywhere/live?address=10.11.12.1" in text_of(
        administrator.get("/real-servers/everywhere", where)
    )
    part = text_of(administrator.get("/real-servers/everywhere/live", where))
    assert "<html" not in part
    assert "shop / web1" in part
    assert 'hx-swap-oob="true"' in part


def test_a_machine_that_serves_nowhere_is_said_to(administrator: Client) -> None:
    where = {"address": "10.9.9.9"}
    assert "is not known" in text_of(administrator.get("/real-servers/everywhere", where))
    report("r1", status())
    assert "No virtual server in service" in text_of(administrator.get("/real-servers/everywhere", where))


def test_names_with_any_signs_come_back_as_they_were(administrator: Client) -> None:
    document = shop_with(real_server("web/1 & <b>", "10.11.12.1"))
    document["virtual_servers"][0]["name"] = "a/b%2F"
    report("r1", document)
    target = "a%2Fb%252F/web%2F1%20%26%20%3Cb%3E"
    assert target in text_of(administrator.get("/real-servers/everywhere", {"address": "10.11.12.1"}))
    with answering("r1", server=DONE) as asked:
        administrator.post(ORDER, {"order": "drain", "target": target})
    assert asked[0][1][0] == [["a/b%2F", "web/1 & <b>"]]


def test_when_the_report_is_old_the_page_does_not_show_it_as_now(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_at = time.time()
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at)
    report("r1", status())
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at + 40)
    page = text_of(administrator.get(ORDER, {"order": "drain", "target": "shop/web1"}))
    assert "does not report now" in page
    assert "connections now" not in page
