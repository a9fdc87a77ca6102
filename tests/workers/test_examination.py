"""*Check this real server* from the site, through a real worker to a real pulse; here one that only plans."""

from __future__ import annotations

import pytest

from lvs import models
from lvs.sent import orders
from tests.workers.conftest import RouterProcesses
from tests.workers.test_apply import carry, cluster, freeze, start

__all__ = ["cluster"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_pulse_that_only_plans_says_that_it_sends_nothing(
    cluster: models.Cluster, routers: dict[str, RouterProcesses]
) -> None:
    start(routers, "r1")
    cluster.routers.get(name="r2").delete()
    carry(freeze(cluster))
    told = orders.examine(cluster.routers.get(name="r1"), "shop", "web1")
    assert told.document is None
    assert told.problem == (
        "r1: This pulse only plans: it sends nothing. Examine the real server on a router."
    )


def test_a_router_that_is_not_heard_is_not_waited_for(cluster: models.Cluster) -> None:
    told = orders.examine(cluster.routers.get(name="r2"), "shop", "web1")
    assert told.problem == "r2 cannot be asked: its worker or its pulse does not answer."
