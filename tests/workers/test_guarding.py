"""The panel's port, which the router on its machine guards as the site's settings say."""

from __future__ import annotations

import logging
import os
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from lvs import dispatch
from lvs.reported import answers, reports
from lvs.router.state import Guard
from lvs.sent import guarding
from lvs.sent.guarding import Warden
from tests.conftest import RedisServer, eventually
from tests.workers.by_hand import queued, report
from tests.workers.conftest import PIRANHA, RouterProcesses

PANEL = Guard(3636, (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("fc00::/7")))
WORDS = {"port": 3636, "networks": ["10.0.0.0/8", "127.0.0.0/8", "fc00::/7"]}


class Clock:
    """Time that a test turns. seconds: on no particular scale."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(redis_server: RedisServer) -> Clock:
    return Clock()


def warden(clock: Clock) -> Warden:
    return Warden(dispatch.broker(), "r1", lambda: PANEL, clock)


def look(warden: Warden, clock: Clock) -> None:
    """The step in which it looks, with those before, in which it must not."""
    clock.seconds += guarding.LOOK_SECONDS - 0.1
    for _ in range(3):
        warden.advance()
    clock.seconds += 0.2
    warden.advance()


def answer(warden: Warden, said: dict[str, Any]) -> None:
    assert warden._asked is not None
    answers.give(dispatch.broker(), "r1", warden._asked, said)


def test_a_router_that_guards_another_port_is_told_once_until_it_has_answered(clock: Clock) -> None:
    report("r1", None, guard={"port": 80, "networks": []})
    one = warden(clock)
    for _ in range(5):
        one.advance()
    assert queued("r1") == [("piranha.guard", [3636, WORDS["networks"]])]
    answer(one, {"ok": True, "result": {"guard": WORDS, "changes": []}})
    one.advance()
    assert one.problem is None
    look(one, clock)
    assert len(queued("r1")) == 2  # its report did not follow
    answer(one, {"ok": True, "result": {"guard": WORDS, "changes": []}})
    one.advance()
    report("r1", None, guard=WORDS)
    for _ in range(3):
        look(one, clock)
    assert len(queued("r1")) == 2


def test_a_list_that_changes_is_carried_to_the_router_at_once(clock: Clock) -> None:
    wanted = [PANEL]
    report("r1", None, guard=WORDS)
    one = Warden(dispatch.broker(), "r1", lambda: wanted[-1], clock)
    one.advance()
    assert queued("r1") == []

    wanted.append(Guard(3636, (ip_network("10.0.0.0/8"),)))
    one.advance()
    assert queued("r1") == [("piranha.guard", [3636, ["10.0.0.0/8"]])]

    # It changes again while the router is at work: the next step after its answer asks anew.
    wanted.append(Guard(3636, (ip_network("192.0.2.0/24"),)))
    one.advance()
    assert len(queued("r1")) == 1
    answer(one, {"ok": True, "result": {}})
    one.advance()
    one.advance()
    assert queued("r1")[1:] == [("piranha.guard", [3636, ["192.0.2.0/24"]])]


def test_networks_in_another_order_are_the_same_guard(clock: Clock) -> None:
    report("r1", None, guard={"port": 3636, "networks": WORDS["networks"][::-1]})  # type: ignore[index]
    one = warden(clock)
    one.advance()
    assert queued("r1") == []


@pytest.mark.parametrize(
    "found", [{}, {"guard": None}, {"guard": {}}, {"guard": {"port": 0, "networks": []}}]
)
def test_what_says_nothing_of_a_guard_is_told(clock: Clock, found: dict[str, Any]) -> None:
    report("r1", None, **found)
    one = warden(clock)
    one.advance()
    assert len(queued("r1")) == 1


def test_what_a_router_refuses_is_said_once_and_tried_again(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    report("r1", None, guard=None)
    one = warden(clock)
    one.advance()
    error = {"kind": "RouterError", "message": "198.51.100.7 has a connection", "problems": []}
    with caplog.at_level(logging.WARNING, "piranha.guarding"):
        for _ in range(3):
            answer(one, {"ok": False, "error": error})
            one.advance()
            assert one.problem == (
                "Port 3636 of this panel is not guarded: router r1 refuses: 198.51.100.7 has a connection"
            )
            look(one, clock)
        answer(one, {"ok": True, "result": {}})
        one.advance()
    assert one.problem is None
    assert [record.getMessage() for record in caplog.records] == [
        "Port 3636 of this panel is not guarded: router r1 refuses: 198.51.100.7 has a connection",
        "Port 3636 of this panel is guarded.",
    ]
    assert len(queued("r1")) == 4


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(clock: Clock) -> None:
    report("r1", None, guard=None)
    one = warden(clock)
    one.advance()
    task_id = one._asked
    assert task_id is not None
    assert answers.is_wanted(dispatch.broker(), "r1", task_id)
    clock.seconds += guarding.OVERDUE_SECONDS
    one.advance()
    assert one.problem is not None
    assert "did not answer" in one.problem
    assert not answers.is_wanted(dispatch.broker(), "r1", task_id)


def test_a_router_that_is_not_heard_is_asked_nothing_and_said_when_it_stays_so(clock: Clock) -> None:
    one = warden(clock)
    one.advance()
    assert one.problem is None
    look(one, clock)
    assert one.problem is not None
    assert "r1 is not heard" in one.problem
    assert queued("r1") == []
    report("r1", None, guard=WORDS)
    look(one, clock)
    assert one.problem is None


def test_the_router_of_this_machine_guards_the_port_from_a_real_worker(
    routers: dict[str, RouterProcesses], clock: Clock
) -> None:
    routers["r1"].start_pulse()
    routers["r1"].start_worker()
    eventually(lambda: "r1" in reports.briefs(dispatch.broker(), ["r1"]), "r1 reports")
    one = warden(clock)

    def is_guarded() -> bool:
        clock.seconds += 1
        one.advance()
        brief = reports.briefs(dispatch.broker(), ["r1"])["r1"]
        return brief.guard == WORDS

    eventually(is_guarded, "the router guards the port")
    assert one.problem is None
    assert routers["r1"].client.status()["guard"] == WORDS


def test_the_managers_worker_has_the_port_guarded_as_its_settings_say(
    routers: dict[str, RouterProcesses], redis_server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("k" * 60)
    environment = {
        **os.environ,
        "PIRANHA_BROKER_URL": redis_server.url,
        "PIRANHA_SECRET_KEY_FILE": str(tmp_path / "key"),
        "PIRANHA_VAR": str(settings.VAR),
        "PIRANHA_DATABASE": str(tmp_path / "site.sqlite3"),
        "PIRANHA_ALLOW_FILE": str(tmp_path / "allow"),
        "PIRANHA_ALLOW": "127.0.0.0/8 10.0.0.0/8,fc00::/7",
        "PIRANHA_GUARD": "r1",
    }
    routers["r1"].start_pulse()
    routers["r1"].start_worker()
    subprocess.run([PIRANHA, "manage", "migrate", "--verbosity", "0"], env=environment, check=True)
    eventually(lambda: "r1" in reports.briefs(dispatch.broker(), ["r1"]), "r1 reports")
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([PIRANHA, "worker", "--manager"], env=environment, stdout=log, stderr=log) as worker,
    ):
        try:
            # Loopback needs no entry: what comes by lo always passes.
            guarded = {**WORDS, "networks": ["10.0.0.0/8", "fc00::/7"]}
            eventually(
                lambda: routers["r1"].client.status()["guard"] == guarded, "the router guards the port"
            )
            (tmp_path / "allow").write_text("10.0.0.0/8\n")
            guarded["networks"] = ["10.0.0.0/8"]
            eventually(
                lambda: routers["r1"].client.status()["guard"] == guarded, "the guard follows the list"
            )
            eventually(managers_report_is_clean, "the manager's worker reports that nothing is in the way")
        finally:
            worker.terminate()
            worker.wait(30)


def managers_report_is_clean() -> bool:
    report = reports.fetch(dispatch.broker(), [reports.MANAGER]).get(reports.MANAGER)
    return report is not None and report.problem is None
