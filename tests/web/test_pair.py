"""What the pages make of the two routers' reports: roles, ages, losses, and what is not known any more."""

from __future__ import annotations

from typing import Any

import pytest

from lvs import dispatch, models
from lvs.reported import reports
from piranha_web.pair import Pair, pair_of
from piranha_web.templatetags.piranha import span
from tests.web.redundant import link, redundant
from tests.web.reports import status


def pair(age: float = 1.0, **pulses: dict[str, Any] | None) -> Pair:
    """The pair whose routers reported these documents so many seconds ago."""
    cluster = models.Cluster(name="lab")
    found = {name: reports.Report(name=name, age=age, pulse=pulse) for name, pulse in pulses.items()}
    routers = [models.Router(cluster=cluster, name=name, node="primary") for name in pulses]
    states = tuple(dispatch.described(router, found[router.name]) for router in routers)
    return pair_of(dispatch.ClusterState(routers=states, problem=None, manager_problem=None, alarms=()))


@pytest.fixture(autouse=True)
def _all_applied_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No router's lvs.cf was changed outside; that question would need rows."""
    monkeypatch.setattr(dispatch, "is_known", lambda *_question: True)


def test_the_active_router_comes_first_with_since_when_and_why() -> None:
    found = pair(r1=redundant("standby"), r2=redundant("active", of={"reason": "switched by hand"}))
    assert [one.name for one in found.members] == ["r2", "r1"]
    assert found.active is not None
    assert found.active.reason == "switched by hand"
    assert found.active.since is not None


@pytest.mark.parametrize(("first", "second"), [("active", "active"), ("standby", "standby")])
def test_with_two_or_no_actives_nobody_is_called_the_active_one(first: str, second: str) -> None:
    assert pair(r1=redundant(first), r2=redundant(second)).active is None


def test_a_router_that_has_not_reported_for_long_is_not_counted_as_active() -> None:
    assert pair(age=60, r1=redundant("active"), r2=redundant("standby")).actives == ()


def test_the_loss_of_a_link_is_counted_against_what_should_have_come() -> None:
    found = pair(r1=redundant(of={"links": [link(received=75, lost=25), link(received=0, lost=0)]}))
    assert [one.loss for one in found.members[0].links] == [25.0, None]


def test_the_age_of_a_heartbeat_is_what_the_router_saw_and_grows_once_the_router_is_silent() -> None:
    said = redundant(of={"links": [link(heard_at=100.0), link(heard_at=None)]}, now=100.25)
    fresh = pair(r1=said).members[0]
    silent = pair(age=60, r1=said).members[0]
    assert [one.heard for one in fresh.links] == [0.25, None]
    assert [one.heard for one in silent.links] == [60.25, None]


def test_a_clock_that_steps_back_makes_no_negative_age() -> None:
    assert pair(r1=redundant(of={"links": [link(heard_at=200.0)]}, now=100.0)).members[0].links[0].heard == 0


def test_only_refusals_that_happened_are_named() -> None:
    counts = {"malformed": 0, "forged": 7, "foreign": 0, "replayed": 2, "unverified": 0}
    found = pair(r1=redundant(of={"refused": counts}))
    assert found.members[0].refused == (("with a false signature", 7), ("heard before, or late", 2))


def test_the_changes_of_role_of_both_routers_are_one_list_newest_first() -> None:
    first = [{"at": 10.0, "role": "active", "reason": "primary inactive"}]
    second = [
        {"at": 5.0, "role": "standby", "reason": "partner active"},
        {"at": 20.0, "role": "active", "reason": "a"},
    ]
    found = pair(r1=redundant(of={"transitions": first}), r2=redundant(of={"transitions": second}))
    assert [(one.router, one.role) for one in found.transitions] == [
        ("r2", "active"),
        ("r1", "active"),
        ("r2", "standby"),
    ]


def test_a_report_of_a_pulse_without_a_heart_is_no_redundancy() -> None:
    found = pair(r1=status(), r2=status("standby", redundancy=None))
    assert not found.is_redundant
    assert found.active is not None
    assert found.active.reason == ""


def test_a_router_that_never_reported_is_left_out() -> None:
    assert [one.name for one in pair(r1=redundant(), r2=None).members] == ["r1"]


def test_a_stage_is_named_where_it_is_more_than_the_role() -> None:
    assert pair(r1=redundant(of={"stage": "yielding"})).members[0].stage == "yielding"
    assert pair(r1=redundant()).members[0].stage == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "never"), (0.031, "0.03 s"), (1.26, "1.3 s"), (12.7, "12 s"), (300.0, "5 min")],
)
def test_a_length_of_time_below_ten_seconds_has_its_fraction(seconds: float | None, text: str) -> None:
    assert span(seconds) == text
