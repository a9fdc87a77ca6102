"""Every state of a real server on CONTROL/MONITORING, in its list, and in the second line."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.reported import reports
from tests.conftest import RedisServer
from tests.web.pages import text_of
from tests.web.reports import COUNTERS, hand, real_server, report, shop_with, status

pytestmark = pytest.mark.usefixtures("cluster", "redis_server")


def plain(page: str) -> str:
    """The words of a page, without those of its picture."""
    page = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def attention_of(client: Client) -> str:
    page = text_of(client.get("/"))
    return plain(page[page.index("Needs attention") : page.index('id="routers-head"')])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"health": "failed", "reason": "connect: refused"}, "failed 10 min"),
        ({"health": "unknown", "reason": "", "since": None}, "no check has ended yet"),
        (
            {"hand": hand("drain", reason="new disk"), "weight": 0},
            "4 connections left, by anna: new disk",
        ),
        ({"hand": hand("drain"), "weight": None}, "drained 5 min"),
        (
            {"hand": hand("maintenance", reason="kernel", until=time.time() + 600), "weight": 0},
            "4 connections left, by anna, until",
        ),
        ({"hand": hand("down", reason="odd")}, "forced down 5 min"),
        ({"hand": hand("up")}, "forced up 5 min"),
        ({"health": "failed", "protected": True, "weight": 1}, "failed, kept in"),
        ({"flapping": True}, "flapping"),
        ({"warning": "certificate ends in 9 days"}, "certificate ends in 9 days"),
    ],
)
def test_each_state_stands_under_needs_attention_and_in_the_list_with_its_words(
    administrator: Client, shop: models.VirtualServer, changes: dict[str, Any], says: str
) -> None:
    health = changes.pop("health", "healthy")
    reason = changes.pop("reason", "connected")
    if "hand" in changes:  # five minutes ago now, not when the tests were collected
        changes["hand"] |= {"at": time.time() - 300}
    report("r1", shop_with(real_server("web1", "10.11.12.1", health, reason, **changes)))
    assert says in attention_of(administrator)
    assert says in plain(text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers")))


def test_who_is_healthy_needs_no_attention(administrator: Client) -> None:
    report("r1", shop_with(real_server("web1", "10.11.12.1", hand=hand("auto"))))
    assert "shop / web1" not in plain(text_of(administrator.get("/")))


def test_the_worst_comes_first(administrator: Client) -> None:
    report(
        "r1",
        shop_with(
            real_server("web1", "10.11.12.1", warning="certificate ends in 9 days"),
            real_server("web2", "10.11.12.2", hand=hand("maintenance"), weight=0),
            real_server("web3", "10.11.12.3", flapping=True),
            real_server("web4", "10.11.12.4", "failed"),
            real_server("web5", "10.11.12.5", "failed", protected=True, weight=1),
        ),
    )
    words = attention_of(administrator)
    places = [words.index(f"shop / web{number}") for number in (5, 4, 3, 2, 1)]
    assert places == sorted(places)


def test_a_virtual_server_that_nobody_serves_is_the_worst_of_all(administrator: Client) -> None:
    document = shop_with(real_server("web1", "10.11.12.1", "failed"))
    report("r1", document)
    assert "clients get no answer" in attention_of(administrator)
    document["virtual_servers"][0]["sorry_server"] = {
        "address": "10.11.12.9",
        "port": 80,
        "weight": 1,
        "counters": COUNTERS,
    }
    report("r1", document)
    assert "the sorry server 10.11.12.9 answers" in attention_of(administrator)
    assert "1 virtual server served by no real server" in text_of(administrator.get("/history"))


@pytest.mark.parametrize(
    ("real_servers", "sorry", "says"),
    [
        ([real_server("web1", "10.11.12.1", "failed")], None, "✖ no real server serves it"),
        ([real_server("web1", "10.11.12.1", "failed", weight=0)], None, "✖ no real server serves it"),
        ([real_server("web1", "10.11.12.1", "failed")], 1, "! only the sorry server serves it"),
        ([real_server("web1", "10.11.12.1", "failed")], None, "clients get no answer"),
        ([], None, "it has no active real server"),
    ],
)
def test_control_says_of_a_virtual_server_who_serves_it(
    administrator: Client, real_servers: list[dict[str, Any]], sorry: int | None, says: str
) -> None:
    place = {"address": "10.11.12.9", "port": 80, "weight": sorry, "counters": COUNTERS if sorry else None}
    report("r1", shop_with(*real_servers, sorry_server=place))
    page = plain(text_of(administrator.get("/")))
    assert says in page


def test_a_virtual_server_that_is_served_is_healthy_in_the_picture_and_needs_nothing(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", shop_with(real_server("web1", "10.11.12.1")))
    page = text_of(administrator.get("/"))
    assert ">healthy: shop<" in page
    assert "serves it" not in page


@pytest.mark.parametrize(
    ("installed_ago", "advice"),
    [(612, "since revision 1 came into force. Is the check right?"), (9000, "network or database?")],
)
def test_where_all_checks_fail_the_page_says_so_with_what_to_do_and_where(
    administrator: Client, shop: models.VirtualServer, installed_ago: int, advice: str
) -> None:
    failed = [real_server(name, "10.11.12.1", "failed", "answered 404") for name in ("web1", "web2")]
    report("r1", shop_with(*failed) | {"installed_at": time.time() - installed_ago})
    words = attention_of(administrator)
    assert "no real server serves it 10 min shop" in words
    assert "All 2 checks fail" in words
    assert advice in words
    assert f"/virtual-servers/{shop.pk}/monitoring" in text_of(administrator.get("/"))
    assert advice in plain(text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers")))
    drained = real_server("web2", "10.11.12.2", hand=hand("drain"), weight=0)
    report("r1", shop_with(failed[0], drained))
    assert "Its check fails" in attention_of(administrator)
    healthy = real_server("web2", "10.11.12.2", weight=0)
    report("r1", shop_with(failed[0], healthy))
    assert "fail." not in attention_of(administrator)


def test_pool_protection_that_holds_is_said_first_and_of_the_whole_virtual_server(
    administrator: Client,
) -> None:
    kept = real_server("web1", "10.11.12.1", "failed", "answered 404", protected=True, weight=1)
    report("r1", shop_with(kept, real_server("web2", "10.11.12.2", "failed", "answered 404"), protected=1))
    words = attention_of(administrator)
    assert "1 real server that fails its check stays in, so that clients may get answers" in words
    assert words.index("pool protection holds") < words.index("shop / web1")
    assert "All 2 checks fail" in words


def test_every_problem_of_a_router_stands_on_control(administrator: Client) -> None:
    document = shop_with(real_server("web1", "10.11.12.1"))
    document["problems"] = [
        "shop: pool protection keeps web1 in, though the checks fail",
        "No load from web2",
    ]
    report("r1", document)
    page = plain(text_of(administrator.get("/")))
    assert page.count("No load from web2") == 1
    assert "shop: pool protection keeps web1 in, though the checks fail" in page


def test_a_deleted_real_server_shows_until_its_connections_are_gone(
    administrator: Client, shop: models.VirtualServer
) -> None:
    leaving = {
        "name": "web9",
        "address": "10.11.12.9",
        "port": 80,
        "until": time.time() + 60,
        "counters": COUNTERS,
    }
    report("r1", shop_with(real_server("web1", "10.11.12.1"), departing=[leaving]))
    assert "departing shop / web9 10.11.12.9:80 4 connections left, ends" in attention_of(administrator)
    assert "deleted; 4 connections left" in text_of(
        administrator.get(f"/virtual-servers/{shop.pk}/real-servers")
    )


def test_the_second_line_counts_each_state_and_no_hand_as_a_failure(administrator: Client) -> None:
    report(
        "r1",
        shop_with(
            real_server("web1", "10.11.12.1"),
            real_server("web2", "10.11.12.2", "failed", hand=hand("maintenance")),
            real_server("web3", "10.11.12.3", hand=hand("drain"), weight=0),
            real_server("web4", "10.11.12.4", "failed", flapping=True),
            real_server("web5", "10.11.12.5", "failed", protected=True, weight=1),
        ),
    )
    line = plain(text_of(administrator.get("/history")))
    for words in (
        "1 real server failed",
        "1 failed real server kept in by pool protection",
        "1 flapping",
        "1 draining",
        "1 in maintenance",
    ):
        assert words in line, words


def test_what_an_older_pulse_does_not_say_is_left_out(
    administrator: Client, shop: models.VirtualServer
) -> None:
    server = real_server("web1", "10.11.12.1")
    for name in ("hand", "why", "protected", "flapping", "warning", "check"):
        del server[name]
    document = shop_with(server)
    del document["virtual_servers"][0]["departing"]
    report("r1", document)
    assert "healthy" in text_of(administrator.get("/"))
    assert "healthy" in text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers"))


def test_the_list_shows_the_weight_in_the_table_and_why_it_is_another(
    administrator: Client, shop: models.VirtualServer
) -> None:
    server = real_server("web1", "10.11.12.1", weight=25, configured_weight=100, why="slow start, 25 %")
    report("r1", shop_with(server))
    page = plain(text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers")))
    assert "25 of 100 slow start, 25 %" in page


def test_the_list_says_unknown_with_its_age_when_the_report_is_old(
    administrator: Client, shop: models.VirtualServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_at = time.time()
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at)
    report("r1", status())
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at + 40)
    page = plain(text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers")))
    assert "unknown no word from the active router for 40 s" in page
    assert "✔ healthy" not in page


def test_the_list_renews_itself_without_a_page(administrator: Client, shop: models.VirtualServer) -> None:
    report("r1", status())
    address = f"/virtual-servers/{shop.pk}/real-servers"
    assert f'hx-get="{address}/live"' in text_of(administrator.get(address))
    part = text_of(administrator.get(f"{address}/live"))
    assert "<html" not in part
    assert "web1" in part
    assert 'hx-swap-oob="true"' in part


def test_a_row_that_differs_from_the_running_revision_says_changed(
    administrator: Client, shop: models.VirtualServer, cluster: models.Cluster
) -> None:
    store.freeze(cluster, author="anna", message="")
    row = shop.real_servers.get(name="web1")
    row.weight = 7
    row.save()
    page = text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers"))
    assert page.count("</span> changed</span>") == 1


def test_deleting_says_how_many_connections_drain_first(
    administrator: Client, shop: models.VirtualServer, web1: models.RealServer, redis_server: RedisServer
) -> None:
    report("r1", status())
    page = text_of(administrator.get(f"/real-servers/{web1.pk}/delete"))
    assert "Delete web1 (10.11.12.1): 3 connections now?" in page
    assert "it drains first" in page
    assert "300 s" in page
    shop.drain_time = 0
    shop.save()
    assert "end at once" in text_of(administrator.get(f"/real-servers/{web1.pk}/delete"))
