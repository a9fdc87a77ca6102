"""Several clusters: all of them on a page, what is found in any, and how one is gone to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import FloatingAddress
from tests.conftest import RedisServer
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import text_of
from tests.web.reports import report, status

PLACE = FloatingAddress(address=IPv4Address("192.168.27.10"), device="eth0:1")


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster) -> None:
    """Every page has its Redis and its cluster."""


@pytest.fixture
def other(cluster: models.Cluster) -> models.Cluster:
    """A second cluster of one router with the virtual server intranet."""
    made = store.create_cluster("another", "o1", "")
    store.save(made, replace(CONFIG, virtual_servers=(replace(SHOP, name="intranet", address=PLACE),)))
    return made


def test_every_cluster_is_a_line_and_the_worst_comes_first(
    administrator: Client, cluster: models.Cluster, other: models.Cluster
) -> None:
    report("r1", status())
    report("r2", status("standby"))
    response = administrator.get("/clusters")
    rows = response.context["rows"]

    assert [row.cluster.name for row in rows] == ["another", "lab"]  # nobody has heard of o1
    assert rows[0].active == ()
    assert [one.router.name for one in rows[1].active] == ["r1"]
    assert [one.text for one in rows[1].counts] == ["1 real server failed"]
    assert (rows[0].services, rows[1].services) == (1, 1)
    assert rows[1].pending == 1 + len(
        [one for one in store.pending(cluster) if one.place != ("virtual", "shop")]
    )
    text = text_of(response)
    assert "nobody" in text
    assert "r1" in text
    assert "has never been heard" in text


def test_without_redis_nothing_is_said_to_be_well(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    redis_server.stop()
    (row,) = administrator.get("/clusters").context["rows"]
    assert row.level == "danger"
    assert not row.is_known


def test_a_search_looks_into_every_cluster_and_groups_what_it_finds(
    administrator: Client, cluster: models.Cluster, other: models.Cluster
) -> None:
    administrator.post("/clusters/choose", {"cluster": cluster.pk})

    def found(sought: str) -> list[tuple[str, list[str], list[str]]]:
        response = administrator.get("/search", {"q": sought})
        return [
            (one.cluster.name, [each.name for each in one.services], [each.address for each in one.machines])
            for one in response.context["found"]
        ]

    assert found("192.168.27.10") == [("another", ["intranet"], [])]
    assert found("web2") == [("lab", ["shop"], ["10.11.12.2"]), ("another", ["intranet"], ["10.11.12.2"])]
    assert found("nothing at all") == []
    assert found("") == []
    assert found("x" * 100_000) == []
    assert "in any cluster" in text_of(administrator.get("/search", {"q": "<b>nobody"}))


def test_what_is_in_another_cluster_is_opened_by_switching_to_it(
    administrator: Client, cluster: models.Cluster, other: models.Cluster
) -> None:
    administrator.post("/clusters/choose", {"cluster": cluster.pk})
    pk = other.virtual_servers.get().pk
    text = text_of(administrator.get("/search", {"q": "intranet"}))
    assert f'name="next" value="/virtual-servers/{pk}"' in text
    assert "switches to the cluster another" in text
    assert administrator.get(f"/virtual-servers/{pk}").status_code == 404

    response = administrator.post(
        "/clusters/choose", {"cluster": other.pk, "next": f"/virtual-servers/{pk}"}, follow=True
    )

    assert response.status_code == 200
    assert "The pages show the cluster another now." in text_of(response)


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_choosing_a_cluster_leads_to_no_other_site(
    administrator: Client, cluster: models.Cluster, address: str
) -> None:
    response = administrator.post("/clusters/choose", {"cluster": cluster.pk, "next": address})
    assert response["Location"] == "/"


def test_many_results_are_counted_and_lead_to_the_list(
    administrator: Client, cluster: models.Cluster
) -> None:
    many = tuple(replace(SHOP, name=f"shop {n}", port=n) for n in range(1, 13))
    store.save(cluster, replace(CONFIG, virtual_servers=many))
    text = text_of(administrator.get("/search", {"q": "shop"}))
    assert "12 in all" in text
    assert "/virtual-servers?q=shop" in text
