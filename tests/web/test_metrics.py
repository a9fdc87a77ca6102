"""/metrics: who gets it, and what the manager says there, also when half of it is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Never

import pytest
import redis
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from lvs import dispatch, models, store
from lvs.machines import refusals
from lvs.reported import metrics, report_parts, reports
from piranha_web.metrics import site as site_metrics
from piranha_web.metrics import token, web
from tests.conftest import RedisServer
from tests.unit.reported.test_metrics import Series, series, value
from tests.web.redundant import redundant
from tests.web.reports import report, status


@pytest.fixture(autouse=True)
def file(site: Any, tmp_path: Path) -> Path:
    site.PIRANHA_METRICS_TOKEN_FILE = tmp_path / "metrics.token"
    return tmp_path / "metrics.token"


def scraped(file: Path, client: Client | None = None) -> Series:
    """What Prometheus would read."""
    word = token.make(file)
    response = (client or Client()).get("/metrics", headers={"Authorization": f"Bearer {word}"})
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return series(response.content.decode())


def test_without_a_token_nobody_reads_them_and_is_told_how_to_make_one(anonymous: Client) -> None:
    response = anonymous.get("/metrics")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert "piranha metrics token" in response.content.decode()
    assert "piranha_" not in response.content.decode()


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "Bearer {}x", "Bearer \udcff"]
)
def test_a_wrong_token_reads_nothing(anonymous: Client, file: Path, header: str) -> None:
    word = token.make(file)

    response = anonymous.get("/metrics", HTTP_AUTHORIZATION=header.format(word))

    assert response.status_code == 401


def test_the_token_is_kept_as_its_hash_alone_and_a_new_one_replaces_it(file: Path) -> None:
    first = token.make(file)
    assert first not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600

    second = token.make(file)

    assert not token.is_right(file, f"Bearer {first}")
    assert token.is_right(file, f"Bearer {second}")
    assert token.revoke(file)
    assert not token.is_right(file, f"Bearer {second}")
    assert not token.revoke(file)


def test_an_empty_file_lets_nobody_in(file: Path) -> None:
    file.write_text("")

    assert not token.is_right(file, "Bearer ")


def test_the_right_token_helps_nobody_from_outside_the_allowed_networks(stranger: Client, file: Path) -> None:
    word = token.make(file)

    assert stranger.get("/metrics", headers={"Authorization": f"Bearer {word}"}).status_code == 403


def test_open_lets_the_allowed_networks_read_and_off_nobody(
    anonymous: Client, site: Any, redis_server: RedisServer
) -> None:
    site.PIRANHA_METRICS = "open"
    assert anonymous.get("/metrics").status_code == 200

    site.PIRANHA_METRICS = "off"
    assert anonymous.get("/metrics").status_code == 404


def test_it_says_how_clusters_routers_and_virtual_servers_are(
    cluster: models.Cluster, file: Path, redis_server: RedisServer
) -> None:
    revision = store.freeze(cluster, author="anna", message="")
    report("r1", redundant("active", serial=revision.number, sha256=revision.sha256, name="r1"))
    report("r2", redundant("standby", serial=revision.number, sha256="1" * 64))
    reports.publish(dispatch.broker(), reports.MANAGER, None, None)
    dispatch.broker().set(report_parts.counts_key("r1"), '{"shop":[7,6,5,4,3]}')
    dispatch.broker().rpush("router.r1", "x", "y")

    found = scraped(file)

    assert value(found, "piranha_up", part="database") == 1
    assert value(found, "piranha_up", part="redis") == 1
    assert value(found, "piranha_up", part="manager") == 1
    r1 = {"cluster": "lab", "router": "r1"}
    assert value(found, "piranha_router_up", **r1) == 1
    assert value(found, "piranha_router_config_drift", **r1) == 0
    assert value(found, "piranha_router_config_drift", cluster="lab", router="r2") == 1
    assert value(found, "piranha_cluster_active_routers", cluster="lab") == 1
    assert value(found, "piranha_cluster_revision", cluster="lab") == revision.number
    assert value(found, "piranha_pending_changes", cluster="lab") == 0
    assert value(found, "piranha_last_apply_timestamp_seconds", cluster="lab") == pytest.approx(
        revision.created_at.timestamp()
    )
    assert value(found, "piranha_queue_length", queue="router.r1") == 2
    assert value(found, "piranha_deployments", router="r1", state="queued") == 1
    assert value(found, "piranha_router_active", router="r1") == 1
    assert value(found, "piranha_real_servers", router="r1", state="failed") == 1
    shop = {"router": "r1", "virtual_server": "shop"}
    assert value(found, "piranha_virtual_server_connections_total", **shop) == 7


def test_refused_tasks_are_there_by_their_reason(
    cluster: models.Cluster, file: Path, redis_server: RedisServer
) -> None:
    noted = refusals.Refusals()
    noted.note(refusals.Kind.FORGED, "somebody else's")
    noted.publish(dispatch.broker(), "r1")

    assert value(scraped(file), "piranha_tasks_refused", router="r1", reason="forged") == 1


def test_real_servers_are_there_when_the_setting_says_so(
    cluster: models.Cluster, site: Any, file: Path, redis_server: RedisServer
) -> None:
    report("r1", status())
    assert "piranha_real_server_up" not in {name for name, _ in scraped(file)}

    site.PIRANHA_METRICS_REAL_SERVERS = 10

    assert "piranha_real_server_up" in {name for name, _ in scraped(file)}


def test_a_silent_router_has_its_age_and_nothing_that_was_so_once(
    cluster: models.Cluster, file: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    report("r1", redundant("active", name="r1"))
    monkeypatch.setattr(reports, "SILENT_AFTER", -1.0)

    found = scraped(file)

    assert value(found, "piranha_router_up", cluster="lab", router="r1") == 0
    assert value(found, "piranha_router_report_age_seconds", cluster="lab", router="r1") is not None
    assert value(found, "piranha_router_active", router="r1") is None


def test_without_redis_the_rest_is_there(
    cluster: models.Cluster, file: Path, redis_server: RedisServer
) -> None:
    redis_server.stop()

    found = scraped(file)

    assert value(found, "piranha_up", part="redis") == 0
    assert value(found, "piranha_up", part="database") == 1
    assert value(found, "piranha_pending_changes", cluster="lab") is not None
    assert value(found, "piranha_router_up", cluster="lab", router="r1") == 0


def test_without_the_database_the_rest_is_there(file: Path, redis_server: RedisServer) -> None:
    def refused(*_words: Any) -> Never:
        raise OperationalError("gone")

    with connection.execute_wrapper(refused):
        found = scraped(file)

    assert value(found, "piranha_up", part="database") == 0
    assert any(name == "piranha_web_requests_total" for name, _ in found)


def test_what_a_router_writes_in_the_place_of_its_counters_costs_only_them(
    cluster: models.Cluster, file: Path, redis_server: RedisServer
) -> None:
    report("r1", redundant("active", name="r1"))
    client: redis.Redis = dispatch.broker()
    client.rpush(report_parts.counts_key("r1"), "no string")
    client.delete("router.r1")
    client.set("router.r1", "no list")

    found = scraped(file)

    assert value(found, "piranha_router_active", router="r1") == 1
    assert value(found, "piranha_queue_length", queue="router.r2") == 0


def test_requests_are_counted_by_view_and_status_refused_ones_too(
    cluster: models.Cluster, file: Path, stranger: Client, redis_server: RedisServer
) -> None:
    def refused_ones(found: Series) -> float:
        return value(found, "piranha_web_requests_total", view="none", method="GET", status="403") or 0

    before = refused_ones(scraped(file))

    stranger.get("/login")
    Client().generic("BREW", "/healthz")

    found = scraped(file)
    assert refused_ones(found) == before + 1
    assert value(found, "piranha_web_requests_total", view="healthz", method="other", status="405")


def test_every_metric_of_the_manager_is_in_its_tables(
    cluster: models.Cluster, file: Path, redis_server: RedisServer
) -> None:
    report("r1", redundant("active", name="r1"))
    word = token.make(file)
    text = Client().get("/metrics", headers={"Authorization": f"Bearer {word}"}).content.decode()

    tables = (*metrics.OF_A_ROUTER, *site_metrics.OF_THE_SITE, *web.OF_THE_WEB)
    known = {one.name for one in tables}
    assert len(known) == len(tables)
    for family in text_string_to_metric_families(text):
        assert known & {family.name, f"{family.name}_total"}, family.name


def test_the_command_prints_the_token_alone_and_takes_it_away_again(tmp_path: Path) -> None:
    def piranha(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "piranha", *words],
            env={"PIRANHA_VAR": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    made = piranha("metrics", "token")

    assert made.returncode == 0
    assert token.is_right(tmp_path / "metrics.token", f"Bearer {made.stdout.strip()}")
    assert "docs/monitoring.md" in made.stderr
    assert piranha("metrics", "token", "--revoke").returncode == 0
    assert not (tmp_path / "metrics.token").exists()
