"""kill -9 of everything that takes part in a two-router apply, at each of its steps.

Whatever dies: what is half done is shown as unfinished until it is not, both routers end with the same
revision, and the next Apply finds nothing in its way.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.utils import timezone

from lvs import dispatch, models, store
from lvs.reported import answers
from lvs.sent import deploy, sending
from tests.conftest import RedisServer, eventually
from tests.workers.by_hand import State, edit, pair, states
from tests.workers.conftest import RouterProcesses

pytestmark = pytest.mark.django_db(transaction=True)

Routers = dict[str, RouterProcesses]
Work = Callable[[], None]

STEPS = {
    "before anything is sent": {"r2": State.QUEUED, "r1": State.QUEUED},
    "when the standby has the task": {"r2": State.SENT, "r1": State.QUEUED},
    "when the active router has the task": {"r2": State.APPLIED, "r1": State.SENT},
    "when both have it": {"r2": State.APPLIED, "r1": State.APPLIED},
}


class Killed(BaseException):
    """What stands for SIGKILL inside this process: nothing catches it."""


@pytest.fixture
def cluster(redis_server: RedisServer) -> models.Cluster:
    """A pair whose candidate has one virtual server."""
    return pair()


@pytest.fixture
def running(cluster: models.Cluster, routers: Routers) -> Routers:
    """Both routers with what they need, running revision 1."""
    for router in routers.values():
        router.start_pulse()
        router.start_worker()
    eventually(lambda: all(heard(name) for name in routers), "both workers report")
    finish(dispatch.apply(cluster, author="anna", message=""))
    return routers


def next_revision(cluster: models.Cluster) -> models.Revision:
    """A change that is applied, and nothing carried out of it yet."""
    edit(cluster, persistence=1000 + cluster.revisions.count())
    return dispatch.apply(cluster, author="anna", message="")


def heard(name: str) -> bool:
    found = dispatch.report_of(models.Router.objects.get(name=name))
    return found is not None and not found.is_silent and found.pulse is not None


def finish(revision: models.Revision) -> None:
    """The manager's work until nothing is unfinished; what was lost is overdue at once."""

    def is_finished() -> bool:
        try:
            deploy.advance()
        except redis.RedisError:
            return False
        return not any(one.is_unfinished for one in revision.deployments.all())

    eventually(is_finished, f"{revision} is carried to its routers", 60)


def overdue(revision: models.Revision) -> None:
    """Lets the time pass after which an answer does not come any more."""
    unfinished = revision.deployments.filter(state__in=State.unfinished())
    unfinished.exclude(sent_at=None).update(sent_at=timezone.now() - 2 * deploy.OVERDUE)


def reach(revision: models.Revision, wanted: dict[str, str]) -> None:
    """The manager's work until the deployments stand as wanted."""
    for _ in range(2000):
        if states(revision) == wanted:
            return
        before = states(revision)
        deploy.advance()
        if before == states(revision):
            eventually(answered(revision), "a router answers")
    pytest.fail(f"{states(revision)} is not {wanted}")


def answered(revision: models.Revision) -> Callable[[], bool]:
    sent = revision.deployments.filter(state=State.SENT).first()
    return lambda: sent is None or answers.take(dispatch.broker(), sent.router.name, sent.task_id) is not None


def serials(routers: Routers) -> dict[str, int]:
    return {name: router.client.running()["serial"] for name, router in routers.items()}


def nothing_is_hidden(revision: models.Revision, routers: Routers) -> None:
    """Routers that differ are never said to be done."""
    if len(set(serials(routers).values())) > 1:
        assert any(one.is_unfinished for one in revision.deployments.all())


def ends_well(cluster: models.Cluster, revision: models.Revision, routers: Routers) -> None:
    """Both routers run the revision, and the next Apply goes through."""
    finish(revision)
    assert set(states(revision).values()) == {State.APPLIED}
    assert set(serials(routers).values()) == {revision.number}
    following = next_revision(cluster)
    finish(following)
    assert set(states(following).values()) == {State.APPLIED}
    assert set(serials(routers).values()) == {following.number}


@pytest.mark.parametrize("name", ["r1", "r2"])
def test_a_worker_is_killed_at_each_step(cluster: models.Cluster, running: Routers, name: str) -> None:
    for step in STEPS.values():
        revision = next_revision(cluster)
        reach(revision, dict(step))
        running[name].stop("worker", signal.SIGKILL)
        deploy.advance()
        nothing_is_hidden(revision, running)
        running[name].start_worker()
        eventually(lambda: heard(name), f"the worker of {name} reports")
        # What the killed worker had is lost; the manager sends it again when it is overdue.
        overdue(revision)
        ends_well(cluster, revision, running)


def test_redis_is_killed_at_each_step_and_loses_all_it_had(
    cluster: models.Cluster, running: Routers, redis_server: RedisServer
) -> None:
    for step in STEPS.values():
        revision = next_revision(cluster)
        reach(revision, dict(step))
        assert redis_server.process is not None
        redis_server.process.kill()
        redis_server.stop()
        nothing_is_hidden(revision, running)
        redis_server.start()
        eventually(lambda: heard("r1") and heard("r2"), "both workers report again", 60)
        overdue(revision)
        ends_well(cluster, revision, running)


DOORS: dict[str, tuple[Any, str]] = {
    "before a task is sent": (answers, "want"),
    "at sending a task": (sending, "put"),
    "when a task is sent and not yet noted": (models.Deployment, "send"),
    "when an answer is read and not yet noted": (models.Deployment, "end"),
    "when an answer is noted": (answers, "unwant"),
}


@pytest.mark.parametrize("time", [1, 2], ids=["for the standby", "for the active router"])
def test_the_managers_worker_is_killed_at_each_door(
    cluster: models.Cluster, running: Routers, monkeypatch: pytest.MonkeyPatch, time: int
) -> None:
    for owner, name in DOORS.values():
        revision = next_revision(cluster)
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, killing_at(time, getattr(owner, name)))
            with pytest.raises(Killed):
                finish(revision)
        nothing_is_hidden(revision, running)
        ends_well(cluster, revision, running)


def killing_at(time: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """What kills at that call, and does what real does before."""
    calls: list[int] = []

    def killing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == time:
            raise Killed
        return real(*args, **kwargs)

    return killing


@pytest.mark.parametrize("row", ["Revision", "Deployment"])
def test_the_web_server_is_killed_in_the_middle_of_apply(
    cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    kind = getattr(models, row)
    with monkeypatch.context() as patched:

        def killing(*args: Any, **kwargs: Any) -> None:
            raise Killed

        patched.setattr(kind, "save", killing)
        with pytest.raises(Killed):
            dispatch.apply(cluster, author="anna", message="")
    assert not models.Revision.objects.exists()
    assert not models.Deployment.objects.exists()
    assert len(store.pending(cluster)) > 0
    assert dispatch.apply(cluster, author="anna", message="").number == 1
