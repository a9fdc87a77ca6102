"""Apply, from the frozen revision to pulse, with what may be down on the way."""

from __future__ import annotations

import dataclasses
import signal
from ipaddress import IPv4Address

import pytest
import redis
from django.utils import timezone

from lvs import dispatch, models, store, tasks
from lvs.config.model import FloatingAddress, GlobalSettings, LvsConfig, RealServer, VirtualServer
from lvs.reported import answers, reports
from lvs.sent import deploy, sending
from tests.conftest import RedisServer, eventually
from tests.workers.conftest import RouterProcesses

State = models.Deployment.State
Routers = dict[str, RouterProcesses]

pytestmark = pytest.mark.django_db(transaction=True)

SHOP = VirtualServer(
    name="shop",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    real_servers=(RealServer(name="web1", address=IPv4Address("127.0.0.1"), active=True, port=9),),
)
CONFIG = LvsConfig(
    global_settings=GlobalSettings(
        primary=IPv4Address("192.168.26.9"),
        nat_router=FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1"),
    ),
    virtual_servers=(SHOP,),
)


@pytest.fixture
def cluster() -> models.Cluster:
    """A pair of routers whose candidate has one virtual server."""
    cluster = models.Cluster.begin("lab")
    models.Router.objects.create(cluster=cluster, name="r1", node="primary")
    models.Router.objects.create(cluster=cluster, name="r2", node="backup")
    store.save(cluster, CONFIG)
    return cluster


def freeze(cluster: models.Cluster, message: str = "") -> models.Revision:
    return dispatch.apply(cluster, author="anna", message=message)


def carry(revision: models.Revision, limit: float = 60) -> dict[str, models.Deployment]:
    """Does the manager's work until every router has answered; the deployments by router."""

    def finished() -> bool:
        deploy.advance()
        return not any(one.is_unfinished for one in revision.deployments.all())

    eventually(finished, f"{revision} is carried to its routers", limit)
    return {one.router.name: one for one in revision.deployments.select_related("router")}


def start(routers: Routers, *names: str) -> None:
    for name in names or routers:
        routers[name].start_pulse()
        routers[name].start_worker()
    for name in names or routers:
        eventually(lambda name=name: heard(name), f"the worker of {name} reports")


def heard(name: str) -> bool:
    router = models.Router.objects.get(name=name)
    found = dispatch.report_of(router)
    return found is not None and not found.is_silent and found.pulse is not None


def edit(cluster: models.Cluster, **changes: object) -> None:
    """Changes the virtual server of the candidate."""
    config = store.load(cluster)
    store.save(
        cluster,
        dataclasses.replace(
            config, virtual_servers=(dataclasses.replace(config.virtual_servers[0], **changes),)
        ),
    )


def test_a_revision_reaches_both_routers_standby_first_and_is_what_pulse_runs(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers)
    revision = freeze(cluster)
    done = carry(revision)
    assert {name: one.state for name, one in done.items()} == {"r1": State.APPLIED, "r2": State.APPLIED}
    assert done["r2"].sent_at < done["r1"].sent_at
    assert any("shop" in change for change in done["r1"].changes)
    running = routers["r1"].client.running()
    assert running["lvs_cf"] == revision.lvs_cf
    assert running["serial"] == revision.number == 1
    assert store.pending(cluster) == ()


def test_applying_the_same_again_changes_nothing_in_the_kernel(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers)
    carry(freeze(cluster))
    done = carry(freeze(cluster, "again"))
    assert {one.state for one in done.values()} == {State.APPLIED}
    assert [one.changes for one in done.values()] == [[], []]


def test_the_dry_run_says_what_would_change_and_changes_nothing(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers)
    runs = dispatch.dry_runs(cluster, store.load(cluster))
    assert [run.problem for run in runs] == [None, None]
    assert any("192.168.26.10" in change for change in runs[0].changes)
    assert routers["r1"].client.status()["serial"] in (0, None)


