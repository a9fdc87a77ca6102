"""What the manager makes of two routers' reports: a table of situations and the sentences they lead to."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from lvs.config.model import Redundancy
from lvs.pulse.election import alarms
from lvs.reported import witness
from lvs.reported.witness import Sight

PAIR = Redundancy(backup_active=True, deadtime=2)


def part(role: str, since: float, **changes: Any) -> dict[str, Any]:
    """`redundancy` of a status document whose clock stands at 1000."""
    return {
        "role": role,
        "since": 1000.0 - since,
        "reason": "partner active",
        "unfit": [],
        "peer": {"alive": True, "role": "standby" if role == "active" else "active"},
        "strangers": [],
        "peer_holds": False,
        "alarms": [],
        "heart": {"alive": True},
        **changes,
    }


def sight(name: str, role: str, *, since: float = 600, age: float = 1, **changes: Any) -> Sight:
    """A router that is heard; changes: of its `redundancy`, or with of={...} of its status document."""
    of = changes.pop("of", {})
    pulse = {
        "role": role,
        "mode": "kernel",
        "now": 1000.0,
        "started_at": 0.0,
        "serial": 4,
        "sha256": "a" * 64,
        "redundancy": part(role, since, **changes),
        **of,
    }
    return Sight(name=name, age=age, pulse=pulse)


def unseen(name: str) -> Sight:
    """A router whose report is too old, or was never there."""
    return Sight(name=name, age=60, pulse=None)


NOBODY = {"peer": None}
STRANGER = {"address": "10.0.0.1", "interface": "eth0", "mac": "02:00"}
DEAF = {"peer": {"alive": False, "role": "active"}}

TABLE = [
    ("both active for long", [sight("r1", "active"), sight("r2", "active")], "danger", "r1 and r2 are both"),
    (
        "none active for longer than the dead time",
        [sight("r1", "standby", unfit=["no link on eth0"]), sight("r2", "standby")],
        "danger",
        "No router is active, so nobody answers for the virtual addresses (r1: no link on eth0; r2: partner",
    ),
    (
        "one silent that the other hears",
        [unseen("r1"), sight("r2", "standby")],
        "warning",
        "r1 does not report: whether it is active is not known, but r2 hears it, and that it is active",
    ),
    (
        "one silent that the active one does not hear",
        [unseen("r1"), sight("r2", "active", **DEAF)],
        "danger",
        "and r2, which is active, does not hear it",
    ),
    (
        "one silent and the other standby without hearing it",
        [unseen("r1"), sight("r2", "standby", **NOBODY)],
        "danger",
        "so perhaps no router serves",
    ),
    (
        "a stranger at a virtual address",
        [
            sight("r1", "active", strangers=[STRANGER]),
            sight("r2", "standby"),
        ],
        "danger",
        "answers for 10.0.0.1 on eth0 (MAC 02:00, seen by r1)",
    ),
    (
        "a stranger that both see",
        [sight(name, role, strangers=[STRANGER]) for name, role in (("r1", "active"), ("r2", "standby"))],
        "danger",
        "seen by r1 and r2): some clients reach it",
    ),
    (
        "different files",
        [sight("r1", "active"), sight("r2", "standby", of={"serial": 3, "sha256": "b" * 64})],
        "warning",
        "do not run the same lvs.cf (r1 serial_no 4 (aaaaaaaa), r2 serial_no 3 (bbbbbbbb))",
    ),
    (
        "one without a file",
        [sight("r1", "active"), sight("r2", "standby", of={"serial": None, "sha256": None})],
        "warning",
        "r2 has none",
    ),
    (
        "no key on one",
        [sight("r1", "active"), sight("r2", "standby", of={"redundancy": None})],
        "warning",
        "r2 takes no part in the election",
    ),
    (
        "a heart that does not run",
        [sight("r1", "active", heart={"alive": False}), sight("r2", "standby")],
        "danger",
        "The heart of r1 does not run",
    ),
    (
        "a link that is silent",
        [sight("r1", "active", alarms=["No heartbeat on the private link for 9 s."]), sight("r2", "standby")],
        "warning",
        "r1: No heartbeat on the private link for 9 s.",
    ),
    (
        "a peer whose machine holds the addresses",
        [sight("r1", "standby", alarms=["It is held."], peer_holds=True, **DEAF), sight("r2", "active")],
        "danger",
        "r1: It is held.",
    ),
]


@pytest.mark.parametrize(("sights", "level", "begins"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_the_alarm_says_what_is_wrong(sights: list[Sight], level: str, begins: str) -> None:
    found = witness.alarms(sights, PAIR)
    assert [alarm.level for alarm in found if begins in alarm.sentence] == [level], found
    assert len(found) == 1, found


QUIET = [
    ("one active, one standby", [sight("r1", "active"), sight("r2", "standby")]),
    (
        # r1's report is of the time before r2 took over.
        "a switch between two reports",
        [sight("r1", "active", age=3), sight("r2", "active", since=2, age=0.5)],
    ),
    ("none active for a moment", [sight("r1", "standby", since=3), sight("r2", "standby")]),
    (
        "none active by reports of different moments",
        [sight("r1", "standby", since=600, age=5.5), sight("r2", "standby", since=8, age=0)],
    ),
    (
        "planning mode",
        [sight("r1", "active"), sight("r2", "standby", of={"redundancy": None, "mode": "planning"})],
    ),
    ("both unseen: each says so itself", [unseen("r1"), unseen("r2")]),
    (
        "what the heart says of both being active, which the manager sees better",
        [sight("r1", "active", alarms=[f"{witness.ECHOES[0]}: one stands down."]), sight("r2", "standby")],
    ),
]


@pytest.mark.parametrize("sights", [row[1] for row in QUIET], ids=[row[0] for row in QUIET])
def test_nothing_is_said_of(sights: list[Sight]) -> None:
    assert witness.alarms(sights, PAIR) == ()


def test_without_a_second_router_nothing_is_said() -> None:
    two = [sight("r1", "active"), sight("r2", "active")]
    assert witness.alarms(two[:1], PAIR) == ()
    assert witness.alarms(two, Redundancy()) == ()
    assert witness.alarms(two, None) == ()


def test_none_active_counts_from_the_dead_time_where_that_is_longer() -> None:
    sights = [sight("r1", "standby", since=8), sight("r2", "standby", since=8)]
    assert len(witness.alarms(sights, PAIR)) == 1
    assert witness.alarms(sights, Redundancy(backup_active=True, deadtime=18)) == ()


def test_routers_that_differ_while_a_change_is_on_its_way_are_said_to_be_on_that_way() -> None:
    sights = [sight("r1", "active"), sight("r2", "standby", of={"sha256": "b" * 64})]
    (alarm,) = witness.alarms(sights, PAIR, applying=True)
    assert "a change is on its way" in alarm.sentence


def test_the_worst_comes_first_and_nothing_twice() -> None:
    deaf = ["No heartbeat on the private link."]
    sights = [sight("r1", "active", alarms=deaf * 2), sight("r2", "active", alarms=deaf)]
    found = witness.alarms(sights, PAIR)
    assert [alarm.level for alarm in found] == ["danger", "warning", "warning"]


def test_the_sentences_that_are_left_out_are_the_hearts() -> None:
    source = inspect.getsource(alarms)
    assert all(f'"{echo}' in source for echo in witness.ECHOES)
