"""Confirmations, catching up and outside changes with real pulses and workers (in planning mode)."""

from __future__ import annotations

import signal
import time

import pytest
import redis

from lvs import dispatch, models, store
from lvs.pulse import keys
from lvs.sent import deploy, errands, orders
from tests.conftest import RedisServer, eventually
from tests.workers.by_hand import State, edit, pair, states
from tests.workers.conftest import RouterProcesses

pytestmark = pytest.mark.django_db(transaction=True)

Routers = dict[str, RouterProcesses]


@pytest.fixture
def cluster(redis_server: RedisServer, routers: Routers) -> models.Cluster:
    """A pair that runs revision 1, with a change pending."""
    cluster = pair()
    for router in routers.values():
        router.start_pulse()
        router.start_worker()
    eventually(lambda: set(heard(cluster)) == {"r1", "r2"}, "both workers report")
    until(dispatch.apply(cluster, author="anna", message=""), State.APPLIED)
    edit(cluster, persistence=300)
    return cluster


def heard(cluster: models.Cluster) -> list[str]:
    return [one.router.name for one in dispatch.state(cluster).routers if one.is_current]


def work() -> None:
    """One round of the manager's worker."""
    try:
        deploy.advance()
        errands.look()
        errands.advance()
    except redis.RedisError as error:
        pytest.fail(str(error))


def until(revision: models.Revision, state: str) -> None:
    def holds() -> bool:
        work()
        return set(states(revision).values()) == {state}

    eventually(holds, f"{revision} is {state} on both routers", 60)


def serials(routers: Routers) -> set[int]:
    return {router.client.running()["serial"] for router in routers.values()}


def test_a_confirmed_revision_outlives_its_time_and_an_unconfirmed_one_does_not(
    cluster: models.Cluster, routers: Routers
) -> None:
    second = dispatch.apply(cluster, author="anna", message="", confirm_within=20)
    until(second, State.WAITING)
    assert routers["r1"].client.status()["unconfirmed"]["serial"] == 2
    orders.confirm(second, "anna")
    until(second, State.APPLIED)
    assert [router.client.status()["unconfirmed"] for router in routers.values()] == [None, None]

    edit(cluster, persistence=60)
    third = dispatch.apply(cluster, author="anna", message="", confirm_within=1)
    until(third, State.ROLLED_BACK)
    assert serials(routers) == {2}
    assert cluster.standing_revision() == second
    assert len(store.pending(cluster)) == 1


def test_routers_that_nobody_can_reach_any_more_go_back_by_themselves_and_on_time(
    cluster: models.Cluster, routers: Routers, redis_server: RedisServer
) -> None:
    second = dispatch.apply(cluster, author="anna", message="", confirm_within=5)
    until(second, State.WAITING)
    assert redis_server.process is not None
    redis_server.process.send_signal(signal.SIGSTOP)  # nothing comes or goes between manager and routers
    cut = time.monotonic()
    try:
        assert serials(routers) == {2}
        eventually(lambda: serials(routers) == {1}, "both routers have put back what was", 30)
        print(f"both put back {time.monotonic() - cut:.1f} s after the cut, 5 s to confirm")
    finally:
        redis_server.process.send_signal(signal.SIGCONT)
    until(second, State.ROLLED_BACK)
    assert len(store.pending(cluster)) == 1


def test_a_router_that_is_installed_anew_gets_revision_and_keys_again(
    cluster: models.Cluster, routers: Routers
) -> None:
    r2 = routers["r2"]
    r2.stop("pulse")
    for file in (r2.folder / "etc").iterdir():
        file.unlink()
    r2.start_pulse()
    assert r2.client.status()["sha256"] is None

    def is_back() -> bool:
        work()
        return orders.errands(cluster).filter(state="done").exists()

    eventually(is_back, "r2 has caught up", 60)
    assert r2.client.running()["serial"] == 1
    assert [key.hex() for key in keys.load(r2.folder / "etc")] == cluster.key_ring()


def test_what_is_changed_by_hand_is_shown_taken_in_and_applied(
    cluster: models.Cluster, routers: Routers
) -> None:
    router = models.Router.objects.get(name="r1")
    text = routers["r1"].client.running()["lvs_cf"]
    changed = text.replace("serial_no = 1", "serial_no = 99").replace("weight = 1", "weight = 7")
    routers["r1"].client.install(changed)

    def is_seen() -> bool:
        work()
        return any(one.is_outside for one in dispatch.state(cluster).routers)

    eventually(is_seen, "the manager sees it")
    found = orders.outside(router)
    assert [one.text for one in found.changes] == ["web1 of shop: weight 1 → 7"]
    orders.take_in(router, found.sha256)
    until(dispatch.apply(cluster, author="anna", message=""), State.APPLIED)
    assert serials(routers) == {2}
    assert store.load(cluster).virtual_servers[0].real_servers[0].weight == 7
