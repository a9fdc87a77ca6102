"""The pages of traffic: what was sampled, as pictures, figures and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client

from lvs import dispatch, models
from lvs.reported import traffic
from lvs.reported.traffic import SERVERS, SERVICES, Ring, Value
from piranha_web import traffic as shown
from piranha_web.traffic import Line, amount, number, said
from tests.conftest import RedisServer
from tests.web.pages import text_of
from tests.web.reports import report, status

NOW = 1_800_000_005.0  # seconds, in the place of Redis' clock: no test may depend on how long it takes


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "seconds", lambda time: NOW)


def sample(
    router: str,
    values: Sequence[Value],
    names: tuple[str, str] = ("", ""),
    *,
    ring: Ring = SERVICES,
    back: int = 1,
) -> None:
    """Samples of all values alike, the newest so many steps ago."""
    client = dispatch.broker()
    last = ring.tick(NOW) - back
    for place, value in enumerate(reversed(values)):
        tick = last - place
        packed = ring.pack(tick, [value] * len(ring.values))
        client.setrange(traffic.key(router, *names), ring.offset(tick), packed)


@pytest.fixture
def sampled(redis_server: RedisServer, shop: models.VirtualServer) -> models.VirtualServer:
    """shop with two routers' samples."""
    sample("r1", [100.0, 300.0, 200.0], ("shop", ""))
    sample("r2", [12.0], ("shop", ""))
    sample("r1", [50.0, 70.0], ("shop", "web1"), ring=SERVERS)
    sample("r1", [1000.0, 500.0])
    return shop


def test_lines_add_up_both_routers(cluster: models.Cluster, sampled: models.VirtualServer):
    found = shown.rows(cluster, ["shop", "nobody"])
    line = found["shop"].line
    assert [value for value in line.series if value is not None] == pytest.approx([100, 300, 212], rel=0.001)
    assert line.figures.now == pytest.approx(212, rel=0.001)
    assert said(line) == "now 212, peak 300 connections/s in the last hour"
    assert found["shop"].active == pytest.approx(212, rel=0.001)
    assert not found["nobody"].line.is_known
    assert found["nobody"].active is None
    assert shown.rows(cluster, []) == {}


def test_real_servers_have_lines_of_minutes(cluster: models.Cluster, sampled: models.VirtualServer):
    line = shown.server_lines(cluster, [("shop", "web1")])["shop", "web1"]
    assert line.figures.peak == pytest.approx(70, rel=0.001)


def test_a_redis_that_is_away_is_no_traffic_known(cluster: models.Cluster, redis_server: RedisServer):
    redis_server.stop()
    assert not shown.rows(cluster, ["shop"])["shop"].line.is_known
    assert shown.whole(cluster).is_stale


def test_samples_that_ended_are_stale_and_not_now(cluster: models.Cluster, redis_server: RedisServer):
    sample("r1", [40.0] * 10, ("shop", ""), back=20)
    sample("r1", [40.0] * 10, back=20)
    line = shown.rows(cluster, ["shop"])["shop"].line
    assert line.figures.now is None
    assert shown.rows(cluster, ["shop"])["shop"].active is None
    assert said(line) == "now not known, peak 40 connections/s in the last hour"
    whole = shown.whole(cluster)
    assert whole.is_stale
    assert whole.age == 205.0


def test_a_sparkline_is_a_picture_with_words(cluster: models.Cluster, sampled: models.VirtualServer):
    page = Template("{% load traffic %}{% sparkline line %}").render(
        Context({"line": shown.rows(cluster, ["shop"])["shop"].line})
    )
    words = "now 212, peak 300 connections/s in the last hour"
    assert f'role="img" aria-label="{words}"><title>{words}</title>' in page
    assert page.count("<polyline") == 1
    assert "style=" not in page
    nothing = Template("{% load traffic %}{% sparkline line %}").render(Context({"line": None}))
    assert "polyline" not in nothing
    assert "no traffic was sampled in the last hour" in nothing


def test_the_page_has_figures_pictures_and_each_real_server(
    administrator: Client, sampled: models.VirtualServer
):
    report("r1", status())
    answer = administrator.get(f"/virtual-servers/{sampled.pk}/traffic")
    page, text = answer.content.decode(), text_of(answer)
    assert "Traffic, last hour" in text
    assert "newest sample" in text
    assert 'class="stale"' not in page
    row = page.split('data-figures="connections"')[1].split("</tr>")[0]
    assert [each in row for each in (">212<", ">204<", ">300<")] == [True] * 3
    assert page.count('class="chart"') == 4
    assert page.count('class="chart second"') == 3
    assert "web2" in text
    short = administrator.get(f"/virtual-servers/{sampled.pk}/traffic?range=10min")
    assert "Traffic, last 10 minutes" in text_of(short)
    assert administrator.get(f"/virtual-servers/{sampled.pk}/traffic?range=%00").status_code == 200


