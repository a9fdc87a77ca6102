"""How `piranha doctor` judges what it reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from piranha_web.doctor import judgement
from piranha_web.doctor.findings import (
    Finding,
    Level,
    document,
    from_document,
    is_sound,
    lines,
    summary,
    well,
)
from piranha_web.doctor.limited import all_of

GIB = 1024 * 1024 * 1024
CONFIG = {"aclfile": "/x/users.acl", "maxmemory": "1000000000", "maxmemory-policy": "noeviction"}
SOUND_REDIS: dict[str, Any] = {
    "config": CONFIG,
    "info": {"used_memory": 1000},
    "users": ["default", "router.r1"],
    "open": False,
    "plain": "",
}
PEER = {"node": "backup", "role": "standby", "alive": True}
LINKS = [{"name": "public", "alive": True}, {"name": "private", "alive": True}]
STATUS: dict[str, Any] = {
    "name": "r1", "role": "active", "mode": "kernel", "serial": 3, "problems": [], "version": "1.0",
    "redundancy": {"alarms": [], "links": LINKS, "peer": PEER},
}  # fmt: skip


def levels(found: Iterator[Finding] | list[Finding]) -> list[str]:
    return [one.level.value for one in found]


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [(100 * GIB, 200 * GIB, "well"), (20 * GIB, 200 * GIB, "note"), (5 * GIB, 200 * GIB, "fault"),
     (GIB // 10, GIB, "fault"), (0, 0, "fault")],
)  # fmt: skip
def test_a_disk_is_judged_by_what_is_free(free: int, total: int, level: str) -> None:
    assert judgement.disk(free, total, "/var").level == level


@pytest.mark.parametrize(
    ("is_read_only", "names", "left", "said"),
    [
        (False, 65_536, 60_000, []),
        (False, 0, 0, []),
        (False, 65_536, 3, ["only 3 more files"]),
        (True, 65_536, 3, ["mounted to be read only"]),
    ],
)
def test_a_disk_on_which_no_file_can_be_made_is_a_fault(
    is_read_only: bool, names: int, left: int, said: list[str]
) -> None:
    found = list(judgement.writable("/var", is_read_only=is_read_only, names=names, left=left))
    assert [
        one.level is Level.FAULT and words in one.what for one, words in zip(found, said, strict=True)
    ] == [True for _ in said]


@pytest.mark.parametrize(
    ("mode", "owner", "remedies"),
    [
        (0o600, "piranha", []),
        (0o640, "piranha", ["chmod go= /x"]),
        (0o602, "root", ["chmod go= /x", "chmod o-w /x", "chown -h piranha:piranha /x"]),
    ],
)
def test_a_secret_is_for_its_owner_alone(mode: int, owner: str, remedies: list[str]) -> None:
    found = judgement.file("/x", mode, owner, "piranha", is_secret=True)

    assert [one.remedy for one in found] == remedies


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": True}, "lets everybody in without a password"),
        ({"config": {**CONFIG, "maxmemory-policy": "allkeys-lru"}}, "allkeys-lru"),
        ({"info": {"used_memory": 960_000_000}}, "it refuses to take more"),
        ({"users": ["default"]}, "r1 has no user there any more"),
    ],
)
def test_what_is_wrong_with_redis_is_a_fault_with_its_remedy(change: dict[str, Any], said: str) -> None:
    faults = [one for one in judgement.redis({**SOUND_REDIS, **change}, ["r1"]) if one.level is Level.FAULT]

    assert [said in one.what for one in faults] == [True]
    assert faults[0].remedy


def test_a_redis_as_it_should_be_is_well_and_one_without_a_limit_is_a_note() -> None:
    assert levels(judgement.redis(SOUND_REDIS, ["r1"])) == ["well"]
    forgetful = {**SOUND_REDIS, "config": {**CONFIG, "aclfile": ""}}
    assert levels(judgement.redis(forgetful, ["r1"])) == ["note", "well"]
    unlimited = {**SOUND_REDIS, "config": {"aclfile": "/x", "maxmemory": "0"}}
    assert levels(judgement.redis(unlimited, [])) == ["note"]


def test_a_redis_elsewhere_that_is_asked_without_tls_is_a_note() -> None:
    found = list(judgement.redis({**SOUND_REDIS, "plain": "192.0.2.7"}, ["r1"]))
    assert [one.what for one in found if one.level is Level.NOTE] == [
        "the way to 192.0.2.7 is not encrypted: passwords and keys of routers go over it"
    ]


def test_a_full_redis_names_what_to_do() -> None:
    found = judgement.memory(100, 100)

    assert "CONFIG SET maxmemory" in found.remedy
    assert "piranha enrol ROUTER --revoke" in found.remedy


@pytest.mark.parametrize(
    ("age", "problem", "level"),
    [(1.0, None, "well"), (1.0, "pulse is away", "fault"), (60.0, None, "fault"), (None, None, "fault")],
)
def test_a_worker_is_judged_by_its_report(age: float | None, problem: str | None, level: str) -> None:
    assert judgement.worker("r1", age, 6.0, problem, "piranha-worker").level == level


@pytest.mark.parametrize(
    ("args", "level"),
    [
        (("", 0, ""), "well"),
        (("no such file", 0, ""), "fault"),
        (("", 2, ""), "fault"),
        (("", 0, "row 3 missing from index"), "fault"),
    ],
)
def test_a_database_is_judged(args: tuple[str, int, str], level: str) -> None:
    assert levels(judgement.database("piranha.sqlite3", *args)) == [level]


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({}, 0),
        ({"problems": ["lvs.cf cannot be read"]}, 1),
        ({"redundancy": {"alarms": ["both are active"], "links": LINKS, "peer": PEER}}, 1),
        (
            {
                "problems": ["both are active"],
                "redundancy": {"alarms": ["both are active"], "links": LINKS, "peer": PEER},
            },
            1,
        ),
        ({"redundancy": {"alarms": [], "links": LINKS, "peer": None}}, 1),
        ({"redundancy": {"alarms": [], "links": [{"name": "public", "alive": False}], "peer": PEER}}, 1),
        ({"redundancy": None}, 0),
        ({"version": "0.9"}, 0),
    ],
)
def test_a_router_is_judged_by_what_its_pulse_says(change: dict[str, Any], faults: int) -> None:
    found = list(judgement.pulse({**STATUS, **change}, "1.0"))

    assert sum(one.level is Level.FAULT for one in found) == faults


def test_a_router_that_is_set_aside_is_a_note_with_what_ends_it() -> None:
    aside = {"by": "bob", "reason": "new disk", "at": 1.0, "until": None}
    found = list(judgement.pulse({**STATUS, "aside": aside}, "1.0"))
    (said,) = [one for one in found if one.level is Level.NOTE]
    assert "is set aside by bob and does not take over (new disk)" in said.what
    assert "piranha aside --end" in said.remedy


RIGHT = "cap_net_bind_service"


@pytest.mark.parametrize(
    ("port", "first", "capabilities", "private_users", "stale", "found"),
    [
        (3636, 1024, "", True, False, []),
        (443, 1024, RIGHT, False, False, []),
        (443, 1024, "", True, False, ["fault"]),
        (443, 1024, RIGHT, True, False, ["fault"]),
        (443, 80, "", True, False, []),
        (443, 80, RIGHT, False, False, []),
        (3636, 1024, f"cap_chown {RIGHT}", False, True, ["note", "note"]),
        (443, 1024, "", True, True, ["fault", "note"]),
    ],
)
def test_the_service_of_the_pages_is_to_have_the_right_to_its_port_and_no_more(
    port: int, first: int, capabilities: str, private_users: bool, stale: bool, found: list[str]
) -> None:
    judged = judgement.right_of_port(port, first, capabilities, private_users=private_users, is_stale=stale)
    assert levels(judged) == found


@pytest.mark.parametrize(
    ("is_encrypted", "is_verified", "found"),
    [(True, True, []), (True, False, ["note"]), (False, False, ["note"])],
)
def test_a_database_elsewhere_is_to_be_reached_by_tls_and_to_prove_who_it_is(
    is_encrypted: bool, is_verified: bool, found: list[str]
) -> None:
    judged = judgement.way_to_database("db.lab", is_encrypted=is_encrypted, is_verified=is_verified)
    assert levels(judged) == found


def test_errors_of_preflight_are_faults_and_warnings_a_note() -> None:
    remarks = [{"level": "error", "what": "no route", "remedy": "add one"}, {"level": "warning", "what": "x"}]

    assert levels(judgement.remarks(remarks)) == ["fault", "note"]
    assert levels(judgement.remarks([])) == ["well"]


def test_clocks_and_versions_that_differ_are_said() -> None:
    assert levels(judgement.clocks({"r1": 3.0, "r2": -90.0})) == ["fault"]
    assert judgement.versions("1.0", {"r1": "1.0"}).level is Level.WELL
    assert "r2 has 0.9" in judgement.versions("1.0", {"r1": "1.0", "r2": "0.9"}).what
    assert [judgement.clock(one).level.value for one in (True, False, None)] == ["well", "note", "note"]


@pytest.mark.parametrize(
    ("args", "level", "remedy"),
    [
        (("", "", False, [], 3), "well", ""),
        (("line 3: this is no network.", "", False, [], 0), "fault", "piranha allow reset"),
        (("", "198.51.100.9", False, [], 3), "note", "piranha allow add 198.51.100.9"),
        (("", "198.51.100.9", True, ["0.0.0.0/0"], 3), "note", "piranha allow remove 0.0.0.0/0"),
    ],
)
def test_who_may_reach_the_pages_is_judged(args: Any, level: str, remedy: str) -> None:
    found = judgement.allowlist(*args)

    assert found.level == level
    assert remedy in found.remedy


def test_a_look_that_hangs_is_a_fault_and_keeps_nobody_waiting() -> None:
    released = threading.Event()

    def hangs() -> Iterator[Finding]:
        released.wait()
        yield well("disk", "at last")

    def stumbles() -> Iterator[Finding]:
        raise PermissionError("not yours\nat all")

    try:
        found = all_of({"a": lambda: [well("a", "fine")], "b": stumbles, "disk": hangs}, 0.2)
    finally:
        released.set()

    assert levels(found) == ["well", "fault", "fault"]
    assert found[1].what == "this could not be looked at: PermissionError: not yours at all"
    assert found[2].what == "it did not answer within 0 s"
    assert not is_sound(found)


def test_what_is_printed_cannot_turn_a_terminal_around() -> None:
    found = [judgement.fault("peer", "\x1b[2Jgone\n✔ well", "look")]

    assert list(lines(found)) == ["✘ fault  peer: \\x1b[2Jgone\\n✔ well", "           look"]
    assert summary(found) == "Looked at 1 thing: 1 fault, no notes."
    assert [from_document(one) for one in document(found)] == found
