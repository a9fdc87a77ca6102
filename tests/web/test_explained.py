"""The page of one real server: what each router knows of it, and *Test this check now*."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from lvs import models
from lvs.sent import orders
from piranha_web.explained import in_lines
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.explaining import explanation, trial
from tests.web.pages import text_of
from tests.web.reports import COUNTERS, hand, real_server, report, shop_with, status

PAGE = "/real-servers/explained"
TEST = "/real-servers/test"
WEB2 = {"target": "shop/web2"}


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both routers report, and none is waited for long."""
    monkeypatch.setattr(orders, "EXPLAIN_SECONDS", 0.5)
    monkeypatch.setattr(orders, "TEST_SECONDS", 0.5)
    report("r1", status())
    report("r2", status("standby", name="r2"))


def test_both_routers_say_why_and_since_when_and_what_it_takes_to_return(administrator: Client) -> None:
    with answering("r1", explain=explanation()) as first, answering("r2", explain=explanation()) as second:
        page = text_of(administrator.get(PAGE, WEB2))
    assert first == second == [("explain", ["shop", "web2", False])]
    assert page.index("On r1") < page.index("On r2")
    for words in (
        "good check 3 of 18 before it returns",
        "4 min",
        "http GET /health on port 80, every 6 s",
        "configured 10, out of the table",
        "automatic: its checks decide",
        "connect: refused",
        "39",
        "0.4 ms",
    ):
        assert page.count(words) >= 2, words


def test_hand_load_flapping_and_warning_are_shown(administrator: Client) -> None:
    said = explanation(
        hand=hand("maintenance", reason="new disk"),
        load={"factor": 0.6, "word": "up", "reason": "60% up", "at": 1.0},
        weight={"configured": 10, "wanted": 0, "why": "in maintenance"},
    )
    said["verdict"] |= {"flapping": True, "warning": "certificate ends in 9 days"}
    with answering("r1", explain=said):
        page = text_of(administrator.get(PAGE, WEB2))
    for words in (
        "<strong>maintenance</strong> by anna: new disk",
        "60 %, up: “60% up”",
        "in the table 0: in maintenance",
        "flapping",
        "certificate ends in 9 days",
    ):
        assert words in page, words


def test_a_router_that_does_not_answer_is_unknown_beside_the_other(administrator: Client) -> None:
    with answering("r1", explain=explanation()), answering("r2", explain={"refused": "no such real server"}):
        refused = text_of(administrator.get(PAGE, WEB2))
    assert "r2: no such real server" in refused
    with answering("r1", explain=explanation()):
        silent = text_of(administrator.get(PAGE, WEB2))
    assert "r2 did not answer within" in silent
    assert "good check 3 of 18" in silent


def test_a_test_shows_byte_for_byte_what_was_sent_and_received(administrator: Client) -> None:
    said = explanation(test=trial())
    with answering("r1", explain=said) as asked, answering("r2", explain=explanation(test=trial(ok=True))):
        page = text_of(administrator.post(TEST, WEB2))
    assert asked == [("explain", ["shop", "web2", True])]
    assert "bad</span>, “status 503”, 21 ms" in page
    assert "good</span>, “status 503”" in page
    assert "GET /health HTTP/1.1\\r\\n\nHost: shop\\r\\n\n\\r\\n</pre>" in page
    assert r"&lt;b&gt;\x00\xff" in page
    assert "0.1 ms" in page


def test_a_test_is_a_post(administrator: Client) -> None:
    assert administrator.get(TEST, WEB2).status_code == 405


@pytest.mark.parametrize("target", ["", "shop", "a/b/c", "/", "/web1"])
def test_a_page_of_no_real_server_leads_to_the_list(administrator: Client, target: str) -> None:
    response = administrator.get(PAGE, {"target": target}, follow=True)
    assert "Choose a real server first." in text_of(response)
    assert "Choose a real server first." in text_of(administrator.post(TEST, {"target": target}, follow=True))


def test_a_real_server_that_is_only_in_the_running_configuration_has_its_page(
    administrator: Client, shop: models.VirtualServer
) -> None:
    shop.real_servers.get(name="web2").delete()
    with answering("r1", explain=explanation()):
        page = text_of(administrator.get(PAGE, WEB2))
    assert "good check 3 of 18" in page
    assert ">Edit<" not in page


def test_a_deleted_real_server_has_its_page_while_it_drains(administrator: Client) -> None:
    leaving = {
        "name": "web9",
        "address": "10.11.12.9",
        "port": 80,
        "until": time.time() + 60,
        "counters": COUNTERS,
    }
    report("r1", shop_with(real_server("web1", "10.11.12.1"), departing=[leaving]))
    assert "target=shop%2Fweb9" in text_of(administrator.get("/"))
    with answering("r1", explain=explanation()):
        page = text_of(administrator.get(PAGE, {"target": "shop/web9"}))
    assert "deleted; 4 connections left" in page


def test_only_a_line_feed_breaks_a_line_and_not_a_backslash_before_an_n() -> None:
    assert in_lines(r"a\nb") == "a\\n\nb"
    assert in_lines(r"a\\nb") == r"a\\nb"
    assert in_lines(r"a\\\nb") == "a\\\\\\n\nb"
    assert in_lines(r"\r\n") == r"\r\n"
