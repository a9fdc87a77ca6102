"""MONITORING SCRIPTS: the kind of check first, and only what belongs to it is saved."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.document import from_document
from lvs.config.model import CheckKind, DnsType, HealthCheck, HttpMethod, StatusRange
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import SHOP
from tests.web.explaining import trial
from tests.web.pages import fields_of, text_of
from tests.web.reports import report, status

HTTPS = HealthCheck(
    kind=CheckKind.HTTPS,
    check_port=8443,
    http_method=HttpMethod.OPTIONS,
    http_path="/health?full=1",
    http_host="shop.example.com",
    http_status=(StatusRange(200, 204), StatusRange(301, 301)),
    expect="rea.y",
    use_regex=True,
    tls_verify=True,
    tls_name="www.example.com",
    tls_expiry=30,
)
DNS = HealthCheck(kind=CheckKind.DNS, dns_name="www.example.com", dns_type=DnsType.MX, expect="mail")


@pytest.fixture
def address(shop: models.VirtualServer) -> str:
    return f"/virtual-servers/{shop.pk}/monitoring"


def saved(shop: models.VirtualServer) -> HealthCheck:
    return store.load(shop.cluster).virtual_servers[0].check


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"kind": "connect"}, HealthCheck(kind=CheckKind.CONNECT)),
        ({"kind": "connect", "check_port": "81"}, HealthCheck(kind=CheckKind.CONNECT, check_port=81)),
        ({"kind": "ping", "check_port": "81"}, HealthCheck(kind=CheckKind.PING)),
        ({"kind": "none"}, HealthCheck(kind=CheckKind.NONE)),
        ({"kind": "smtp", "body": "x"}, HealthCheck(kind=CheckKind.SMTP)),
        ({"kind": "http"}, HealthCheck(kind=CheckKind.HTTP)),
        (
            {
                "kind": "https",
                "check_port": "8443",
                "http_method": "OPTIONS",
                "http_path": "/health?full=1",
                "http_host": "shop.example.com",
                "http_status": "200-204, 301",
                "body": "rea.y",
                "body_regex": "on",
                "tls_verify": "on",
                "tls_name": "www.example.com",
                "tls_expiry": "30",
            },
            HTTPS,
        ),
        ({"kind": "dns", "dns_name": "www.example.com", "dns_type": "MX", "record": "mail"}, DNS),
        ({"kind": "http", "body_regex": "on", "tls_verify": "on"}, HealthCheck(kind=CheckKind.HTTP)),
    ],
)
def test_each_kind_saves_its_own_fields_and_no_others(
    administrator: Client,
    shop: models.VirtualServer,
    address: str,
    changes: dict[str, str],
    check: HealthCheck,
) -> None:
    response = administrator.post(address, fields_of(administrator, address) | changes)
    assert response.status_code == 302, response.context["form"].errors
    assert saved(shop) == check


@pytest.mark.parametrize("check", [HTTPS, DNS, HealthCheck(kind=CheckKind.PING), SHOP.check])
def test_an_unchanged_form_of_any_kind_saves_what_was_there(
    administrator: Client, shop: models.VirtualServer, address: str, check: HealthCheck
) -> None:
    shop.monitoring_script.take(check)
    administrator.post(address, fields_of(administrator, address))
    assert saved(shop) == check


def test_an_answer_that_piranha_expected_is_not_looked_for_in_a_body(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    fields = fields_of(administrator, address)
    assert (fields["expect"], fields["body"]) == ("HTTP", "")
    administrator.post(address, fields | {"kind": "http"})
    assert saved(shop).expect is None


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"kind": "http", "http_path": "health"}, "http_path", "begin with /"),
        ({"kind": "http", "http_host": "a b"}, "http_host", "no host name"),
        ({"kind": "http", "http_status": "many"}, "http_status", "not a whole number"),
        ({"kind": "http", "http_status": "99"}, "http_status", "out of range"),
        ({"kind": "http", "body": "(", "body_regex": "on"}, "body", "not a regular expression"),
        ({"kind": "dns", "record": "(", "record_regex": "on"}, "record", "not a regular expression"),
        ({"kind": "dns", "dns_name": "a b"}, "dns_name", "no name of the DNS"),
        ({"kind": "https", "tls_name": "a b"}, "tls_name", "no host name"),
        ({"kind": "https", "tls_expiry": "9999"}, "tls_expiry", "9999 is out of range: write 0 to 3650"),
        ({"kind": "auto", "send_program": 'check "'}, "send_program", "quote"),
        ({"kind": "eat"}, "kind", "valid choice"),
        ({"kind": "connect", "check_port": "0"}, "check_port", "0 is out of range: write 1 to 65535"),
    ],
)
def test_a_senseless_check_is_refused_at_its_field(
    administrator: Client,
    shop: models.VirtualServer,
    address: str,
    changes: dict[str, str],
    field: str,
    says: str,
) -> None:
    response = administrator.post(address, fields_of(administrator, address) | changes)
    assert response.status_code == 200
    assert says in " ".join(response.context["form"].errors[field])
    assert saved(shop) == SHOP.check


def test_without_scripts_the_fields_of_the_other_kinds_are_there_and_folded(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    shop.monitoring_script.take(HTTPS)
    page = text_of(administrator.get(address))
    groups = dict(re.findall(r'<details class="more kinds" data-kinds="([^"]+)"( open)?>', page))
    assert groups == {
        "auto connect http https smtp dns": " open",
        "auto": "",
        "http https": " open",
        "https": " open",
        "dns": "",
    }


def test_a_folded_group_with_an_error_is_open(administrator: Client, address: str) -> None:
    fields = fields_of(administrator, address) | {"kind": "connect", "tls_expiry": "never"}
    page = text_of(administrator.post(address, fields))
    assert '<details class="more kinds" data-kinds="https" open>' in page


def test_a_check_that_is_none_is_saved_with_a_warning(administrator: Client, address: str) -> None:
    response = administrator.post(address, fields_of(administrator, address) | {"kind": "none"}, follow=True)
    assert "dead ones keep getting connections" in text_of(response)


def test_the_panel_offers_the_test_of_the_running_check_for_each_active_real_server(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    shop.real_servers.get(name="web2").deactivate()
    page = text_of(administrator.get(address))
    assert '<option value="shop/web1">web1</option>' in page
    assert "shop/web2" not in page
    assert "It is the check that was applied last" in page


def tried(client: Client, address: str, **changes: str) -> str:
    """The page after *Test it, save nothing* on web1."""
    fields = fields_of(client, address) | {"real_server": "web1"} | changes
    response = client.post(f"{address}/try", fields)
    assert response.status_code == 200
    return text_of(response)


def test_what_stands_in_the_form_is_tried_from_each_router_and_not_saved(
    administrator: Client,
    shop: models.VirtualServer,
    address: str,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orders, "TEST_SECONDS", 0.5)
    report("r1", status())
    report("r2", status("standby", name="r2"))
    before = saved(shop)
    with answering("r1", try_check={"check": "http GET /new on port 80", "test": trial()}) as asked:
        page = tried(administrator, address, kind="http", http_path="/new")
    [(task, (document, virtual_server, real_server))] = asked
    assert (task, virtual_server, real_server) == ("try_check", shop.name, "web1")
    (sent,) = from_document(document).virtual_servers
    assert (sent.check.kind, sent.check.http_path) == (CheckKind.HTTP, "/new")
    assert "From r1: http GET /new on port 80" in page
    assert "status 503" in page
    assert "r2 did not answer within" in page
    assert 'value="/new"' in page
    assert 'data-unsaved="changed"' in page
    assert saved(shop) == before


def test_what_makes_no_sense_is_not_tried(
    administrator: Client, shop: models.VirtualServer, address: str, redis_server: RedisServer
) -> None:
    report("r1", status())
    with answering("r1") as asked:
        page = tried(administrator, address, kind="http", http_path="no slash")
        assert "http_path must begin with /" in page
        assert "From r1" not in tried(administrator, address, real_server="web9")
    assert asked == []
    shop.delete()
    assert administrator.post(f"{address}/try").status_code == 404


def test_what_checks_do_is_set_on_the_virtual_server(
    administrator: Client, shop: models.VirtualServer
) -> None:
    page = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, page)
    assert (fields["drain_time"], fields["protection"], fields["weight_ceiling"]) == ("300", "0", "1000")
    changes: dict[str, Any] = {
        "failures": "3",
        "slow_start": "60",
        "protection": "50",
        "drain_time": "0",
        "load_monitor": "agent",
        "agent_port": "9999",
        "agent_send": r"weight\n",
        "weight_floor": "10",
        "weight_ceiling": "200",
    }
    response = administrator.post(page, fields | changes)
    assert response.status_code == 302, response.context["form"].errors
    assert store.load(shop.cluster).virtual_servers[0] == replace(
        SHOP,
        failures=3,
        slow_start=60,
        protection=50,
        drain_time=0,
        load_monitor="agent",
        agent_port=9999,
        agent_send=r"weight\n",
        weight_floor=10,
        weight_ceiling=200,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"load_monitor": "agent"}, "agent_port"),
        ({"protection": "101"}, "protection"),
        ({"weight_ceiling": "50"}, "weight_ceiling"),
        ({"weight_floor": "-1"}, "weight_floor"),
        ({"slow_start": "x"}, "slow_start"),
        ({"drain_time": "99999999"}, "drain_time"),
    ],
)
def test_a_senseless_weight_or_time_is_refused_at_its_field_which_is_unfolded(
    administrator: Client, shop: models.VirtualServer, changes: dict[str, str], field: str
) -> None:
    page = f"/virtual-servers/{shop.pk}"
    response = administrator.post(page, fields_of(administrator, page) | changes)
    assert field in response.context["form"].errors
    assert '<details class="more" open>' in text_of(response)
