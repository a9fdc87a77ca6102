"""Verbs for several servers at once, copies, and weights in the row."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import FloatingAddress, PortRange
from lvs.sent import orders
from piranha_web.forms.real_servers import seen_of
from piranha_web.views import hands
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import fields_of, text_of
from tests.web.reports import report, status

BULK = "/virtual-servers/bulk"
MEMBERS = "/real-servers/bulk"
MAIL = replace(
    SHOP,
    name="mail",
    port=25,
    active=False,
    real_servers=(replace(SHOP.real_servers[0], name="mx1", address=IPv4Address("10.11.12.1")),),
)
EMPTY = replace(SHOP, name="empty", address=None, active=False, port=26, real_servers=())


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page has its Redis, and three virtual servers."""
    monkeypatch.setattr(orders, "SERVER_SECONDS", 0.5)
    store.save(cluster, replace(CONFIG, virtual_servers=(SHOP, MAIL, EMPTY)))


def pk(name: str) -> str:
    return str(models.VirtualServer.objects.get(name=name).pk)


def member(name: str) -> models.RealServer:
    return models.RealServer.objects.get(name=name)


def active(cluster: models.Cluster) -> set[str]:
    return {one.name for one in store.load(cluster).virtual_servers if one.active}


def stranger_of_another_cluster() -> models.VirtualServer:
    other = store.create_cluster("other", "o1", "")
    return store.add_virtual_server(other, replace(SHOP, name="theirs"))


