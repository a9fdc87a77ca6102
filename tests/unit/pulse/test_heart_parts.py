"""The parts of the heart that stand alone: settings, beat, presence of pulse, the witness, the socket."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.pulse.heart.condition import Gateway
from lvs.pulse.heart.door import MAX_UNREAD, Door
from lvs.pulse.heart.messages import HANGS, encode
from lvs.pulse.heart.presence import Absence, Presence
from lvs.pulse.heart.settings import Settings, Way, parse
from lvs.pulse.heart.traffic import Metronome
from lvs.pulse.heart.witness import AT_ONCE, GONE_AFTER, TELL_AGAIN, Witness
from lvs.pulse.heartbeat import Link
from lvs.router.neighbours import Claim
from lvs.router.state import Node

PEER, FLOATING = ip_address("192.0.2.2"), ip_address("192.0.2.80")
PEERS_MAC, OTHER_MAC = b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x77"


def message(**changes: Any) -> dict[str, Any]:
    return {
        "say": "settings",
        "node": "backup",
        "name": "r2",
        "links": {"public": {"own": "192.0.2.1", "peer": str(PEER)}, "private": None},
        "port": 539,
        "keepalive": 0.5,
        "deadtime": 2,
        "failback": 30,
        "gateway": "192.0.2.254",
        "keys": ["11" * 32, "22" * 40],
        "watched": ["eth0"],
        "monitor_links": True,
        "addresses": [{"address": str(FLOATING), "prefix": 24, "interface": "eth0", "label": ""}],
        "serial": None,
        "sha256": None,
        "held": True,
        "forced": False,
    } | changes


def settings(**changes: Any) -> Settings:
    return parse(message(**changes))


def test_settings_are_read_from_their_message() -> None:
    read = settings()
    assert (read.node, read.name, read.serial, read.sha256) == (Node.BACKUP, "r2", 0, bytes(32))
    assert read.ways == {Link.PUBLIC: Way(ip_address("192.0.2.1"), PEER)}
    assert read.keys == (b"\x11" * 32, b"\x22" * 40)
    rules = read.rules(witness=True)
    assert (rules.links, rules.failback, rules.witness) == (frozenset({Link.PUBLIC}), 30, True)
    assert not settings(addresses=[]).rules(witness=True).witness


@pytest.mark.parametrize(
    "wrong",
    [
        {"node": "third"},
        {"links": {}},
        {"links": {"public": {"own": "192.0.2.1", "peer": ""}}},
        {"port": 0},
        {"keepalive": 2},
        {"keepalive": 0},
        {"keepalive": "nan"},
        {"deadtime": "inf"},
        {"keys": []},
        {"keys": ["11" * 31]},
        {"keys": ["11" * 32] * 3},
        {"gateway": "nowhere"},
        {"sha256": "ab"},
        {"addresses": [{"address": "192.0.2.80"}]},
        {"addresses": 7},
    ],
    ids=str,
)
def test_settings_of_no_use_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        settings(**wrong)
    with pytest.raises(ValueError, match="node"):
        parse({"say": "settings"})


def test_a_metronome_keeps_its_times_though_it_is_asked_late() -> None:
    metronome = Metronome(0.1, 10.0)
    late = [10.0, 10.13, 10.24, 10.3001, 10.45]
    assert all(metronome.due(now) for now in late)
    assert metronome.next_at == pytest.approx(10.5)


def test_a_metronome_that_slept_goes_on_with_one_beat() -> None:
    metronome = Metronome(0.1, 10.0)
    assert metronome.due(99.0)
    assert not metronome.due(99.05)
    assert metronome.due(99.1)


def test_another_interval_begins_at_once_and_the_same_one_changes_nothing() -> None:
    metronome = Metronome(60.0, 10.0)
    assert metronome.due(10.0)
    metronome.set(60.0, 11.0)
    assert metronome.next_at == 70.0
    metronome.set(0.1, 11.0)
    assert metronome.due(11.0)


def test_pulse_is_there_hangs_or_is_gone() -> None:
    presence = Presence(0.0)
    assert presence.absence(0.0) is Absence.GONE
    presence.came(1.0)
    assert presence.absence(1.0) is Absence.NONE
    assert presence.absence(1.0 + HANGS) is Absence.HANGS
    assert presence.next_at(2.0) == 1.0 + HANGS
    presence.said(3.0)
    assert not presence.given_up(2.0 + HANGS, 2.0)
    presence.left(4.0)
    assert presence.next_at(2.0) == 6.0
    assert not presence.given_up(5.9, 2.0)
    assert presence.given_up(6.0, 2.0)
    presence.forgive(100.0)
    assert not presence.given_up(101.9, 2.0)


def test_a_gateway_is_lost_after_the_dead_time_without_an_answer_and_three_questions() -> None:
    gateway = Gateway(10.0)
    assert gateway.due(10.0, settings())
    assert not gateway.due(10.4, settings())
    assert not gateway.lost(11.9, settings())
    assert gateway.lost(12.0, settings())
    gateway.answered_at = 12.0
    assert not gateway.lost(13.9, settings())
    assert not Gateway(10.0).lost(10.5, settings(keepalive=0.03, deadtime=0.1))


# The witness


def witness(mac: bytes | None = None, **changes: Any) -> Witness:
    """One whose kernel has this MAC for the other router."""
    made = Witness(lambda address: mac if address == PEER else None)
    made.use(settings(**changes), {Link.PUBLIC: "eth0"})
    return made


def heard(one: Witness, now: float, *claims: tuple[Any, bytes], active: bool = False) -> tuple[bool, int]:
    seen = one.heard(
        now,
        [Claim("eth0", address, mac, now) for address, mac in claims],
        active=active,
        own_macs=frozenset(),
    )
    return seen.peer, len(seen.news)


def test_the_peers_machine_is_known_by_its_own_address_in_any_order() -> None:
    assert heard(witness(), 1.0, (PEER, PEERS_MAC), (FLOATING, PEERS_MAC)) == (True, 0)
    late = witness()
    assert heard(late, 1.0, (FLOATING, PEERS_MAC)) == (False, 0)
    assert late.curious
    assert heard(late, 1.5, (PEER, PEERS_MAC)) == (True, 0)


def test_the_peers_machine_is_known_by_the_kernels_neighbour_table() -> None:
    assert heard(witness(PEERS_MAC), 1.0, (FLOATING, PEERS_MAC)) == (True, 0)


@pytest.mark.parametrize("active", [True, False])
def test_another_mac_is_a_stranger_after_a_moment_and_news_again_after_a_while(active: bool) -> None:
    one = witness(PEERS_MAC)
    assert heard(one, 1.0, (FLOATING, OTHER_MAC), active=active) == (False, 0)
    assert heard(one, 2.0, active=active) == (False, 1)
    for at, news in ((10.0, 0), (TELL_AGAIN, 0), (TELL_AGAIN + 5, 1)):
        heard(one, at, (FLOATING, OTHER_MAC), active=active)
        assert heard(one, at + 1, active=active) == (False, news)
    (stranger,) = one.strangers(TELL_AGAIN + 6)
    assert stranger.mac == OTHER_MAC


def test_a_stranger_that_is_silent_for_three_questions_is_gone_and_may_come_back() -> None:
    one = witness()
    heard(one, 1.0, (FLOATING, OTHER_MAC))
    heard(one, 2.0)
    assert [stranger.mac for stranger in one.strangers(2.0 + GONE_AFTER - 1)] == [OTHER_MAC]
    assert one.strangers(2.0 + GONE_AFTER) == []
    heard(one, 90.0, (FLOATING, OTHER_MAC))
    heard(one, 91.0)
    assert len(one.strangers(91.0)) == 1


def test_who_has_an_address_that_floats_no_more_is_no_stranger() -> None:
    one = witness()
    heard(one, 1.0, (FLOATING, OTHER_MAC))
    heard(one, 2.0)
    one.use(settings(addresses=()), {})
    assert one.strangers(2.0) == []


def test_a_mac_that_was_the_peers_long_ago_is_a_stranger() -> None:
    one = witness()
    heard(one, 1.0, (PEER, OTHER_MAC))
    heard(one, 100.0, (FLOATING, OTHER_MAC))
    assert heard(one, 101.0) == (False, 1)


def test_a_storm_of_claims_is_bounded() -> None:
    one = witness()
    for number in range(10_000):
        heard(one, 1.0, (FLOATING, number.to_bytes(6, "big")))
    heard(one, 2.5)
    assert len(one.strangers(2.5)) == 20


def test_questions_go_round_all_floating_addresses() -> None:
    floating = [IPv4Address("192.0.2.100") + n for n in range(20)]
    documents = [{"address": str(one), "prefix": 24, "interface": "eth0"} for one in floating]
    one = witness(addresses=documents)
    asked = [one.questions() for _ in range(3)]
    assert all(len(questions) == AT_ONCE + 1 for questions in asked)
    assert all(("eth0", PEER) in questions for questions in asked)
    assert {address for questions in asked for _, address in questions} == {*floating, PEER}


def test_an_address_beyond_the_links_is_asked_for_on_a_link_too() -> None:
    one = witness(addresses=[{"address": str(FLOATING), "prefix": 24, "interface": "eth5"}])
    assert one.questions() == [("eth5", FLOATING), ("eth0", FLOATING), ("eth0", PEER)]


def test_without_floating_addresses_there_is_only_the_peer_to_ask_for() -> None:
    assert witness(addresses=[]).questions() == [("eth0", PEER)]


# The socket


def test_the_door_is_the_owners_alone_and_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "heart.sock"
    for _ in range(2):
        door = Door(path)
        assert path.stat().st_mode & 0o777 == 0o600
        door.socket.close()


def test_a_pulse_that_does_not_read_is_dropped_and_gets_no_second_status(tmp_path: Path) -> None:
    door = Door(tmp_path / "heart.sock")
    with socket.socket(socket.AF_UNIX) as pulse, door.socket:
        pulse.connect(str(tmp_path / "heart.sock"))
        connection = door.accept()
        assert connection is not None
        door.pulse = connection
        status = {"say": "status", "redundancy": "x" * 10_000}
        while not connection.backlog:
            door.tell(status)
        left = connection.backlog
        door.tell(status)
        assert connection.backlog == left
        while not connection.ended:
            door.tell({"say": "event", "level": "info", "text": "y" * 10_000})
        assert connection.backlog < MAX_UNREAD + 20_000
        connection.socket.close()


def test_lines_come_whole_however_they_were_cut(tmp_path: Path) -> None:
    door = Door(tmp_path / "heart.sock")
    with socket.socket(socket.AF_UNIX) as pulse, door.socket:
        pulse.connect(str(tmp_path / "heart.sock"))
        connection = door.accept()
        assert connection is not None
        line = encode({"say": "beat"})
        pulse.sendall(line + line[:4])
        assert connection.read() == [line[:-1]]
        assert connection.read() == []
        pulse.sendall(line[4:])
        pulse.shutdown(socket.SHUT_WR)
        assert connection.read() == [line[:-1]]
        assert not connection.ended
        assert connection.read() == []
        assert connection.ended
        connection.socket.close()
