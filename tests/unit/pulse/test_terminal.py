"""What `piranha status`, `failover`, `confirm` and `key` print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse import keys
from lvs.pulse.terminal import (
    confirm_command,
    described,
    failover_command,
    key_command,
    span,
    status_command,
)
from piranha_web.cli import main
from tests.unit.pulse.test_control import failing, served

PART = {
    "role": "active",
    "since": 880.0,
    "reason": "partner dead: activating lvs",
    "unfit": [],
    "peer": {
        "node": "backup",
        "role": "standby",
        "fit": True,
        "alive": True,
        "heard_at": 999.96,
        "serial": 4,
        "healthy": 2,
        "total": 3,
    },
    "links": [
        {
            "name": "public",
            "own": "192.0.2.11",
            "peer": "192.0.2.12",
            "alive": True,
            "heard_at": 999.9,
            "sent": 40,
            "received": 39,
            "lost": 1,
        },
        {
            "name": "private",
            "own": "10.9.9.1",
            "peer": "10.9.9.2",
            "alive": False,
            "heard_at": None,
            "sent": 40,
            "received": 0,
            "lost": 0,
        },
    ],
    "keys": {"newest": "66687aad"},
    "alarms": ["No heartbeat on the private link for 120 s."],
    "hand_over_refused": ["The other router finds only 2 of 3 real servers healthy."],
}
STATUS: dict[str, Any] = {
    "name": "r1",
    "node": "primary",
    "role": "active",
    "mode": "kernel",
    "now": 1000.0,
    "serial": 4,
    "sha256": "ab" * 32,
    "problems": ["eth2 is missing"],
    "redundancy": PART,
    "unconfirmed": {"serial": 4, "seconds_left": 25.3, "back_to": 3},
}


def answering(
    answer: Mapping[str, Any], heard: list[Mapping[str, Any]]
) -> Callable[[Mapping[str, Any]], Any]:
    """A call that notes what it was asked."""

    async def call(request: Mapping[str, Any]) -> Mapping[str, Any]:
        heard.append(dict(request))
        return answer

    return call


def test_the_status_is_a_few_lines() -> None:
    assert list(described(STATUS)) == [
        "r1 (primary): active for 2 min (partner dead: activating lvs)",
        "lvs.cf: serial_no 4, sha256 abababababab",
        "waits for its confirmation 25 s more: piranha confirm 4",
        "other router (backup): standby, fit, 2 of 3 real servers healthy, serial_no 4, heard 0.0 s ago",
        "public link 192.0.2.11 to 192.0.2.12: alive, heard 0.1 s ago, 40 sent, 39 received, 1 lost",
        "private link 10.9.9.1 to 10.9.9.2: silent, never heard, 40 sent, 0 received, 0 lost",
        "key: 66687aad",
        "alarm: No heartbeat on the private link for 120 s.",
        "a hand-over would be refused: The other router finds only 2 of 3 real servers healthy.",
        "problem: eth2 is missing",
    ]


def test_an_alarm_of_the_pair_is_not_said_a_second_time_among_pulses_problems() -> None:
    twice = {**STATUS, "problems": [*PART["alarms"], "eth2 is missing"]}
    assert list(described(twice)) == list(described(STATUS))


def test_a_router_that_stands_alone_with_nothing_installed_says_so() -> None:
    alone = {**STATUS, "redundancy": None, "sha256": None, "serial": None, "unconfirmed": None}
    assert list(described({**alone, "mode": "planning", "problems": []})) == [
        "r1 (primary): active, planning only",
        "lvs.cf: none installed",
        "redundancy: none (no second router, or no cluster key)",
    ]


def test_a_guarded_port_is_said_with_who_gets_through() -> None:
    alone = {**STATUS, "redundancy": None, "problems": []}
    for networks, who in ([], ""), (["10.0.0.0/8"], " and 10.0.0.0/8"):
        lines = list(described({**alone, "guard": {"port": 3636, "networks": networks}}))
        assert lines[-1] == f"port 3636 (TCP) is guarded: only for this machine{who}"


def test_a_router_that_never_heard_the_other_says_so() -> None:
    lines = list(described({**STATUS, "redundancy": {**PART, "peer": None, "unfit": ["no link on eth0"]}}))
    assert "other router: never heard" in lines
    assert "not fit: no link on eth0" in lines


def test_the_status_as_json_is_pulses_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = served(
        tmp_path, {"status": answering(STATUS, [])}, lambda path: status_command(path, as_json=True)
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out) == STATUS


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({"anyway": False, "force": False}, {"call": "hand_over", "anyway": False}),
        ({"anyway": True, "force": False}, {"call": "hand_over", "anyway": True}),
        ({"anyway": False, "force": True}, {"call": "take_over_by_force"}),
    ],
    ids=["to one that is equal", "anyway", "by force"],
)
def test_a_failover_prints_what_happened(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, bool],
    request_: dict[str, Any],
) -> None:
    heard: list[Mapping[str, Any]] = []
    call = answering({"role": "standby", "message": "The other router is active now."}, heard)
    calls = {"hand_over": call, "take_over_by_force": call}
    assert served(tmp_path, calls, lambda path: failover_command(path, **options)) == 0
    assert heard == [request_]
    assert capsys.readouterr().out == "The other router is active now.\n"


def test_a_failover_that_is_refused_says_why_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = {"hand_over": failing(RouterError("The other router is not fit: start it."))}
    code = served(tmp_path, calls, lambda path: failover_command(path, anyway=False, force=False))
    assert code == 1
    assert capsys.readouterr().err == "The other router is not fit: start it.\n"


def test_a_confirmation_names_the_serial_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[Mapping[str, Any]] = []
    assert (
        served(tmp_path, {"confirm": answering({"serial": 4}, heard)}, lambda path: confirm_command(path, 4))
        == 0
    )
    assert heard == [{"call": "confirm", "serial": 4}]
    assert capsys.readouterr().out == "serial_no 4 stays.\n"


def test_without_a_pulse_the_command_says_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--socket", str(tmp_path / "pulse.sock")]) == 1
    assert "systemctl start pulse" in capsys.readouterr().err


def test_a_pair_without_a_manager_gets_its_key_from_the_command_which_prints_ids_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert key_command(tmp_path, new=False) == 0
    assert "There is no key" in capsys.readouterr().out
    assert main(["key", "--new", "--folder", str(tmp_path)]) == 0
    (first,) = keys.load(tmp_path)
    assert key_command(tmp_path, new=True) == 0
    second, kept = keys.load(tmp_path)
    assert kept == first
    assert key_command(tmp_path, new=True) == 0
    assert len(keys.load(tmp_path)) == 2
    assert (tmp_path / keys.NAME).stat().st_mode & 0o777 == 0o600
    printed = capsys.readouterr().out
    assert "newest" in printed
    assert first.hex() not in printed
    assert second.hex() not in printed


def test_keys_that_others_can_read_are_complained_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert key_command(tmp_path, new=True) == 0
    (tmp_path / keys.NAME).chmod(0o644)
    assert key_command(tmp_path, new=False) == 1
    assert "open to others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0.0 s"), (0.26, "0.3 s"), (59, "59 s"), (300, "5 min"), (7200, "2 h")]
)
def test_a_length_of_time_is_read_at_a_glance(seconds: float, words: str) -> None:
    assert span(seconds) == words