def test_the_figures_are_what_the_page_shows(administrator: Client, sampled: models.VirtualServer):
    said = administrator.get(f"/virtual-servers/{sampled.pk}/traffic/figures").json()
    assert said["charts"]["connections"][0][-3:] == pytest.approx([100, 300, 212], rel=0.001)
    assert [len(curves) for curves in said["charts"].values()] == [1, 2, 2, 2]
    assert len(said["times"]) == len(said["charts"]["bytes"][1]) == 359
    assert said["times"][-1] - said["times"][-2] == 10
    assert not said["stale"]
    assert said["servers"]["web1"]["connections"] == ["70", "70"]
    assert said["servers"]["web2"]["active"] == ["–", "–"]
    short = administrator.get(f"/virtual-servers/{sampled.pk}/traffic/figures?range=10min").json()
    assert len(short["times"]) == 60


def test_without_samples_the_page_says_when_there_will_be_some(
    administrator: Client, shop: models.VirtualServer, redis_server: RedisServer
):
    text = text_of(administrator.get(f"/virtual-servers/{shop.pk}/traffic"))
    assert "Nothing was sampled for shop in the last hour" in text
    said = administrator.get(f"/virtual-servers/{shop.pk}/traffic/figures").json()
    assert (said["age"], said["stale"]) == (None, True)


def test_without_redis_the_page_is_there(
    administrator: Client, shop: models.VirtualServer, redis_server: RedisServer
):
    redis_server.stop()
    assert administrator.get(f"/virtual-servers/{shop.pk}/traffic").status_code == 200
    assert administrator.get(f"/virtual-servers/{shop.pk}/traffic/figures").json()["stale"]


def test_another_clusters_virtual_server_is_not_shown(administrator: Client, shop: models.VirtualServer):
    assert administrator.get(f"/virtual-servers/{shop.pk + 1}/traffic").status_code == 404
    assert administrator.get(f"/virtual-servers/{shop.pk + 1}/traffic/figures").status_code == 404


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.04, "0"),
        (0.3, "0.3"),
        (4.0, "4"),
        (99.96, "100"),
        (212.4, "212"),
        (999.6, "1 k"),
        (12_345.0, "12.3 k"),
        (4.5e6, "4.5 M"),
        (1e15, "1000 T"),
    ],
)
def test_rates_are_short_to_read(value: float | None, text: str):
    assert number(value) == text


@pytest.mark.parametrize(
    ("what", "value", "text"),
    [
        ("connections/s", 212.0, "212 connections/s"),
        ("connections/s", 12_345.0, "12.3 k connections/s"),
        ("B/s in", 4.5e6, "4.5 MB/s in"),
        ("B/s in", 12.0, "12 B/s in"),
        ("B/s in", None, "not known"),
    ],
)
def test_amounts_have_their_unit(what: str, value: Any, text: str):
    assert amount(Line(what=what), value) == text


def test_what_a_router_should_not_have_written_there_is_no_traffic(
    administrator: Client, cluster: models.Cluster, shop: models.VirtualServer, redis_server: RedisServer
):
    client = dispatch.broker()
    client.hset(traffic.key("r1"), "a", "b")
    client.set(traffic.key("r1", "shop"), "x" * 20_000)
    client.sadd(traffic.key("r2", "shop", "web1"), "member")
    assert not shown.whole(cluster).connections.is_known
    assert len(shown.rows(cluster, ["shop"])["shop"].line.series) == 359
    assert administrator.get(f"/virtual-servers/{shop.pk}/traffic").status_code == 200
    assert administrator.get(f"/virtual-servers/{shop.pk}/traffic/figures").status_code == 200


def test_the_whole_cluster_has_a_part_of_a_page(cluster: models.Cluster, sampled: models.VirtualServer):
    part = Template("{% load traffic %}{% cluster_traffic cluster %}")
    page = part.render(Context({"cluster": cluster}))
    assert page.count("<polyline") == 4
    assert "500 connections/s" in page
    assert "peak 1 k connections/s" in page
    assert "stale" not in page
    dispatch.broker().flushall()
    assert "Nothing was sampled in the last hour" in part.render(Context({"cluster": cluster}))
