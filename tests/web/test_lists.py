"""The lists of virtual and real servers: what they find, in which order, and at what cost."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lvs import dispatch, models, store
from lvs.config.model import FloatingAddress, Forwarding, LvsConfig, PortRange, Protocol, VirtualServer
from lvs.reported import rates
from piranha_web import states
from tests.conftest import RedisServer
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import text_of
from tests.web.reports import hand, real_server, report, shop_with, status

MAIL = replace(
    SHOP,
    name="mail",
    active=False,
    address=FloatingAddress(address=IPv4Address("192.168.26.25"), device="eth0:2"),
    port=25,
    persistence=60,
    forwarding=Forwarding.DIRECT,
    real_servers=(replace(SHOP.real_servers[0], name="mx1", address=IPv4Address("10.11.12.80")),),
)
DNS = replace(
    SHOP,
    name="Names 10",
    address=FloatingAddress(address=IPv6Address("2001:db8::53"), device="eth0"),
    port=53,
    protocol=Protocol.UDP,
    ports=(PortRange(5300, 5399),),
    fwmark=53,
    real_servers=(),
)
DNS2 = replace(DNS, name="names 9", address=None, port=54, active=False, ports=(), fwmark=0)


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster) -> None:
    """Every page here has its Redis and its cluster."""


@pytest.fixture
def several(cluster: models.Cluster) -> models.Cluster:
    """shop, mail and two for names."""
    store.save(cluster, replace(CONFIG, virtual_servers=(SHOP, MAIL, DNS, DNS2)))
    return cluster


def names(client: Client, **asked: str) -> list[str]:
    return [row.service.name for row in client.get("/virtual-servers", asked).context["rows"]]


def addresses(client: Client, **asked: str) -> list[str]:
    return [row.machine.address for row in client.get("/real-servers", asked).context["rows"]]


def many(count: int) -> tuple[VirtualServer, ...]:
    """So many virtual servers on one address, each with two real servers."""
    return tuple(replace(SHOP, name=f"shop {n}", port=n) for n in range(1, count + 1))


def reported(count: int) -> dict[str, Any]:
    """The status document of a router that runs them."""
    (shop,) = status()["virtual_servers"]
    return status(virtual_servers=[{**shop, "name": f"shop {n}"} for n in range(1, count + 1)])


@pytest.mark.parametrize(
    ("sought", "finds"),
    [
        ("", ["shop", "mail", "Names 10", "names 9"]),
        ("SHO", ["shop"]),
        ("names", ["Names 10", "names 9"]),
        ("names 9", ["names 9"]),
        ("web2", ["shop"]),
        ("mx1", ["mail"]),
        ("25", ["mail"]),
        ("80", ["shop", "mail"]),  # the port of shop and of mx1's address the last part
        ("5350", ["Names 10"]),
        ("5400", []),
        ("192.168.26.10", ["shop"]),
        ("192.168.26.1", ["shop"]),
        ("192.168.26.10:80", ["shop"]),
        ("192.168.26.10:81", []),
        ("10.11.12.1", ["shop"]),  # and not 10.11.12.80's
        ("10.11.12.0/24", ["shop", "mail"]),
        ("10.11.12.64/26", ["mail"]),
        ("2001:0db8:0::53", ["Names 10"]),
        ("[2001:db8::53]:53", ["Names 10"]),
        ("2001:db8::/32", ["Names 10"]),
        ("shop web2 80", ["shop"]),
        ("shop mx1", []),
        ("%", []),
        ("_", []),
        ("' or 1=1 --", []),
        ("\0shop", ["shop"]),
        ("١٢", []),
        ("999999999999999999999999", []),
        ("10.11.12.1/99", []),
        ("x" * 10_000, []),
        ("zz " * 5_000, []),
    ],
)
def test_a_search_finds_by_name_address_port_and_real_server(
    administrator: Client, several: models.Cluster, sought: str, finds: list[str]
) -> None:
    assert names(administrator, q=sought) == finds


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["mail", "names 9", "Names 10", "shop"]),
        ("-name", ["shop", "Names 10", "names 9", "mail"]),
        ("address", ["shop", "mail", "Names 10", "names 9"]),
        ("persistence", ["names 9", "Names 10", "shop", "mail"]),
        ("servers", ["names 9", "Names 10", "mail", "shop"]),
        ("forwarding", ["mail", "names 9", "Names 10", "shop"]),
        ("pk; drop", ["shop", "mail", "Names 10", "names 9"]),
    ],
)
def test_each_column_sorts_both_ways(
    administrator: Client, several: models.Cluster, sort: str, order: list[str]
) -> None:
    assert names(administrator, sort=sort) == order


def test_the_busiest_are_first_by_connections_a_second_or_open_now_of_both_routers_together(
    administrator: Client, several: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = dispatch.broker(), 100_000.0
    monkeypatch.setattr(rates, "seconds", lambda time: now)

    def say(router: str, at: float, **found: tuple[float | None, float | None]) -> None:
        pipeline = client.pipeline()
        rates.write(pipeline, router, at, {name.replace("_", " "): two for name, two in found.items()})
        pipeline.execute()

    in_the_file = ["shop", "mail", "Names 10", "names 9"]
    assert names(administrator, sort="-rate") == in_the_file, "nobody knows"
    say("r1", now, shop=(3.5, 900), mail=(80.0, 2), names_9=(None, 4))
    say("r2", now, mail=(0.5, 0), shop=(None, None))
    assert names(administrator, sort="-rate") == ["mail", "shop", "Names 10", "names 9"]
    assert names(administrator, sort="rate") == ["Names 10", "names 9", "shop", "mail"]
    assert names(administrator, sort="-active") == ["shop", "names 9", "mail", "Names 10"]
    say("r2", now, shop=(100.0, 0))
    assert names(administrator, sort="-rate")[0] == "shop"
    say("r2", now - 60, shop=(100.0, 0))
    assert names(administrator, sort="-rate")[0] == "mail", "a minute ago is not now"
    client.set(rates.key("r1"), '{"at": 1, "rates": {"shop": "many"}}')
    assert names(administrator, sort="-rate") == in_the_file
    page = text_of(administrator.get("/virtual-servers"))
    assert "?sort=-rate" in page, "the first click has the busiest first"
    assert "?sort=rate" in text_of(administrator.get("/virtual-servers", {"sort": "-rate"}))


def test_filters_narrow_the_list_and_the_search_together(
    administrator: Client, several: models.Cluster
) -> None:
    assert names(administrator, protocol="udp") == ["Names 10", "names 9"]
    assert names(administrator, forwarding="direct") == ["mail"]
    assert names(administrator, q="names", protocol="tcp") == []
    assert names(administrator, protocol="carrier pigeon") == []
    page = text_of(administrator.get("/virtual-servers", {"q": "nobody", "protocol": "udp"}))
    assert "Show all" in page
    assert "“nobody”" in page


def test_each_state_can_be_asked_for(administrator: Client, several: models.Cluster) -> None:
    assert names(administrator, state="unknown") == ["shop", "Names 10"]
    assert "has not reported" in text_of(administrator.get("/virtual-servers"))

    report("r1", status())
    assert names(administrator, state="some_failed") == ["shop"]
    assert names(administrator, state="unapplied") == ["Names 10"]
    assert names(administrator, state="inactive") == ["mail", "names 9"]
    assert names(administrator, sort="state") == ["shop", "Names 10", "mail", "names 9"]

    healthy = real_server("web1", "10.11.12.1")
    for state, document in (
        ("healthy", shop_with(healthy)),
        ("draining", shop_with(healthy | {"hand": hand("drain"), "weight": 0}, healthy | {"name": "web2"})),
        ("failed", shop_with(real_server("web1", "10.11.12.1", "failed"))),
        ("unknown", shop_with(real_server("web1", "10.11.12.1", "unknown", weight=1))),
    ):
        report("r1", document)
        assert names(administrator, state=state) == ["shop"], state


def test_what_differs_from_the_running_revision_can_be_asked_for(
    administrator: Client, several: models.Cluster
) -> None:
    store.freeze(several, author="anna", message="")
    assert names(administrator, state="changed") == []
    several.virtual_servers.get(name="mail").activate()
    assert names(administrator, state="changed") == ["mail"]
    assert text_of(administrator.get("/virtual-servers")).count("●</span> changed") == 1


def test_a_row_tells_how_many_real_servers_serve_by_sign_and_word(
    administrator: Client, several: models.Cluster
) -> None:
    report("r1", status())
    row = administrator.get("/virtual-servers", {"q": "shop"}).context["rows"][0]
    assert [(one.text, one.colour) for one in row.signs] == [("✔", "success"), ("✖", "danger")]
    assert row.serving == "1 of 2"


def test_many_real_servers_are_counted_and_not_drawn_one_by_one(
    administrator: Client, cluster: models.Cluster
) -> None:
    reals = tuple(
        replace(SHOP.real_servers[0], name=f"web{n}", address=IPv4Address(f"10.11.13.{n}"))
        for n in range(1, 31)
    )
    store.save(cluster, replace(CONFIG, virtual_servers=(replace(SHOP, real_servers=reals),)))
    report("r1", shop_with(*(real_server(f"web{n}", f"10.11.13.{n}") for n in range(1, 31))))
    row = administrator.get("/virtual-servers").context["rows"][0]
    assert [one.text for one in row.signs] == ["✔ 30"]


def test_a_page_can_be_kept_in_the_address(administrator: Client, cluster: models.Cluster) -> None:
    store.save(cluster, LvsConfig(virtual_servers=many(120)))
    asked = {"q": "shop", "sort": "-name", "page": "2"}
    response = administrator.get("/virtual-servers", asked)
    rows = [row.service.name for row in response.context["rows"]]
    assert (rows[0], rows[-1], len(rows)) == ("shop 70", "shop 21", 50)
    assert "?q=shop&amp;sort=-name&amp;page=3" in text_of(response)
    assert "51 to 100 here" in text_of(response)
    for page, number in (("99", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 400, 1), ("²", 1)):
        response = administrator.get("/virtual-servers", {"page": page})
        assert response.context["list_page"].number == number, page


@pytest.mark.parametrize(
    ("address", "sort"),
    [
        ("/virtual-servers", "state"),
        ("/virtual-servers", "-rate"),
        ("/virtual-servers/live", "-active"),
        ("/real-servers", "state"),
    ],
)
def test_a_list_takes_as_many_queries_for_many_as_for_few(
    administrator: Client, cluster: models.Cluster, address: str, sort: str
) -> None:
    models.Account.objects.create(name="piranha", role=models.UserRole.VIEWER)
    for one in store.freeze(cluster, author="anna", message="").deployments.all():
        one.end(models.Deployment.State.APPLIED)

    def queries(count: int) -> int:
        store.save(cluster, LvsConfig(virtual_servers=many(count)))
        report("r1", reported(count))
        administrator.get(address)
        with CaptureQueriesContext(connection) as found:
            administrator.get(address, {"state": "some_failed", "sort": sort, "q": "shop"})
        return len(found)

    assert queries(200) == queries(10) <= 10


def test_a_search_by_htmx_gets_the_list_alone_and_going_back_the_page(
    administrator: Client, several: models.Cluster
) -> None:
    part = administrator.get(
        "/virtual-servers", {"q": "mail"}, headers={"HX-Request": "true", "HX-Target": "list"}
    )
    assert text_of(part).lstrip().startswith('<div id="list">')
    assert part["HX-Replace-Url"] == "/virtual-servers?q=mail"
    whole = administrator.get(
        "/virtual-servers",
        headers={"HX-Request": "true", "HX-Target": "list", "HX-History-Restore-Request": "true"},
    )
    assert "<!doctype html>" in text_of(whole)


def test_every_machine_is_one_row_whatever_it_serves(administrator: Client, several: models.Cluster) -> None:
    store.save(
        several, replace(CONFIG, virtual_servers=(SHOP, replace(SHOP, name="intranet", port=8080), MAIL))
    )
    assert addresses(administrator) == ["10.11.12.1", "10.11.12.2", "10.11.12.80"]
    assert addresses(administrator, q="intranet") == ["10.11.12.1", "10.11.12.2"]
    assert addresses(administrator, q="web2") == ["10.11.12.2"]
    by_name = ["10.11.12.80", "10.11.12.1", "10.11.12.2"]
    assert addresses(administrator, sort="name") == by_name
    assert addresses(administrator, sort="-name") == by_name[::-1]
    assert addresses(administrator, q="8080") == ["10.11.12.1", "10.11.12.2"]
    assert addresses(administrator, sort="-services", q="10.11.12.0/24")[-1] == "10.11.12.80"
    page = text_of(administrator.get("/real-servers"))
    assert "2 virtual servers" in page


def test_machines_are_found_by_the_state_of_any_of_their_real_servers(
    administrator: Client, several: models.Cluster
) -> None:
    report("r1", status())
    assert addresses(administrator, state="out") == ["10.11.12.2"]
    assert addresses(administrator, state="healthy") == ["10.11.12.1"]
    assert addresses(administrator, state="unapplied") == []
    assert addresses(administrator, sort="state")[0] == "10.11.12.2"
    store.freeze(several, author="anna", message="")
    models.RealServer.objects.get(name="mx1").deactivate()
    assert addresses(administrator, state="changed") == ["10.11.12.80"]


def test_a_filter_over_very_many_does_not_have_the_router_bring_all_of_them_up_to_date(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(cluster, LvsConfig(virtual_servers=many(5)))
    report("r1", reported(5))
    assert addresses(administrator, state="out") == ["10.11.12.2"]
    monkeypatch.setattr(states, "MOST_LOOKED_AT", 3)
    dispatch.broker().delete("piranha:looked:r1")
    assert addresses(administrator, state="out", sort="name", q="10.11.12.1") == []
    assert addresses(administrator, state="out") == ["10.11.12.2"]
    assert dispatch.broker().zcard("piranha:looked:r1") == 0


def test_the_real_servers_of_one_virtual_server_are_searched_and_filtered(
    administrator: Client, several: models.Cluster
) -> None:
    report("r1", status())
    pk = several.virtual_servers.get(name="shop").pk

    def found(**asked: str) -> list[str]:
        response = administrator.get(f"/virtual-servers/{pk}/real-servers", asked)
        return [line.member.name for line in response.context["rows"]]

    assert found() == ["web1", "web2"]
    assert found(state="out") == ["web2"]
    assert found(q="10.11.12.1") == ["web1"]
    assert found(sort="-name") == ["web2", "web1"]
    assert found(state="in_hand") == []
