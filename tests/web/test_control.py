"""CONTROL/MONITORING: what the page makes of the routers' reports, and of their absence."""

from __future__ import annotations

import re
import time

import pytest
import redis
from django.test import Client

from lvs import dispatch, models, store
from lvs.reported import reports
from piranha_web.servers import MOST_ROWS
from tests.conftest import RedisServer
from tests.web.pages import text_of
from tests.web.reports import COUNTERS, real_server, report, shop_with, status

pytestmark = pytest.mark.usefixtures("cluster")


def test_the_page_shows_who_is_active_what_failed_and_why(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", status())
    report("r2", status("standby"))
    page = text_of(administrator.get("/"))
    assert "r1: active" in page
    assert "r2: standby" in page
    assert "1 real server failed" in page
    assert "connect: refused" in page
    assert "10 min" in page
    assert "As of" in page


def test_a_router_whose_lvs_cf_is_no_revision_is_said_to_be_changed_outside(
    administrator: Client, redis_server: RedisServer, cluster: models.Cluster
) -> None:
    revision = store.freeze(cluster, author="anna", message="")
    report("r1", status(serial=1, sha256=revision.sha256))
    assert "changed outside" not in text_of(administrator.get("/"))
    report("r1", status(serial=1, sha256="1" * 64))
    assert "r1: active, its lvs.cf was changed outside" in text_of(administrator.get("/"))


def test_the_live_part_brings_the_status_line_with_it(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", status())
    part = text_of(administrator.get("/live"))
    assert "<html" not in part
    assert 'hx-swap-oob="true"' in part
    assert "web2" in part


def test_a_report_that_is_old_is_shown_grey_with_its_age_and_never_as_now(
    administrator: Client, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_at = time.time()
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at)
    report("r1", status())
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at + 7)
    page = text_of(administrator.get("/"))
    assert "its worker has been silent for 7 s" in page
    assert "It is not known how it is now." in page
    assert page.count("hatched") >= 3  # the router, the virtual address, the real servers
    assert 'class="box danger' not in page
    assert 'class="box success' not in page
    assert "real server failed" not in page


def test_a_pulse_that_does_not_answer_is_said_with_the_reason(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", None, "no one listens on the socket")
    assert "pulse does not answer: no one listens on the socket" in text_of(administrator.get("/"))


def test_a_router_that_only_plans_is_said_on_every_page(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", status(mode="planning"))
    for address in ("/", "/review", "/history", "/virtual-servers", "/global-settings"):
        assert "planning only: nothing is written to a kernel" in text_of(administrator.get(address)), address


def test_without_redis_the_page_comes_all_the_same_and_says_so(
    administrator: Client, redis_server: RedisServer
) -> None:
    redis_server.stop()
    page = text_of(administrator.get("/"))
    assert "Redis cannot be reached" in page
    assert "the routers go on as they are" in page


def test_the_manager_that_does_not_run_is_said(administrator: Client, redis_server: RedisServer) -> None:
    report("r1", status())
    assert "manager&#x27;s worker does not run" in text_of(administrator.get("/"))
    report(reports.MANAGER, None)
    assert "manager&#x27;s worker does not run" not in text_of(administrator.get("/"))


def test_what_is_wrong_on_the_managers_side_is_said(administrator: Client, redis_server: RedisServer) -> None:
    report("r1", status())
    reports.publish(dispatch.broker(), reports.MANAGER, None, "Port 3636 of this panel is not guarded: <why>")
    assert "Port 3636 of this panel is not guarded: &lt;why&gt;" in text_of(administrator.get("/"))


def test_a_router_that_is_called_manager_is_not_taken_for_the_managers_worker(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("manager", status())
    assert "manager&#x27;s worker does not run" in text_of(administrator.get("/"))


def test_names_from_a_router_are_escaped(administrator: Client, redis_server: RedisServer) -> None:
    document = status()
    document["virtual_servers"][0]["name"] = "<script>alert(1)</script>"
    report("r1", document)
    page = text_of(administrator.get("/"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(("asked", "kept"), [("30", 30), ("0", 2), ("99999", 3600), ("soon", 10)])
def test_the_update_interval_is_kept_within_its_bounds(
    administrator: Client, redis_server: RedisServer, asked: str, kept: int
) -> None:
    administrator.post("/auto-update", {"auto_update": "on", "interval": asked})
    assert f'hx-trigger="every {kept}s, live"' in text_of(administrator.get("/"))


def test_auto_update_can_be_switched_off(administrator: Client, redis_server: RedisServer) -> None:
    administrator.post("/auto-update", {"interval": "10"})
    assert "hx-trigger" not in text_of(administrator.get("/"))


def test_a_report_cannot_be_read_from_a_redis_that_is_away(redis_server: RedisServer) -> None:
    redis_server.stop()
    with pytest.raises(redis.RedisError):
        dispatch.report_of(models.Router.objects.get(name="r1"))


def test_the_real_server_list_shows_what_the_active_router_found(
    administrator: Client, redis_server: RedisServer, shop: models.VirtualServer
) -> None:
    address = f"/virtual-servers/{shop.pk}/real-servers"
    assert "no word from the active router" in text_of(administrator.get(address))
    report("r1", status())
    page = text_of(administrator.get(address))
    assert "connect: refused" in page
    assert ">3 <small" in page.replace("\n", "")
    report("r1", status(virtual_servers=[]))
    assert "not in service" in text_of(administrator.get(address))


def test_a_sorry_server_that_serves_is_shown_in_the_table(
    administrator: Client, redis_server: RedisServer
) -> None:
    document = status()
    document["virtual_servers"][0]["sorry_server"] = {
        "address": "10.11.12.9",
        "port": 8080,
        "weight": 1,
        "counters": COUNTERS,
    }
    report("r1", document)
    assert "  -&gt; 10.11.12.9:8080              Masq    1      3          1" in text_of(
        administrator.get("/ipvs")
    )


def test_a_report_of_five_seconds_ago_is_still_the_word_of_the_router(
    administrator: Client, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_at = time.time()
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at)
    report("r1", status())
    monkeypatch.setattr(reports, "seconds", lambda _time: said_at + 5)
    assert "silent for" not in text_of(administrator.get("/"))


def test_what_is_left_out_of_what_needs_attention_is_led_to(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    failed = [
        real_server(f"web{n}", f"10.11.{n // 250}.{n % 250 + 1}", "failed", "connect: refused")
        for n in range(MOST_ROWS + 5)
    ]
    report("r1", shop_with(*failed))
    page = text_of(administrator.get("/"))
    assert re.search(r'And \d+ more: <a href="/real-servers\?state=out">all that failed</a>', page)
    for state in ("out", "in_hand"):
        assert f'<option value="{state}" selected>' in text_of(
            administrator.get(f"/real-servers?state={state}")
        )
    assert "past them, to the picture of the cluster" in page