def test_a_router_whose_worker_is_down_is_said_to_be_silent_and_takes_the_revision_when_it_is_back(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers, "r1")
    routers["r2"].start_pulse()
    assert "never been heard" in next(
        one.sentence for one in dispatch.state(cluster).routers if one.router.name == "r2"
    )
    revision = freeze(cluster)

    def r1_has_it() -> bool:
        deploy.advance()
        return revision.deployments.get(router__name="r1").state == State.APPLIED

    eventually(r1_has_it, "r1 has the revision although r2 is silent")
    assert revision.deployments.get(router__name="r2").state == State.SENT
    routers["r2"].start_worker()
    assert carry(revision)["r2"].state == State.APPLIED


def test_what_one_router_refuses_is_put_back_on_the_other(cluster: models.Cluster, routers: Routers) -> None:
    start(routers)
    carry(freeze(cluster))
    # Somebody installed a newer file on r1 by hand, so that r1 refuses the next revision and r2 does not.
    first = routers["r1"].client.running()["lvs_cf"]
    routers["r1"].client.install(first.replace("serial_no = 1", "serial_no = 99"))
    edit(cluster, persistence=300)
    done = carry(freeze(cluster))
    assert done["r1"].state == State.FAILED
    assert "99" in done["r1"].error
    assert done["r2"].state == State.ROLLED_BACK
    assert routers["r2"].client.running()["serial"] == 1
    assert [difference.text for difference in store.pending(cluster)] != []


def states(revision: models.Revision) -> dict[str, str]:
    return {one.router.name: one.state for one in revision.deployments.select_related("router")}


