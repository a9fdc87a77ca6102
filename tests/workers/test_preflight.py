"""What stands against a configuration on a router, from the site through a real worker to a real pulse."""

from __future__ import annotations

import pytest

from lvs import models, tasks
from lvs.sent import asking
from tests.workers.conftest import RouterProcesses
from tests.workers.test_apply import carry, cluster, freeze, start

__all__ = ["cluster"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_router_is_looked_at_for_a_candidate_and_for_what_is_in_force(
    cluster: models.Cluster, routers: dict[str, RouterProcesses]
) -> None:
    start(routers, "r1")
    cluster.routers.get(name="r2").delete()
    revision = freeze(cluster)
    carry(revision)
    router = cluster.routers.get(name="r1")
    for arguments in ([], [revision.document]):
        said = asking.ask(router, tasks.preflight, arguments, tasks.PREFLIGHT_SECONDS)
        assert said["ok"], said
        assert said["result"]["remarks"]
        wanted = {row["path"]: row["wanted"] for row in said["result"]["parameters"]}
        assert wanted["net/ipv4/vs/expire_nodest_conn"] == "1"
