"""The administrator's hand and explanations, from the site through a real worker to a real pulse."""

from __future__ import annotations

import time

import pytest

from lvs import models
from lvs.sent import orders
from lvs.sent.orders import Order
from tests.conftest import eventually
from tests.workers.conftest import RouterProcesses
from tests.workers.test_apply import carry, cluster, freeze, start

__all__ = ["cluster"]

pytestmark = pytest.mark.django_db(transaction=True)

WEB1 = [("shop", "web1")]


def test_an_order_is_carried_out_kept_and_explained_and_a_wrong_one_changes_nothing(
    cluster: models.Cluster, routers: dict[str, RouterProcesses]
) -> None:
    start(routers, "r1")
    cluster.routers.get(name="r2").delete()
    carry(freeze(cluster))
    router = cluster.routers.get(name="r1")
    until = time.time() + 3600

    wrong = orders.server(cluster, [*WEB1, ("shop", "web9")], Order.DRAIN, "anna", "new disk", until)
    assert not wrong.ok
    assert "web9" in wrong.sentence
    explained = orders.explain(router, "shop", "web1")
    assert explained.document is not None
    assert explained.document["hand"] is None

    done = orders.server(cluster, WEB1, Order.MAINTENANCE, "anna", "new disk", until)
    assert done.ok, done.sentence
    explained = orders.explain(router, "shop", "web1")
    assert explained.document is not None
    hand = explained.document["hand"]
    assert (hand["order"], hand["by"], hand["reason"]) == ("maintenance", "anna", "new disk")
    assert hand["until"] == pytest.approx(until)

    def reported() -> bool:
        """Whether the hand stands in the router's status, too."""
        server = routers["r1"].client.status()["virtual_servers"][0]["real_servers"][0]
        return bool(server["hand"] and server["hand"]["order"] == "maintenance")

    eventually(reported, "the status says so")
    assert orders.server(cluster, WEB1, Order.AUTO, "anna").ok


def test_what_is_not_there_cannot_be_explained(
    cluster: models.Cluster, routers: dict[str, RouterProcesses]
) -> None:
    start(routers, "r1")
    router = cluster.routers.get(name="r1")
    found = orders.explain(router, "shop", "web1")
    assert found.document is None
    assert found.problem is not None
    assert found.problem.startswith("r1: ")
