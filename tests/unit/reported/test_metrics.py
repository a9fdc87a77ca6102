"""A router's metrics: read back by Prometheus' own parser, so that what is printed is what it understands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lvs.reported import metrics
from lvs.reported.counted import BOUNDS, MOST_REASONS, OTHER, CheckCounts, RoleCounts
from lvs.reported.exposition import GAUGE, Metric, Page, number
from lvs.reported.metrics import Limits
from lvs.reported.report_shape import COUNTED
from lvs.reported.standing import Standing
from piranha_web.metrics.folder import prepare
from tests.web.redundant import redundant
from tests.web.reports import real_server, shop_with

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    """Every sample by its name and labels; none comes twice."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            key = (one.name, frozenset(one.labels.items()))
            assert key not in found, key
            found[key] = one.value
    return found


def value(found: Series, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def test_a_routers_page_says_its_role_its_links_and_what_it_refused() -> None:
    status = redundant("active", of={"refused": {"forged": 3, "replayed": 0}})
    status["name"] = "r1"

    found = series(metrics.page_of(status, Limits()).text())

    assert value(found, "piranha_router_active", router="r1") == 1
    assert value(found, "piranha_router_fit", router="r1") == 1
    assert value(found, "piranha_heartbeats_sent_total", router="r1", link="private") == 4000
    assert value(found, "piranha_heartbeats_lost_total", router="r1", link="public") == 10
    assert value(found, "piranha_heartbeats_refused_total", router="r1", reason="forged") == 3
    assert (
        value(found, "piranha_pulse_info", router="r1", node="primary", mode="kernel", version="0.1.0") == 1
    )


def test_a_router_that_is_set_aside_is_told_apart_from_one_that_is_not_fit() -> None:
    part = {"fit": False, "unfit": ["it is set aside by bob"]}
    aside = {"by": "bob", "reason": "", "at": 1.0, "until": None}
    found = series(metrics.page_of(redundant("standby", of=part, aside=aside), Limits()).text())
    assert value(found, "piranha_router_set_aside", router="r2") == 1
    assert value(found, "piranha_router_fit", router="r2") == 0
    found = series(metrics.page_of(redundant("standby"), Limits()).text())
    assert value(found, "piranha_router_set_aside", router="r2") == 0


def test_virtual_servers_have_their_counters_and_real_servers_by_state() -> None:
    status = shop_with(
        real_server("web1", "10.11.12.1"), real_server("web2", "10.11.12.2", "failed", "connect: refused")
    )

    found = series(metrics.page_of(status, Limits()).text())

    shop = {"router": "r1", "virtual_server": "shop"}
    assert value(found, "piranha_virtual_server_connections_total", **shop) == 12
    assert value(found, "piranha_virtual_server_bytes_out_total", **shop) == 8192
    assert value(found, "piranha_virtual_server_up", **shop) == 1
    assert value(found, "piranha_virtual_server_real_servers", **shop, state="failed") == 1
    assert value(found, "piranha_real_servers", router="r1", state="healthy") == 1
    assert value(found, "piranha_virtual_servers", router="r1", state="in_service") == 1
    assert not any(name.startswith("piranha_real_server_") for name, _ in found)


def test_real_servers_have_series_of_their_own_where_they_are_asked_for_and_no_more_than_that() -> None:
    status = shop_with(
        real_server("web1", "10.11.12.1"), real_server("web2", "10.11.12.2", "failed", "connect: refused")
    )

    found = series(metrics.page_of(status, Limits(real_servers=1)).text())

    web1 = {"router": "r1", "virtual_server": "shop", "real_server": "web1", "address": "10.11.12.1:80"}
    assert value(found, "piranha_real_server_up", **web1) == 1
    assert value(found, "piranha_real_server_connections_total", **web1) == 12
    assert len([name for name, _ in found if name == "piranha_real_server_up"]) == 1
    assert value(found, "piranha_metrics_left_out", router="r1", what="real servers") == 1


def test_what_is_beyond_the_limit_is_counted_and_not_shown() -> None:
    page = Page()
    standings = {f"v{place}": Standing("in_service", {"healthy": 2}) for place in range(5)}

    metrics.add_standings(page, "r1", standings, Limits(virtual_servers=3))
    metrics.add_counts(page, "r1", dict.fromkeys(standings, (1, 2, 3, 4, 5)), Limits(virtual_servers=3))

    found = series(page.text())
    assert value(found, "piranha_virtual_servers", router="r1", state="in_service") == 5
    assert value(found, "piranha_metrics_left_out", router="r1", what="virtual servers") == 2
    assert len([name for name, _ in found if name == "piranha_virtual_server_up"]) == 3
    assert len([name for name, _ in found if name == "piranha_virtual_server_bytes_in_total"]) == 3


def test_a_standby_that_sees_no_traffic_has_no_counters_of_virtual_servers() -> None:
    page = Page()

    metrics.add_counts(page, "r2", {"shop": [0] * 5, "mail": None}, Limits())

    assert page.lines == 0


def test_every_metric_of_a_router_is_in_its_table_and_has_the_labels_that_it_says() -> None:
    status = redundant("active", counted=counted())
    status["virtual_servers"][0]["real_servers"] = [real_server("web1", "10.11.12.1")]
    text = metrics.page_of(status, Limits(real_servers=5)).text()

    known = {one.name: one for one in metrics.OF_A_ROUTER}
    shown = set()
    for family in text_string_to_metric_families(text):
        name = family.name if family.name in known else f"{family.name}_total"
        shown.add(name)
        assert family.type == known[name].kind
        for one in family.samples:
            assert set(one.labels) - {"le"} == set(known[name].labels), name
    assert set(known) - shown <= {"piranha_router_serial"}


def counted() -> dict[str, object]:
    checks, roles = CheckCounts(), RoleCounts()
    for seconds in (0.001, 0.02, 7.0):
        checks.add("http", "good", seconds)
    checks.add("http", "bad", 0.3)
    roles.add("active", "partner dead: activating lvs (why)")
    return {"checks": checks.document(), "roles": roles.document()}


def test_checks_come_as_a_histogram_and_changes_of_role_by_their_reason() -> None:
    document = counted()
    assert COUNTED(document)

    found = series(metrics.page_of(redundant("active", counted=document, name="r1"), Limits()).text())

    good = {"router": "r1", "kind": "http", "result": "good"}
    assert value(found, "piranha_check_seconds_count", **good) == 3
    assert value(found, "piranha_check_seconds_sum", **good) == pytest.approx(7.021)
    assert value(found, "piranha_check_seconds_bucket", **good, le="0.005") == 1
    assert value(found, "piranha_check_seconds_bucket", **good, le="5") == 2
    assert value(found, "piranha_check_seconds_bucket", **good, le="+Inf") == 3
    roles = {"router": "r1", "role": "active", "reason": "partner dead"}
    assert value(found, "piranha_role_changes_total", **roles) == 1


def test_a_pulse_with_other_bounds_gives_no_histogram_that_would_be_read_wrongly() -> None:
    document = {"checks": [{"kind": "http", "result": "good", "within": [1, 2], "seconds": 1}], "roles": []}

    assert "piranha_check_seconds" not in metrics.page_of(redundant(counted=document), Limits()).text()


def test_reasons_stay_few_whatever_is_said() -> None:
    roles = RoleCounts()
    for number_ in range(100):
        roles.add("active", f"reason {number_}")

    document = roles.document()

    assert len(document) == MOST_REASONS + 1
    assert sum(one["count"] for one in document if one["reason"] == OTHER) == 100 - MOST_REASONS


def test_bounds_are_sorted_as_prometheus_wants_them() -> None:
    assert list(BOUNDS) == sorted(BOUNDS)


def test_labels_of_strangers_stay_labels() -> None:
    page = Page()
    page.add(Metric("x", GAUGE, "a\nb", ("name",)), 1, 'a"} 7\nevil 1\\\x1b[31m')

    found = series(page.text())

    assert list(found.values()) == [1]
    assert "\x1b" not in page.text()
    assert len(page.text().splitlines()) == 3


@pytest.mark.parametrize(
    ("given", "written"), [(True, "1"), (0, "0"), (1.5, "1.5"), (2**60, "1.152921504606847e+18"), (3.0, "3")]
)
def test_numbers_are_written_as_prometheus_reads_them(given: float, written: str) -> None:
    assert number(given) == written


def test_a_server_begins_with_an_empty_folder_and_clears_away_what_a_killed_one_left(tmp_path: Path) -> None:
    killed = tmp_path / "piranha-metrics-4194305-x"  # no process has a number above 2^22
    living = tmp_path / f"piranha-metrics-{os.getpid()}-x"
    for folder in (killed, living):
        folder.mkdir()
        (folder / "counter_1.db").write_text("x")

    made = prepare({}, tmp_path)

    assert not killed.exists()
    assert living.exists()
    assert list(made.iterdir()) == []
    given = {"RUNTIME_DIRECTORY": f"{tmp_path}:/other"}
    (prepare(given) / "counter_1.db").write_text("x")
    assert list(prepare(given).iterdir()) == []
    assert prepare(given) == tmp_path / "metrics"


COUNTING = """
import sys
from types import SimpleNamespace
from piranha_web.metrics import web
from django.http import HttpResponse
count = web.CountingMiddleware(lambda request: HttpResponse(status=200))
if sys.argv[1] == "show":
    print(web.text())
else:
    for _ in range(int(sys.argv[1])):
        count(SimpleNamespace(method="GET", resolver_match=SimpleNamespace(url_name="control")))
"""


def test_what_several_processes_of_the_web_server_count_is_added_up_also_when_they_have_ended(
    tmp_path: Path,
) -> None:
    settings = "from django.conf import settings; settings.configure()\n"

    def run(word: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", settings + COUNTING, word],
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    run("3")
    run("4")

    found = series(run("show"))
    assert value(found, "piranha_web_requests_total", view="control", method="GET", status="200") == 7
    assert value(found, "piranha_web_request_seconds_count", view="control") == 7
