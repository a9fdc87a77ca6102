"""The heart's core, two of them in a world without sockets: what a router says, does and leaves alone."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lvs.pulse.heart.core import ALONE
from lvs.pulse.heart.messages import HANGS
from lvs.pulse.heartbeat import Link
from lvs.pulse.keys import joined
from lvs.router.neighbours import Claim
from tests.unit.pulse.hearts import FLOATING, GATEWAY, KEY, MAC, NEXT_KEY, World

DEADTIME, KEEPALIVE = 0.4, 0.1
NEW = bytes.fromhex(NEXT_KEY)
STRANGER = b"\x02\0\0\0\0\x77"


@pytest.fixture
def world() -> World:
    """Both routers run, the primary is active."""
    made = World()
    made.start()
    return made


def cut(world: World, *nodes: str) -> None:
    """Nothing that these routers say of themselves arrives."""
    world.cut |= {(node, link) for node in nodes for link in Link}


def alarms(machine: Any) -> str:
    return " ".join(machine.status["alarms"])


# A pair


def test_a_heart_without_settings_says_nothing_to_the_network_and_no_role(world: World) -> None:
    fresh = World()
    assert fresh.primary.core.hello()["role"] is None
    fresh.run(3)
    assert fresh.recorded == []
    assert world.primary.core.hello()["role"] == "active"


def test_heartbeats_come_at_even_times_without_drift(world: World) -> None:
    world.recorded.clear()
    world.run(20)
    said = [sender for sender, link, _ in world.recorded if link is Link.PRIVATE]
    assert abs(said.count("primary") - 20 / KEEPALIVE) <= 1
    assert abs(said.count("backup") - 20 / KEEPALIVE) <= 1


def test_after_a_pause_there_is_no_burst_of_what_was_missed(world: World) -> None:
    world.recorded.clear()
    world.now += 60
    world.run(0.05)
    assert len([one for one in world.recorded if one[:2] == ("primary", Link.PUBLIC)]) <= 3


def test_a_machine_that_is_gone_is_replaced_within_the_dead_time(world: World) -> None:
    world.primary.alive, world.primary.held = False, set()
    assert world.until(lambda: world.backup.held == {FLOATING}, 2) <= DEADTIME + 0.05
    assert world.backup.status["transitions"][-1]["role"] == "active"


def test_one_link_that_is_cut_moves_nothing_and_raises_an_alarm(world: World) -> None:
    world.cut |= {("primary", Link.PRIVATE), ("backup", Link.PRIVATE)}
    world.run(5)
    assert (world.primary.role, world.backup.role) == ("active", "standby")
    assert "private" in alarms(world.primary)
    links = {one["name"]: one["alive"] for one in world.backup.status["links"]}
    assert links == {"public": True, "private": False}


def test_the_heartbeat_alone_being_cut_moves_nothing(world: World) -> None:
    cut(world, "primary", "backup")
    world.run(10)
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())
    assert world.backup.status["peer_holds"]
    assert alarms(world.backup)


def test_silence_counts_only_while_a_standby_has_a_link_to_listen_on(world: World) -> None:
    cut(world, "primary", "backup")
    world.no_arp.add("primary")
    world.backup.deaf = True
    world.run(5 * DEADTIME)
    assert world.backup.role == "standby"
    assert any("could not hear" in reason for reason in world.backup.status["unfit"])
    world.backup.deaf = False
    assert world.until(lambda: world.backup.role == "active", 2 * DEADTIME) > 0.9 * DEADTIME


def test_a_router_without_a_link_to_listen_on_can_be_forced_to_be_active(world: World) -> None:
    cut(world, "primary", "backup")
    world.primary.alive = False
    world.primary.held.clear()
    world.backup.deaf = True
    world.run(2 * DEADTIME)
    world.backup.say({"say": "order", "id": 1, "order": "force"})
    world.run(2 * DEADTIME)
    assert world.backup.held == {FLOATING}
    assert world.backup.heard("answer")[0]["ok"]


def test_when_both_processes_die_the_machine_keeps_its_addresses_until_it_is_gone(world: World) -> None:
    world.primary.alive = False
    world.run(10)
    assert world.backup.held == set()
    world.no_arp.add("primary")
    world.until(lambda: world.backup.held == {FLOATING}, 2)


def test_a_hand_over_by_hand_moves_the_role_without_a_moment_without_an_owner(world: World) -> None:
    world.primary.say({"say": "order", "id": 7, "order": "hand over"})
    while world.backup.held != {FLOATING} or world.primary.held:
        assert world.primary.held or world.backup.held
        world.run(world.STEP)
    (answer,) = world.primary.heard("answer")
    assert (answer["id"], answer["ok"]) == (7, True)
    (told,) = [one for one in world.backup.heard("role") if one["role"] == "active"]
    assert told["soft"]


def test_an_order_that_cannot_be_done_is_answered_with_the_reason(world: World) -> None:
    world.backup.kill_pulse()
    world.run(0.5)
    world.primary.say({"say": "order", "id": "x", "order": "hand over"})
    world.run(0.1)
    (answer,) = world.primary.heard("answer")
    assert not answer["ok"]
    assert answer["message"]


def test_a_second_order_is_refused_until_the_first_is_done(world: World) -> None:
    cut(world, "backup")
    world.primary.say({"say": "order", "id": 1, "order": "hand over"})
    world.primary.say({"say": "order", "id": 2, "order": "hand over"})
    world.run(4)
    assert sorted(one["id"] for one in world.primary.heard("answer")) == [1, 2]
    assert not any(one["ok"] for one in world.primary.heard("answer"))


def test_a_stop_hands_over_before_it_is_answered_and_leave_ends_the_heart(world: World) -> None:
    world.primary.say({"say": "order", "id": 1, "order": "stop"})
    world.until(lambda: bool(world.primary.heard("answer")), 2)
    assert world.primary.heard("answer")[0]["ok"]
    assert (world.primary.held, world.backup.held) == (set(), {FLOATING})
    world.primary.say({"say": "leave"})
    assert world.primary.ended


def test_a_pulse_that_was_killed_at_its_end_leaves_no_stop_behind(world: World) -> None:
    world.primary.say({"say": "order", "id": 1, "order": "stop"})
    world.until(lambda: bool(world.primary.heard("answer")), 2)
    world.primary.kill_pulse()  # before it said leave
    world.run(1)
    assert any("has ended" in alarm for alarm in world.backup.status["alarms"])
    world.primary.start_pulse()
    world.run(1)
    assert world.backup.status["alarms"] == []
    world.backup.say({"say": "order", "id": 1, "order": "hand over"})
    world.until(lambda: world.primary.held == {FLOATING}, 2)


def test_leave_and_sigterm_touch_no_address_while_pulse_is_there(world: World) -> None:
    world.primary.say({"say": "leave"})
    world.primary.core.terminated(world.now)
    assert world.primary.ended
    assert world.primary.held == {FLOATING}


# The fence


def test_a_pulse_that_is_back_within_the_dead_time_changes_nothing(world: World) -> None:
    world.primary.kill_pulse()
    world.run(DEADTIME - 0.05)
    world.primary.start_pulse(held=False)
    world.run(3)
    assert (world.primary.role, world.primary.held, world.backup.held) == ("active", {FLOATING}, set())
    assert world.primary.heard("role")[-1]["role"] == "active"


def test_a_pulse_that_is_gone_for_the_dead_time_is_fenced_and_replaced_without_a_gap(world: World) -> None:
    world.primary.kill_pulse()
    world.run(DEADTIME - 0.01)
    assert world.backup.held == set()
    double = 0
    while world.primary.held:
        assert world.primary.held or world.backup.held
        double += bool(world.backup.held)
        world.run(world.STEP)
    assert world.backup.held == {FLOATING}
    assert double <= 10  # milliseconds
    world.run(5)
    assert world.primary.role == "standby"
    assert not world.primary.status["fit"]
    assert world.backup.status["peer"]["alive"]
    assert not world.backup.status["peer"]["fit"]
    assert any("took the floating addresses down" in line for line in world.primary.logged)


def test_where_nobody_can_take_over_the_kernel_balances_on_without_pulse(world: World) -> None:
    world.backup.kill_pulse()
    world.run(1)
    world.primary.kill_pulse()
    world.run(20)
    assert (world.primary.held, world.primary.role) == ({FLOATING}, "active")
    assert not world.primary.status["fit"]
    assert any("is to take over, if it can" in line for line in world.primary.logged)
    world.backup.start_pulse()
    world.until(lambda: (world.primary.held, world.backup.held) == (set(), {FLOATING}), 2)


def test_a_heart_without_pulse_waits_for_the_next_thing_to_do(world: World) -> None:
    world.primary.kill_pulse()
    world.run(5)
    world.backup.kill_pulse()
    world.run(5)
    for machine in (world.primary, world.backup):
        machine.core.tick(world.now)
        assert machine.core.next_at(world.now) > world.now


def test_a_heart_whose_new_pulse_has_only_nonsense_to_say_does_not_spin(world: World) -> None:
    world.primary.core.came(world.now)
    world.primary.say({"say": "settings"})
    world.run(3)
    world.primary.core.tick(world.now)
    assert world.primary.core.next_at(world.now) > world.now


def test_sigterm_without_pulse_leaves_the_addresses_where_nobody_can_take_over(world: World) -> None:
    world.backup.alive = False
    world.run(1)
    world.primary.kill_pulse()
    world.primary.core.terminated(world.now)
    assert (world.primary.ended, world.primary.held) == (True, {FLOATING})


def test_a_fenced_pulse_that_returns_is_standby_and_fit_once_it_has_lowered(world: World) -> None:
    world.primary.kill_pulse()
    world.until(lambda: not world.primary.held, 2)
    world.primary.inbox.clear()
    world.primary.start_pulse()
    assert [one["role"] for one in world.primary.heard("role")] == ["standby"]
    assert not world.primary.status["fit"]
    assert any("in its place" in one["text"] for one in world.primary.heard("event"))
    world.run(1)
    assert world.primary.status["fit"]
    assert (world.primary.role, world.backup.held) == ("standby", {FLOATING})


def test_a_pulse_that_hangs_is_fenced_and_what_it_raises_when_it_wakes_goes_down_again(world: World) -> None:
    world.primary.reads = False
    took = world.until(lambda: not world.primary.held, HANGS + 1)
    assert took == pytest.approx(HANGS, abs=0.6)
    assert world.backup.held == {FLOATING}
    world.primary.held.add(FLOATING)  # it was in the middle of it
    world.primary.say({"say": "beat"})
    assert world.primary.held == set()
    world.primary.reads = True
    world.run(1)
    assert world.primary.heard("role")[-1]["role"] == "standby"
    assert (world.primary.status["fit"], world.primary.held) == (True, set())


def test_a_standby_without_pulse_does_not_take_over(world: World) -> None:
    world.backup.kill_pulse()
    world.run(1)
    assert not world.primary.status["peer"]["fit"]
    world.primary.alive, world.primary.held = False, set()
    world.run(5)
    assert world.backup.role == "standby"
    world.backup.start_pulse()
    world.until(lambda: world.backup.held == {FLOATING}, 2)


def test_a_pulse_that_does_not_lower_when_told_to_is_helped(world: World) -> None:
    world.primary.reads = False
    world.primary.say({"say": "order", "id": 1, "order": "hand over"})
    world.until(lambda: world.backup.held == {FLOATING}, 1)
    world.until(lambda: not world.primary.held, 1.2)
    assert world.primary.role == "standby"
    assert not world.primary.status["fit"]


def test_what_cannot_be_lowered_is_tried_again_and_never_said_to_be_down(world: World) -> None:
    world.primary.stuck = ("192.0.2.80 is still there",)
    world.primary.kill_pulse()
    world.run(2)
    assert world.primary.held == {FLOATING}
    assert "still there" in " ".join(world.primary.logged)
    duty = world.primary.core.duty
    assert duty is not None
    assert not duty._word(world.now).released
    world.primary.stuck = ()
    world.run(1.1)
    assert world.primary.held == set()


def test_what_could_not_be_lowered_is_left_alone_once_the_role_is_back(world: World) -> None:
    world.primary.stuck = ("192.0.2.80 is still there",)
    world.primary.kill_pulse()
    world.until(lambda: world.backup.held == {FLOATING}, 2)
    world.run(1.5)
    world.backup.alive, world.backup.held = False, set()
    world.primary.works = False
    world.primary.start_pulse()
    world.primary.unread.clear()  # of two roles that wait for it, pulse takes up the newest alone
    world.primary.works = True
    world.primary.say({"say": "order", "id": 1, "order": "force"})
    world.primary.stuck = ()
    world.run(3)
    assert (world.primary.role, world.primary.held) == ("active", {FLOATING})


def test_sigterm_while_pulse_is_gone_takes_the_addresses_down_before_the_heart_ends(world: World) -> None:
    world.primary.kill_pulse()
    world.primary.core.terminated(world.now)
    assert world.primary.ended
    assert world.primary.held == set()
    world.primary.alive = False
    assert world.until(lambda: world.backup.held == {FLOATING}, 1) < 0.05


def test_a_suspended_machine_gives_its_pulse_time_to_speak_again(world: World) -> None:
    world.now += 3600
    for machine in world.machines:
        machine.core.tick(world.now)
        machine.beat_at = world.now + 1
    world.run(2)
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())


def test_a_heart_that_nobody_needs_ends(world: World) -> None:
    world.backup.kill_pulse()
    world.now += ALONE - 1
    world.backup.core._last_at = world.now  # it did not sleep
    world.backup.core.tick(world.now)
    assert not world.backup.ended
    world.now += 1
    world.backup.core.tick(world.now)
    assert world.backup.ended


def test_a_heart_whose_addresses_are_up_already_begins_active(world: World) -> None:
    fresh = World()
    fresh.backup.held = {FLOATING}
    fresh.backup.start_pulse()
    assert fresh.backup.role == "active"
    fresh.primary.start_pulse()
    fresh.run(3)
    assert (fresh.primary.held, fresh.backup.held) == (set(), {FLOATING})


# Fitness


def test_addresses_that_could_not_be_raised_make_unfit_and_the_other_router_serves(world: World) -> None:
    world.primary.say({"say": "raised", "problems": ["192.0.2.80 is in use"]})
    world.until(lambda: world.backup.held == {FLOATING}, 1)
    assert world.primary.status["unfit"] == ["192.0.2.80 is in use"]


def test_what_pulse_says_of_its_condition_is_in_the_heartbeat(world: World) -> None:
    condition = {
        "say": "condition",
        "unfit": ["no checks"],
        "serial": 9,
        "sha256": "cd" * 32,
        "healthy": 1,
        "total": 4,
    }
    world.backup.say(condition)
    world.run(0.2)
    peer = world.primary.status["peer"]
    assert (peer["fit"], peer["serial"], peer["sha256"]) == (False, 9, "cd" * 32)
    assert (peer["healthy"], peer["total"]) == (1, 4)


@pytest.mark.parametrize(("monitor_links", "moves"), [(True, True), (False, False)])
def test_one_interface_without_carrier_counts_when_links_are_monitored(
    monitor_links: bool, moves: bool
) -> None:
    world = World()
    world.start(monitor_links=monitor_links)
    world.change(world.primary, "eth1", up=False)
    world.run(2)
    assert (world.backup.held == {FLOATING}) is moves


def test_all_interfaces_without_carrier_cut_a_router_off_which_then_stands_down(world: World) -> None:
    cut(world, "primary", "backup")
    world.no_arp |= {"primary", "backup"}
    for interface in ("eth0", "eth1"):
        world.change(world.primary, interface, up=False)
    world.until(lambda: not world.primary.held, 0.5)
    world.until(lambda: world.backup.held == {FLOATING}, 1)


def test_a_link_that_comes_up_again_makes_an_active_router_announce(world: World) -> None:
    world.change(world.primary, "eth1", up=False)
    world.change(world.primary, "eth1", up=True)
    world.change(world.backup, "eth1", up=True)
    assert [one["reason"] for one in world.primary.heard("announce")][-1] == "a link is up again"
    assert not world.backup.heard("announce")


def test_an_active_router_whose_gateway_is_gone_yields_to_one_whose_gateway_answers() -> None:
    world = World()
    world.start(gateway=str(GATEWAY))
    world.run(3)
    assert world.primary.status["fit"]
    duty = world.primary.core.duty
    assert duty is not None
    world.gateway = False
    world.run(0.1)
    world.backup.core.claimed(world.now, [Claim("eth0", GATEWAY, STRANGER, world.now)])
    while world.primary.status["fit"]:
        world.backup.core.claimed(world.now, [Claim("eth0", GATEWAY, STRANGER, world.now)])
        world.run(0.1)
    for _ in range(10):
        world.backup.core.claimed(world.now, [Claim("eth0", GATEWAY, STRANGER, world.now)])
        world.run(0.1)
    assert world.backup.held == {FLOATING}
    assert str(GATEWAY) in world.primary.status["unfit"][0]


def test_a_heart_that_may_not_watch_the_network_goes_on_without_a_witness() -> None:
    world = World()
    for machine in world.machines:
        machine.eyes = False
        machine.trouble = ("The heart cannot watch the network: permission denied.",)
    world.start()
    assert "cannot watch" in alarms(world.primary)
    cut(world, "primary", "backup")
    world.until(lambda: world.backup.held == {FLOATING}, 1)


# Strangers


def claim(world: World, machine: Any, mac: bytes, interface: str = "eth0") -> None:
    machine.core.claimed(world.now, [Claim(interface, FLOATING, mac, world.now)])


def test_a_stranger_at_a_floating_address_is_told_once(world: World) -> None:
    for _ in range(3):
        claim(world, world.primary, STRANGER)
        world.run(2)
    events = [one["text"] for one in world.primary.heard("event") if STRANGER.hex(":") in one["text"]]
    assert len(events) == 1
    (stranger,) = world.primary.status["strangers"]
    assert (stranger["address"], stranger["mac"]) == (str(FLOATING), STRANGER.hex(":"))


def test_neither_router_is_a_stranger_to_the_other(world: World) -> None:
    claim(world, world.backup, MAC["primary"])
    claim(world, world.primary, MAC["primary"])
    claim(world, world.primary, MAC["backup"])
    world.run(3)
    assert world.primary.status["strangers"] == world.backup.status["strangers"] == []


def test_a_standby_does_not_judge_machines_on_networks_where_it_does_not_know_the_other_router(
    world: World,
) -> None:
    claim(world, world.backup, STRANGER, "eth7")
    world.run(2)
    assert world.backup.status["strangers"] == []


def test_an_active_router_asks_now_and_then_whether_somebody_else_has_its_addresses(world: World) -> None:
    world.primary.probed.clear()
    world.run(21)
    assert world.primary.probed.count(("eth0", FLOATING)) >= 2


# Keys and attacks


@pytest.mark.parametrize("first", ["primary", "backup"])
def test_keys_rotate_without_a_missed_heartbeat(world: World, first: str) -> None:
    order = sorted(world.machines, key=lambda machine: machine.node != first)
    for keys in ([NEXT_KEY, KEY], [NEXT_KEY]):
        for machine in order:
            machine.say(machine.settings(keys=keys))
            world.run(0.5)
    for machine in world.machines:
        assert sum(machine.status["refused"].values()) == machine.status["refused"]["unverified"]
        assert machine.status["keys"]["peer_has_newest"]
        assert [link["lost"] for link in machine.status["links"]] == [0, 0]
        assert len(machine.status["transitions"]) <= 2


def test_a_key_that_neither_router_knew_reaches_both_without_a_second_owner(world: World) -> None:
    world.no_arp |= {"primary", "backup"}  # nothing but the heartbeat holds the standby back
    for machine in (world.backup, world.primary):
        machine.say(machine.settings(keys=list(map(bytes.hex, joined([NEW], [bytes.fromhex(KEY)])))))
        world.run(3 * DEADTIME)
        assert (world.primary.held, world.backup.held) == ({FLOATING}, set())
    for machine in (world.backup, world.primary):
        machine.say(machine.settings(keys=[NEW.hex()]))
        world.run(3 * DEADTIME)
        assert (world.primary.held, world.backup.held) == ({FLOATING}, set())


def test_a_peer_with_another_key_is_foreign_and_an_alarm_says_what_to_do(world: World) -> None:
    world.backup.say(world.backup.settings(keys=[NEXT_KEY]))
    world.run(2)
    assert world.primary.status["refused"]["foreign"] > 10
    assert "apply a revision" in alarms(world.primary)
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())
    foreign = [one for one in world.primary.heard("event") if "refused a heartbeat" in one["text"]]
    assert len(foreign) == 1


def test_hostile_datagrams_change_nothing_but_the_counters(world: World) -> None:
    chance = random.Random(5)
    recorded = list(world.recorded)
    before = (world.primary.status["transitions"], world.backup.status["transitions"])
    for machine in world.machines:
        for _ in range(2000):
            sender, link, datagram = chance.choice(recorded)
            machine.core.received(world.now, link, datagram, from_peer=sender != machine.node)
            machine.core.received(world.now, link, chance.randbytes(len(datagram)), from_peer=True)
            machine.core.received(world.now, link, datagram[: chance.randrange(150)], from_peer=True)
    world.run(2)
    assert (world.primary.status["transitions"], world.backup.status["transitions"]) == before
    refused = world.primary.status["refused"]
    assert min(refused["malformed"], refused["replayed"], refused["foreign"]) > 100
    assert len([one for one in world.primary.heard("event") if "refused a heartbeat" in one["text"]]) <= 4
    assert [link["lost"] for link in world.primary.status["links"]] == [0, 0]


def test_recordings_of_an_unknown_session_are_answered_at_a_limited_rate(world: World) -> None:
    _, link, datagram = next(one for one in world.recorded if one[0] == "backup")
    fresh = World()
    fresh.primary.session = iter(range(7000, 8000))  # type: ignore[assignment]
    fresh.primary.start_pulse()
    fresh.run(1)
    before = len(fresh.recorded)
    for _ in range(1000):
        fresh.primary.core.received(fresh.now, link, datagram, from_peer=True)
    assert len(fresh.recorded) - before <= 2


# The conversation with pulse


def test_the_status_comes_each_second_and_when_something_changes(world: World) -> None:
    world.primary.inbox.clear()
    world.run(10)
    assert 10 <= len(world.primary.heard("status")) <= 12
    world.primary.inbox.clear()
    world.cut.add(("backup", Link.PRIVATE))
    world.run(DEADTIME + 0.2)
    assert any(not one["redundancy"]["links"][1]["alive"] for one in world.primary.heard("status"))


def test_a_message_that_makes_no_sense_is_an_event_and_changes_nothing(world: World) -> None:
    for wrong in (
        {"say": "settings"},
        world.primary.settings(keepalive=1, deadtime=0.5),
        world.primary.settings(keys=["zz"]),
        world.primary.settings(links={}),
        {"say": "order", "id": 1, "order": "dance"},
        {"say": "condition", "sha256": "ab"},
    ):
        world.primary.say(wrong)
    world.run(1)
    said = [one for one in world.primary.heard("event") if "does not understand" in one["text"]]
    assert len(said) == 6
    assert (world.primary.held, world.backup.held) == ({FLOATING}, set())


def test_a_changed_configuration_is_in_force_at_once(world: World) -> None:
    for machine in world.machines:
        machine.say(machine.settings(keepalive=0.03, deadtime=0.1))
    world.run(1)
    world.primary.alive, world.primary.held = False, set()
    assert world.until(lambda: world.backup.held == {FLOATING}, 1) <= 0.12
