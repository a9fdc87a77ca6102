from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvs.config.model import Protocol
from lvs.errors import RouterError
from lvs.router.files import Installation, Ledger, locked
from lvs.router.state import Family, InterfaceAddress, Owned, ServiceKey, SyncState

OWNED = Owned(
    services=frozenset(
        {
            ServiceKey(Family.V4, Protocol.TCP, ip_address("10.0.0.100"), 80),
            ServiceKey(Family.V6, Protocol.SCTP, ip_address("fd00::100"), 0),
            ServiceKey(Family.V6, fwmark=7),
        }
    ),
    addresses=frozenset(
        {
            InterfaceAddress(ip_address("10.0.0.100"), 24, "eth0", "eth0:1"),
            InterfaceAddress(ip_address("fd00::100"), 64, "eth0"),
        }
    ),
    sync=frozenset(SyncState),
)


def written(path: Path) -> tuple[int, int]:
    """Differs after each time that path is written; reading it leaves it."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_nothing_is_installed_at_first(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    assert installation.read() is None
    assert installation.previous() is None


def test_the_installed_text_and_the_one_before_it_are_kept(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    for text in ("serial_no = 1\n", "serial_no = 2\n", "serial_no = 3\n"):
        installation.install(text)
    assert installation.read() == "serial_no = 3\n"
    assert installation.previous() == "serial_no = 2\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lvs.cf", "lvs.cf.previous"]


def test_installing_the_same_text_again_changes_no_file(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("serial_no = 1\n")
    installation.install("serial_no = 2\n")
    before = {path.name: written(path) for path in tmp_path.iterdir()}
    installation.install("serial_no = 2\n")
    assert {path.name: written(path) for path in tmp_path.iterdir()} == before
    assert installation.previous() == "serial_no = 1\n"


def test_a_new_file_is_not_for_everyone_and_an_old_ones_mode_is_kept(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("serial_no = 1\n")
    assert mode(installation.path) == 0o640
    installation.path.chmod(0o660)
    installation.install("serial_no = 2\n")
    assert mode(installation.path) == 0o660
    assert mode(installation.previous_path) == 0o660


def test_a_reader_with_the_old_file_open_keeps_the_whole_old_text(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("a" * 100_000)
    with installation.path.open() as old:
        assert old.read(10) == "a" * 10
        installation.install("b")
        assert old.read() == "a" * 99_990


def test_what_a_crash_left_behind_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".lvs.cf.new").write_text("half a fi")
    installation = Installation(tmp_path)
    installation.install("serial_no = 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["lvs.cf"]


def test_a_link_planted_where_the_new_text_is_written_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / ".lvs.cf.new").symlink_to(victim)
    with pytest.raises(RouterError, match="cannot write"):
        Installation(tmp_path).install("serial_no = 1\n")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("content", [b"# caf\xe9\r\n", b"\xff\xfe", b"# caf\xc3\xa9\n", b""])
def test_any_bytes_of_a_file_edited_by_hand_survive(tmp_path: Path, content: bytes) -> None:
    installation = Installation(tmp_path)
    installation.path.write_bytes(content)
    text = installation.read()
    assert text is not None
    installation.install("serial_no = 1\n")
    assert installation.previous_path.read_bytes() == content
    installation.install(text)
    assert installation.path.read_bytes() == content


def test_a_text_that_cannot_be_written_leaves_both_files_alone(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("serial_no = 1\n")
    with pytest.raises(RouterError, match="characters that UTF-8 has not"):
        installation.install("\ud800")
    assert installation.read() == "serial_no = 1\n"
    assert installation.previous() is None


def test_a_disk_that_is_full_keeps_no_half_file_in_the_room_of_a_smaller_one(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("small")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk: part of it is written
    try:
        with pytest.raises(RouterError, match="check the disk"):
            installation.install("large" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert installation.read() == "small"
    assert {file.name for file in tmp_path.iterdir()} <= {"lvs.cf", "lvs.cf.previous"}


def test_a_missing_folder_is_said_with_what_to_do(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "nowhere")
    assert installation.read() is None
    with pytest.raises(RouterError, match="folder is missing; create it"):
        installation.install("serial_no = 1\n")
    with pytest.raises(RouterError, match="folder is missing; create it"), locked(tmp_path / "nowhere"):
        pytest.fail("there is nothing to lock")


def test_a_ledger_gives_back_what_was_saved(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    assert ledger.load() == Owned()
    ledger.save(OWNED)
    assert Ledger(tmp_path / "ledger.json").load() == OWNED
    assert ledger.problem is None


def test_saving_the_same_again_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.save(OWNED)
    before = written(ledger.path)
    Ledger(ledger.path).save(OWNED)
    assert written(ledger.path) == before


KEYS = st.builds(
    ServiceKey,
    st.sampled_from(Family),
    st.none() | st.sampled_from(Protocol),
    st.none() | st.ip_addresses(),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
)
ADDRESSES = st.builds(
    InterfaceAddress, st.ip_addresses(), st.integers(0, 128), st.text(), st.text(max_size=15)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    owned=st.builds(
        Owned, st.frozensets(KEYS), st.frozensets(ADDRESSES), st.frozensets(st.sampled_from(SyncState))
    )
)
def test_any_ownership_is_loaded_as_it_was_saved(tmp_path: Path, owned: Owned) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.save(owned)
    assert ledger.load() == owned
    assert Ledger(ledger.path).load() == owned


def test_a_ledger_from_before_there_was_a_sync_daemon_loads(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.save(OWNED)
    document = json.loads(ledger.path.read_text())
    del document["sync"]
    ledger.path.write_text(json.dumps(document))
    assert ledger.load() == replace(OWNED, sync=frozenset())
    assert ledger.problem is None


BROKEN = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"version": 2, "services": [], "addresses": []}',
    '{"version": 1, "services": [{}], "addresses": []}',
    '{"version": 1, "services": null, "addresses": []}',
    '{"version": 1, "services": [], "addresses": [{"address": "10.0.0"}]}',
    '{"version": 1, "services": [], "addresses": [], "sync": ["standby"]}',
    "\udcff",
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_ledger_that_cannot_be_understood_counts_as_empty_is_said_and_kept(
    tmp_path: Path, content: str
) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.path.write_bytes(content.encode(errors="surrogateescape"))
    assert ledger.load() == Owned()
    assert ledger.problem is not None
    assert "remove them by hand" in ledger.problem
    ledger.save(OWNED)
    assert ledger.problem is None
    assert ledger.load() == OWNED
    kept = tmp_path / "ledger.json.unreadable"
    assert kept.read_bytes().decode(errors="surrogateescape") == content


def test_the_ledger_says_its_version(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.save(OWNED)
    assert json.loads(ledger.path.read_text())["version"] == 1


def test_a_second_pulse_is_kept_off_the_folder_and_told_who_has_it(tmp_path: Path) -> None:
    told = rf"another pulse \(process {os.getpid()}\)"
    with locked(tmp_path), pytest.raises(RouterError, match=told), locked(tmp_path):
        pytest.fail("two have the lock")
    with locked(tmp_path):
        pass


def test_the_lock_ends_with_the_process_however_it_ends(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from lvs.router.files import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    with locked(tmp_path):
        assert (tmp_path / "pulse.lock").read_text() == f"{os.getpid()}\n"
