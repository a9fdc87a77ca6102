"""What is said when the database does not answer: on pages, in the log, and what to do about it."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InternalError, OperationalError, ProgrammingError
from django.test import RequestFactory

from lvs.errors import NotPossible
from piranha_web.alerts.watch import look
from piranha_web.busy import SaidInOneLine, answer_to
from piranha_web.console.unwritten import unwritten
from piranha_web.databases import room
from piranha_web.databases.advice import advice
from piranha_web.databases.manager import mended
from piranha_web.views import health


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("database is locked", "try again in a moment"),
        ("canceling statement due to lock timeout", "try again in a moment"),
        ("database or disk is full", "make room there"),
        ('could not extend file "base/1/2": No space left on device', "make room there"),
        ('FATAL:  password authentication failed for user "site"', "PIRANHA_DATABASE_URL_FILE"),
        ('FATAL:  database "site" does not exist', "PIRANHA_DATABASE_URL_FILE"),
        ("cannot execute INSERT in a read-only transaction", "should name its primary"),
        ("attempt to write a readonly database", "another owner"),
        ("FATAL:  remaining connection slots are reserved", "max_connections"),
        ("no such column: lvs_router.name", "piranha-web piranha-manager brings them up to date"),
        ("database disk image is malformed", "piranha restore --force"),
        ("unable to open database file", "PIRANHA_VAR"),
        ("connection to server on socket failed: No such file or directory", "work again by themselves"),
        ("terminating connection due to administrator command", "work again by themselves"),
    ],
)
def test_each_state_of_the_database_has_its_advice(said: str, remedy: str) -> None:
    assert remedy in advice(OperationalError(said))


def test_who_reads_is_told_that_nothing_can_be_shown_and_who_saves_that_nothing_was() -> None:
    error = OperationalError("database or disk is full\nLINE 1: INSERT INTO")
    for method, words in (("get", "This page cannot be shown"), ("post", "Nothing was saved")):
        answer = answer_to(getattr(RequestFactory(), method)("/"), error)
        assert answer is not None
        assert answer.status_code == 503
        text = answer.content.decode()
        assert text.startswith(words)
        assert "(database or disk is full)" in text
        assert "The routers go on as they are" in text


def missing(state: str) -> ProgrammingError:
    """As Django gives on what PostgreSQL refused."""
    error = ProgrammingError('relation "lvs_router" does not exist')
    error.__cause__ = Refused(state)
    return error


class Refused(Exception):
    """psycopg's, with its SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "is_its_state"),
    [
        (InternalError("cannot execute INSERT in a read-only transaction"), True),
        (missing("42P01"), True),
        (missing("42601"), False),  # a mistake in what we asked
        (ValueError("no"), False),
    ],
)
def test_a_state_of_the_database_is_one_line_of_the_log_and_a_fault_of_ours_its_whole_story(
    error: Any, is_its_state: bool
) -> None:
    assert (answer_to(RequestFactory().get("/"), error) is not None) == is_its_state
    record = logging.LogRecord("django.request", 40, "", 1, "Error: /", (), (type(error), error, None))
    assert SaidInOneLine().filter(record) != is_its_state
    record.exc_info = None
    assert SaidInOneLine().filter(record)


def test_a_full_disk_is_seen_before_somebody_saves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = SimpleNamespace(vendor="sqlite", settings_dict={"NAME": str(tmp_path / "piranha.sqlite3")})
    free, blocks, flags = 4096, 8192, 0

    def statvfs(_path: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free, f_frsize=1024, f_blocks=blocks, f_flag=flags)

    monkeypatch.setattr(os, "statvfs", statvfs)
    room.must_take_changes(file)
    for elsewhere in ({"NAME": ":memory:"}, {"NAME": "file:memory?mode=memory"}):
        room.must_take_changes(SimpleNamespace(vendor="sqlite", settings_dict=elsewhere))
    free = 100
    with pytest.raises(OperationalError, match="disk is full: 100 KiB are left for") as error:
        room.must_take_changes(file)
    assert "make room there" in advice(error.value)
    free, blocks = 0, 0  # of one in memory that may grow
    room.must_take_changes(file)
    free, blocks, flags = 4096, 8192, os.ST_RDONLY  # as of one with a fault
    with pytest.raises(OperationalError, match="mounted to be read only") as error:
        room.must_take_changes(file)
    assert "its disk is mounted so" in advice(error.value)


def test_a_disk_that_is_gone_is_a_database_that_fails_for_whoever_tells_of_that(tmp_path: Path) -> None:
    gone = {"NAME": str(tmp_path / "gone" / "piranha.sqlite3")}
    with pytest.raises(OperationalError, match="No such file") as error:
        room.must_take_changes(SimpleNamespace(vendor="sqlite", settings_dict=gone))
    assert "its disk mounted" in advice(error.value)


@pytest.mark.django_db
def test_a_site_that_can_save_nothing_is_not_ready_and_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_connection: Any) -> None:
        raise OperationalError("database or disk is full")

    assert health.of_database() == ""
    for module in ("piranha_web.views.health", "piranha_web.alerts.watch"):
        monkeypatch.setattr(f"{module}.must_take_changes", full)
    assert "disk is full" in health.of_database()
    with pytest.raises(OperationalError, match="disk is full"):
        look(0.0)


def test_a_file_that_was_not_written_says_why_and_what_to_do() -> None:
    for number, remedy in (
        (errno.EACCES, "or as root"),
        (errno.ENOSPC, "Make room"),
        (errno.EIO, "Mend that"),
    ):
        said = unwritten(OSError(number, os.strerror(number), "/var/lib/piranha/allow"))
        assert said.startswith("Nothing was changed: ")
        assert remedy in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OperationalError("the connection is closed"), NotPossible),
        (missing("42703"), NotPossible),
        (missing("42601"), ProgrammingError),
        (KeyError("ours"), KeyError),
    ],
)
def test_a_thread_of_the_worker_tells_the_databases_state_from_a_fault_of_ours(
    error: Exception, raised: type[Exception]
) -> None:
    def work() -> None:
        raise error

    with pytest.raises(raised):
        mended(work)()


def test_a_command_of_django_says_in_a_sentence_that_the_database_is_away(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "piranha_web.cli", "manage", "create_cluster", "lab", "--primary", "r1"],
        env={
            **os.environ,
            "PIRANHA_DATABASE": str(tmp_path / "none" / "x.sqlite3"),
            "PIRANHA_VAR": str(tmp_path),
        }
        | {"DATABASE_URL": "", "PIRANHA_DATABASE_URL_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        "The database does not answer: unable to open database file. Its file cannot be opened" in done.stderr
    )
    assert "Traceback" not in done.stderr
