"""The heart's core beside a pulse that does not raise the floating addresses when it is told to."""

from __future__ import annotations

import pytest

from tests.unit.pulse.hearts import FLOATING, World

NOT_RAISED = "pulse has not raised the floating addresses: look into its log, and restart it"


@pytest.fixture
def world() -> World:
    """Both routers run, the primary is active."""
    made = World()
    made.start()
    return made


def test_a_hand_over_to_a_pulse_that_does_not_raise_is_refused_and_the_service_stays(world: World) -> None:
    world.backup.works = False
    world.primary.say({"say": "order", "id": 1, "order": "hand over"})
    while not world.primary.heard("answer"):
        world.run(world.STEP)
        assert world.primary.held == {FLOATING}
    (answer,) = world.primary.heard("answer")
    assert not answer["ok"]
    assert "did not raise the floating addresses: this one stays active" in answer["message"]
    world.run(3)
    assert (world.primary.role, world.backup.role) == ("active", "standby")
    assert not world.backup.status["fit"]
    world.backup.works = True
    world.run(0.1)
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())
    assert world.backup.status["fit"]


def test_a_hand_over_to_a_pulse_that_says_that_it_cannot_raise_is_refused_at_once(world: World) -> None:
    world.backup.faults = ["192.0.2.80 is in use"]
    world.primary.say({"say": "order", "id": 1, "order": "hand over"})
    took = world.until(lambda: bool(world.primary.heard("answer")), 1)
    assert took < 0.05
    assert not world.primary.heard("answer")[0]["ok"]
    world.run(3)
    assert (world.primary.held, world.primary.role, world.backup.role) == ({FLOATING}, "active", "standby")
    assert world.backup.status["unfit"] == ["192.0.2.80 is in use"]


def test_a_stop_beside_a_pulse_that_does_not_raise_leaves_the_kernel_balancing(world: World) -> None:
    world.backup.works = False
    world.primary.say({"say": "order", "id": 1, "order": "stop"})
    world.until(lambda: bool(world.primary.heard("answer")), 2)
    (answer,) = world.primary.heard("answer")
    assert answer["ok"]
    assert answer["message"].endswith("the kernel goes on balancing")
    world.primary.say({"say": "leave"})
    world.primary.alive = False
    world.run(5)
    world.backup.works = True
    world.run(5)
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())


def test_a_standby_whose_pulse_hangs_at_a_crash_gives_its_role_back(world: World) -> None:
    world.backup.works = False
    world.primary.alive, world.primary.held = False, set()
    world.primary.kill_pulse()
    world.until(lambda: world.backup.role == "active", 1)
    world.run(3)
    assert world.backup.role == "active", "nobody else can, so it goes on trying"
    assert world.backup.status["unfit"] == [NOT_RAISED]
    events = [one["text"] for one in world.backup.heard("event") if NOT_RAISED in one["text"]]
    assert len(events) == 1
    world.primary.alive = True
    world.primary.start_pulse()
    world.until(lambda: world.primary.held == {FLOATING}, 1)
    world.run(3)
    assert (world.primary.role, world.backup.role) == ("active", "standby")
    assert not world.backup.status["fit"], "it has not said that it lowered them"
    world.backup.unread = [one for one in world.backup.unread if one.get("role") == "standby"][-1:]
    world.backup.works = True  # and reads its last role only
    world.run(0.1)
    assert world.backup.status["fit"]


def test_a_pulse_that_raises_late_where_nobody_else_can_serves_and_is_fit(world: World) -> None:
    world.backup.works = False
    world.primary.alive, world.primary.held = False, set()
    world.run(4)
    assert not world.backup.status["fit"]
    world.backup.works = True
    world.run(0.1)
    assert (world.backup.held, world.backup.role) == ({FLOATING}, "active")
    assert world.backup.status["fit"]