def test_the_active_router_waits_until_a_standby_that_lives_has_answered(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    revision = freeze(cluster)
    reports.publish(dispatch.broker(), "r2", None, "its pulse is slow")
    for _ in range(3):
        deploy.advance()
    assert states(revision) == {"r2": State.SENT, "r1": State.QUEUED}
    revision.deployments.filter(router__name="r2").update(sent_at=timezone.now() - deploy.PATIENCE)
    deploy.advance()
    assert states(revision) == {"r2": State.SENT, "r1": State.SENT}


def test_the_active_router_does_not_wait_for_a_standby_that_is_silent(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    revision = freeze(cluster)
    deploy.advance()
    deploy.advance()
    assert states(revision) == {"r2": State.SENT, "r1": State.SENT}


def begin_to_put_back(cluster: models.Cluster, routers: Routers) -> models.Revision:
    """A revision that r2 took and r1 refused, so that r2, whose worker is killed, has to put it back."""
    start(routers)
    carry(freeze(cluster))
    first = routers["r1"].client.running()["lvs_cf"]
    routers["r1"].client.install(first.replace("serial_no = 1", "serial_no = 99"))
    edit(cluster, persistence=300)
    revision = freeze(cluster)
    step_until(revision, "r2", State.APPLIED)
    routers["r2"].stop("worker", signal.SIGKILL)
    step_until(revision, "r2", State.PUTTING_BACK)
    return revision


def step_until(revision: models.Revision, router: str, state: str) -> None:
    def holds() -> bool:
        deploy.advance()
        return revision.deployments.get(router__name=router).state == state

    eventually(holds, f"{router} is {state}", 60)


def age(revision: models.Revision) -> None:
    """Makes what is under way long overdue."""
    revision.deployments.update(sent_at=timezone.now() - 2 * deploy.OVERDUE)


def test_a_put_back_that_redis_lost_is_sent_again(
    cluster: models.Cluster, routers: Routers, redis_server: RedisServer
) -> None:
    revision = begin_to_put_back(cluster, routers)
    redis.Redis(unix_socket_path=str(redis_server.socket)).flushall()
    routers["r2"].start_worker()
    eventually(lambda: heard("r2"), "the worker of r2 reports")
    age(revision)
    assert carry(revision)["r2"].state == State.ROLLED_BACK
    assert routers["r2"].client.running()["serial"] == 1


def test_the_task_of_a_router_that_was_long_away_is_not_taken_for_lost(
    cluster: models.Cluster, routers: Routers
) -> None:
    revision = begin_to_put_back(cluster, routers)
    eventually(lambda: not heard("r2"), "the worker of r2 is silent")
    age(revision)
    task = revision.deployments.get(router__name="r2").task_id
    deploy.advance()
    waiting = revision.deployments.get(router__name="r2")
    assert waiting.task_id == task
    assert deploy.waited(waiting) < deploy.OVERDUE
    routers["r2"].start_worker()
    assert carry(revision)["r2"].state == State.ROLLED_BACK


def test_a_task_that_is_not_wanted_any_more_is_not_carried_out(
    cluster: models.Cluster, routers: Routers
) -> None:
    """Another one may have done its work while it waited for a router that was down."""
    start(routers)
    first = freeze(cluster)
    done = carry(first)
    edit(cluster, persistence=300)
    carry(freeze(cluster))
    routers["r2"].client.install(first.lvs_cf, back_from=2)
    second = cluster.newest_revision()
    assert second is not None
    sending.put("r2", tasks.apply, [second.document, None], done["r2"].task_id)
    eventually(lambda: "left out" in (routers["r2"].folder / "worker.log").read_text(), "it is left out", 30)
    assert routers["r2"].client.running()["serial"] == 1


def test_a_pulse_that_is_down_is_named_in_the_page_and_its_deployment_fails_with_the_reason(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers, "r1")
    routers["r1"].stop("pulse")

    def said() -> bool:
        return any("pulse does not answer" in one.sentence for one in dispatch.state(cluster).routers)

    eventually(said, "the page says that pulse does not answer", 10)
    models.Router.objects.filter(name="r2").delete()
    done = carry(freeze(cluster))
    assert done["r1"].state == State.FAILED
    assert "pulse" in done["r1"].error


def test_apply_while_redis_is_down_keeps_the_revision_and_sends_it_when_it_is_back(
    cluster: models.Cluster, routers: Routers, redis_server: RedisServer
) -> None:
    redis_server.stop()
    try:
        revision = freeze(cluster)
        assert "Redis cannot be reached" in (dispatch.state(cluster).problem or "")
        assert all(run.problem for run in dispatch.dry_runs(cluster, store.load(cluster)))
        with pytest.raises(redis.RedisError):
            deploy.advance()
        assert {one.state for one in revision.deployments.all()} == {State.QUEUED}
    finally:
        redis_server.start()
    start(routers)
    assert {one.state for one in carry(revision).values()} == {State.APPLIED}


def test_a_newer_revision_supersedes_one_that_was_not_sent(cluster: models.Cluster, routers: Routers) -> None:
    old = freeze(cluster)
    edit(cluster, persistence=60)
    new = freeze(cluster)
    start(routers)
    assert {one.state for one in carry(new).values()} == {State.APPLIED}
    assert {one.state for one in carry(old).values()} == {State.SUPERSEDED}


def test_an_earlier_revision_taken_back_is_applied_as_a_new_one(
    cluster: models.Cluster, routers: Routers
) -> None:
    start(routers)
    first = freeze(cluster)
    carry(first)
    edit(cluster, persistence=60)
    carry(freeze(cluster))
    store.take_back(first)
    third = freeze(cluster)
    carry(third)
    assert third.number == 3
    assert "persistent" not in routers["r1"].client.running()["lvs_cf"]


def test_an_answer_that_makes_no_sense_fails_its_deployment_and_no_other(
    cluster: models.Cluster, redis_server: RedisServer
) -> None:
    revision = freeze(cluster)
    deploy.advance()
    sent = revision.deployments.get(state=State.SENT)
    answers.give(dispatch.broker(), sent.router.name, sent.task_id, {"ok": True, "result": {"changes": None}})
    deploy.advance()
    states = {one.router.name: one.state for one in revision.deployments.all()}
    assert states == {"r2": State.FAILED, "r1": State.CANCELLED}
    assert "is not understood" in revision.deployments.get(router__name="r2").error