def test_a_bulk_verb_asks_first_and_names_what_it_touches(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", status())
    page = text_of(administrator.get(BULK, {"verb": "delete", "pick": [pk("shop"), pk("mail")]}))

    assert "Delete 2 virtual servers: 4 connections now" in page  # of web1; web2 is out of the table
    assert "192.168.26.10:80" in page
    assert "3 real servers go with them" in page
    assert cluster.virtual_servers.count() == 3

    fields = fields_of(
        administrator, f"{BULK}?verb=delete&pick={pk('shop')}&pick={pk('mail')}&next=/virtual-servers?q=s"
    )
    response = administrator.post(BULK, fields)

    assert response["Location"] == "/virtual-servers?q=s"
    assert [one.name for one in cluster.virtual_servers.all()] == ["empty"]
    assert not models.RealServer.objects.exists()


def test_several_are_switched_together_or_not_at_all(administrator: Client, cluster: models.Cluster) -> None:
    administrator.post(BULK, {"verb": "activate", "picked": f"{pk('mail')} {pk('shop')}"})
    assert active(cluster) == {"shop", "mail"}

    response = administrator.post(
        BULK, {"verb": "activate", "picked": f"{pk('mail')} {pk('empty')}"}, follow=True
    )
    assert "Nothing was changed. Virtual server empty" in text_of(response)

    administrator.post(BULK, {"verb": "deactivate", "picked": f"{pk('mail')} {pk('shop')}"})
    assert active(cluster) == set()
    texts = [one.text for one in models.AuditEntry.objects.order_by("pk")]
    assert "deactivate virtual server mail" in texts[-1]


def test_all_that_match_a_search_are_meant_and_what_was_shown_is_what_is_done(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, f"{BULK}?verb=deactivate&all=1&q=10.11.12.1")
    assert sorted(fields["picked"].split()) == sorted([pk("shop"), pk("mail")])
    store.add_virtual_server(cluster, replace(SHOP, name="later", port=90))

    administrator.post(BULK, fields)

    assert active(cluster) == {"later"}


@pytest.mark.parametrize("address", [BULK, MEMBERS])
@pytest.mark.parametrize("picked", ["", "0", "999999", "-1", "x", "1; drop", "9" * 400, "٣"])
def test_a_number_that_is_none_of_ours_changes_nothing(
    administrator: Client, cluster: models.Cluster, address: str, picked: str
) -> None:
    before = store.load(cluster)
    for verb in ("deactivate", "delete", "nothing", ""):
        response = administrator.post(address, {"verb": verb, "picked": picked, "weight": "1"}, follow=True)
        assert "Nothing was changed" in text_of(response)
    assert store.load(cluster) == before


def test_what_belongs_to_another_cluster_is_refused_with_all_the_rest(
    administrator: Client, cluster: models.Cluster
) -> None:
    theirs = stranger_of_another_cluster()
    real = theirs.real_servers.get(name="web1")
    for verb in ("deactivate", "delete"):
        administrator.post(BULK, {"verb": verb, "picked": f"{pk('shop')} {theirs.pk}"})
    for verb in ("deactivate", "weight"):
        administrator.post(MEMBERS, {"verb": verb, "picked": f"{member('mx1').pk} {real.pk}", "weight": "9"})
    administrator.post(f"/real-servers/{real.pk}/weight", {"weight": "9", "seen": seen_of(1)})
    theirs.refresh_from_db()
    real.refresh_from_db()
    assert (theirs.active, real.active, real.weight) == (True, True, 1)
    assert active(cluster) == {"shop"}
    assert member("mx1").weight == 1


def test_real_servers_are_chosen_by_name_or_as_machines_and_weighed_together(
    administrator: Client, cluster: models.Cluster
) -> None:
    page = text_of(administrator.get(MEMBERS, {"verb": "weight", "address": "10.11.12.1"}))
    assert "shop / web1" in page
    assert "mail / mx1" in page
    fields = fields_of(administrator, f"{MEMBERS}?verb=weight&address=10.11.12.1&target=shop/web2")
    assert len(fields["picked"].split()) == 3

    for wrong in ("", "-1", "65536", "much", "1e3", "9" * 50):
        assert "Write a whole number" in text_of(administrator.post(MEMBERS, fields | {"weight": wrong}))
    administrator.post(MEMBERS, fields | {"weight": "7"})

    assert {one.weight for one in models.RealServer.objects.all()} == {7}


def test_real_servers_are_switched_together(administrator: Client, cluster: models.Cluster) -> None:
    administrator.post(MEMBERS, {"verb": "deactivate", "target": ["shop/web1", "shop/web2"]})
    assert not models.RealServer.objects.filter(virtual_server__name="shop", active=True).exists()
    assert member("mx1").active
    administrator.post(MEMBERS, {"verb": "activate", "target": ["shop/web1"]})
    assert member("web1").active


def test_all_real_servers_of_chosen_virtual_servers_are_drained_by_one_order(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", status())
    page = f"/real-servers/order?order=drain&pick={pk('shop')}&next=/virtual-servers"
    text = text_of(administrator.get(page))
    assert "Drain 2 real servers" in text
    assert "Nobody else takes new connections of <strong>shop</strong>" in text

    with answering("r1", server={"changed": ["web1", "web2"]}) as asked:
        administrator.post(
            "/real-servers/order", fields_of(administrator, page) | {"target": ["shop/web1", "shop/web2"]}
        )
    assert asked[0][1][0] == [["shop", "web1"], ["shop", "web2"]]


def test_without_a_word_of_the_active_router_those_of_the_candidate_are_meant(
    administrator: Client, cluster: models.Cluster
) -> None:
    for given in ({"pick": [pk("shop"), pk("mail")]}, {"address": ["10.11.12.1", "10.11.12.2"]}):
        text = text_of(administrator.get("/real-servers/order", {"order": "drain", **given}))
        assert "Drain 2 real servers" in text  # mail is inactive
        assert "The active router does not report now" in text


def test_an_order_for_too_many_is_refused_and_not_cut(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "MOST_TARGETS", 1)
    report("r1", status())
    given: dict[str, Any] = {"order": "drain", "target": ["shop/web1", "shop/web2"]}
    with answering("r1") as asked:
        response = administrator.post("/real-servers/order", given, follow=True)
    assert "these are 2 real servers, and an order takes 1 at most" in text_of(response)
    assert asked == []


def test_a_copy_has_everything_but_name_and_place(administrator: Client, cluster: models.Cluster) -> None:
    address = f"/virtual-servers/{pk('shop')}/duplicate"
    fields = fields_of(administrator, address)
    assert fields["name"] == "shop copy"

    refused = administrator.post(address, fields)
    assert "has this address and port" in " ".join(refused.context["form"].errors["address"])
    taken = administrator.post(address, fields | {"port": "8080", "name": "mail"})
    assert "taken already" in " ".join(taken.context["form"].errors["name"])
    administrator.post(address, fields | {"address": "192.168.26.11", "device": "eth0:2"})

    made = store.load(cluster).virtual_servers[-1]
    place = FloatingAddress(address=IPv4Address("192.168.26.11"), device="eth0:2")
    assert made == replace(SHOP, name="shop copy", active=False, address=place)
    assert fields_of(administrator, address)["name"] == "shop copy 2"


def test_a_copy_of_a_service_of_several_ports_gets_a_mark_of_its_own(
    administrator: Client, cluster: models.Cluster
) -> None:
    both = replace(SHOP, ports=(PortRange(443, 443),), fwmark=80)
    store.save(cluster, replace(CONFIG, virtual_servers=(both,)))
    address = f"/virtual-servers/{pk('shop')}/duplicate"
    fields = fields_of(administrator, address) | {"address": "192.168.26.11", "active": "on"}
    administrator.post(address, fields)
    made = store.load(cluster).virtual_servers[-1]
    assert made.active
    assert made.fwmark not in (0, 80)


def test_a_weight_is_saved_in_its_row(administrator: Client, cluster: models.Cluster) -> None:
    row = member("web1")
    given = {"weight": "5", "seen": seen_of(1), "next": "/virtual-servers"}

    response = administrator.post(f"/real-servers/{row.pk}/weight", given)
    assert response["Location"] == "/virtual-servers"
    assert member("web1").weight == 5

    part = administrator.post(
        f"/real-servers/{row.pk}/weight",
        given | {"weight": "6", "seen": seen_of(5)},
        headers={"HX-Request": "true"},
    )
    text = text_of(part)
    assert "Saved. Apply to put it in service." in text
    assert f'value="{seen_of(6)}"' in text
    assert 'id="status-line"' in text
    assert member("web1").weight == 6


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_weight_that_somebody_else_changed_meanwhile_is_not_overwritten(
    administrator: Client, cluster: models.Cluster, headers: dict[str, str]
) -> None:
    row = member("web1")
    row.weight = 3
    row.save()

    response = administrator.post(
        f"/real-servers/{row.pk}/weight", {"weight": "5", "seen": seen_of(1)}, headers=headers, follow=True
    )

    assert "Somebody else has set it to 3 meanwhile" in text_of(response)
    assert member("web1").weight == 3
    if headers:  # what was typed is still there, and is taken when it is sent again
        assert 'value="5"' in text_of(response)
        assert f'value="{seen_of(3)}"' in text_of(response)


@pytest.mark.parametrize("weight", ["", "-1", "65536", "x", "1.5", "9" * 100])
def test_a_senseless_weight_is_refused_in_its_row(
    administrator: Client, cluster: models.Cluster, weight: str
) -> None:
    row = member("web1")
    response = administrator.post(
        f"/real-servers/{row.pk}/weight",
        {"weight": weight, "seen": seen_of(1)},
        headers={"HX-Request": "true"},
    )
    assert 'role="alert"' in text_of(response)
    assert member("web1").weight == 1
