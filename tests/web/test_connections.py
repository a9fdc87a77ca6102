"""CONNECTIONS and the virtual server table: what a router is asked, what is shown, and to whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from lvs import models
from lvs.sent import connections
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.pages import text_of
from tests.web.reports import report, status

FOUND: dict[str, Any] = {
    "connections": [
        ["TCP", "192.0.2.7", 50000, "192.168.26.10", 80, "10.11.12.1", 80, "ESTABLISHED", 899],
        ["TCP", "2001:db8::7", 0, "192.168.26.10", 80, "10.11.12.2", 80, "NONE", 120],
    ],
    "looked_at": 1312,
    "matched": 12,
    "persistence": 1,
    "cut": False,
    "seconds": 0.04,
    "states": {"ESTABLISHED": 11},
    "real_servers": [["10.11.12.1", 80, 9], ["10.11.12.2", 80, 2]],
    "clients": [["192.0.2.7", 11]],
}


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both routers report; who does not answer is not waited for long."""
    monkeypatch.setattr(connections, "WAIT_SECONDS", 1.5)
    report("r1", status())
    report("r2", status("standby", name="r2"))


def test_a_viewer_gets_numbers_alone_and_cannot_ask_for_a_client(viewer: Client) -> None:
    numbers = {**FOUND, "connections": [], "clients": []}
    with answering("r1", connections=numbers) as asked:
        page = text_of(viewer.get("/connections", {"look": "1", "client": "192.0.2.7", "state": "CLOSE"}))
    assert asked == [("connections", [{"state": "CLOSE", "limit": 0}])]
    assert "11 open" in page
    assert "10.11.12.1:80" in page
    assert 'name="client"' not in page
    assert "192.0.2.7" not in page


def test_nothing_is_read_until_somebody_asks(administrator: Client) -> None:
    with answering("r1", connections=FOUND) as asked:
        page = text_of(administrator.get("/connections"))
    assert asked == []
    assert "Read them now" in page
    assert "hx-trigger" not in page.partition("<main")[2]


def test_the_active_router_is_asked_with_the_filter_and_its_answer_is_shown(administrator: Client) -> None:
    with answering("r1", connections=FOUND) as asked:
        page = text_of(
            administrator.get(
                "/connections", {"look": "1", "client": "192.0.2.0/24", "virtual_server": "shop"}
            )
        )
    assert asked == [("connections", [{"virtual_server": "shop", "client": "192.0.2.0/24", "limit": 500}])]
    assert "11 open, and 1 entry of persistence, of 1312 looked at on r1" in page
    assert "192.0.2.7:50000" in page
    assert "14:59" in page
    assert ">persistence</td>" in page
    assert "And 10 more" in page


def test_another_router_can_be_asked(administrator: Client) -> None:
    with answering("r2", connections=FOUND) as asked:
        page = text_of(administrator.get("/connections", {"look": "1", "router": "r2"}))
    assert len(asked) == 1
    assert "looked at on r2" in page


def test_that_reading_was_cut_is_said(administrator: Client) -> None:
    with answering("r1", connections={**FOUND, "cut": True}):
        page = text_of(administrator.get("/connections", {"look": "1"}))
    assert "What is not found here may be there all the same." in page


def test_what_the_router_refuses_is_said_in_its_words(administrator: Client) -> None:
    with answering("r1", connections={"refused": "client 'nobody' is nothing that this router knows"}):
        page = text_of(administrator.get("/connections", {"look": "1", "client": "nobody"}))
    assert "r1: client &#x27;nobody&#x27; is nothing that this router knows" in page


def test_an_answer_that_is_none_is_not_understood_and_the_page_comes(administrator: Client) -> None:
    with answering("r1", connections={**FOUND, "connections": [["TCP", "192.0.2.7"]]}):
        page = text_of(administrator.get("/connections", {"look": "1"}))
    assert "192.0.2.7" not in page.partition("<main")[2]
    assert "not understood" in page


def test_what_a_router_calls_an_address_is_text(administrator: Client) -> None:
    odd = ["TCP", "<b>", 1, "<i>", 80, "<u>", 80, "<s>", 9]
    with answering("r1", connections={**FOUND, "connections": [odd], "real_servers": [["<u>", 80, 1]]}):
        page = text_of(administrator.get("/connections", {"look": "1"}))
    for tag in ("<b>", "<i>", "<u>", "<s>"):
        assert tag not in page


def test_the_table_has_the_statistics_and_finds_virtual_servers(administrator: Client) -> None:
    page = text_of(administrator.get("/ipvs", {"show": "stats"}))
    assert "InBytes OutBytes" in page
    assert "      12      120      110     4096     8192" in page
    assert "192.168.26.10:80</a>" in text_of(administrator.get("/ipvs", {"q": "shop"}))
    assert "No virtual server in service fits." in text_of(administrator.get("/ipvs", {"q": "nothing"}))


def test_rates_that_nobody_sampled_are_not_known(administrator: Client) -> None:
    page = text_of(administrator.get("/ipvs", {"show": "rate"}))
    assert re.search(r"192\.168\.26\.10:80</a>( +\?){5}\n", page)


def test_the_whole_table_is_a_file(administrator: Client) -> None:
    answer = administrator.get("/ipvs", {"file": "1"})
    assert "attachment" in answer.headers["Content-Disposition"]
    assert text_of(answer).splitlines()[2:] == [
        "TCP  192.168.26.10:80 wlc",
        "  -> 10.11.12.1:80                Masq    1      3          1",
    ]


def test_a_table_that_nobody_tells_of_now_is_not_shown(administrator: Client) -> None:
    report("r1", status("standby"))
    page = text_of(administrator.get("/ipvs"))
    assert "it is not known what stands in its table now" in page
    assert "Masq" not in page
