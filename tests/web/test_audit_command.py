"""`piranha audit`: the log on the manager's machine, and its pruning."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from lvs import models
from lvs.rows import audit
from piranha_web.cli import parser
from piranha_web.console.audit_command import audit_command, console_user, moment

Action = models.AuditEntry.Action


def run(*words: str, environment: dict[str, str] | None = None) -> int:
    return audit_command(parser().parse_args(["audit", *words]), environment or {})


@pytest.fixture(autouse=True)
def _entries() -> None:
    """An old entry of anna's and two of today."""
    long_ago = timezone.now() - timedelta(days=40)
    models.AuditEntry.objects.create(at=long_ago, user="anna", address="10.0.0.1", action="apply", text="old")
    audit.write(Action.APPLY, "applied revision 7", user="anna", address="192.168.1.5", cluster="lab")
    audit.write(Action.ORDER, "drain\nweb1", user="bob", address="192.168.1.7", cluster="lab")


def test_it_prints_a_line_for_each_entry_the_oldest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--address", "192.168.1.") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("anna from 192.168.1.5 [lab] done: applied revision 7")
    assert second.endswith(r"bob from 192.168.1.7 [lab] done: drain\nweb1")


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--user", "bob"], [r"drain\nweb1"]),
        (["--since", "7d", "--user", "anna"], ["applied revision 7"]),
        (["--until", "4w", "--user", "anna"], ["old"]),
        (["--action", "order"], [r"drain\nweb1"]),
        (["--text", "REVISION 7"], ["applied revision 7"]),
    ],
)
def test_it_prints_what_fits_as_json(
    capsys: pytest.CaptureFixture[str], words: list[str], texts: list[str]
) -> None:
    assert run("--json", *words) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == texts


def test_pruning_on_the_console_says_who_did_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--prune", "30", environment={"SUDO_USER": "an\nna"}) == 0
    assert capsys.readouterr().out == "Removed 1 entry older than 30 days.\n"
    assert not models.AuditEntry.objects.filter(text="old").exists()
    newest = models.AuditEntry.objects.first()
    assert newest is not None
    assert (newest.action, newest.address) == (Action.PRUNE, "console")
    assert r"(sudo by an\nna)" in newest.user


@pytest.mark.parametrize("days", ["0", "-1", "99999999999"])
def test_what_cannot_be_days_removes_nothing(capsys: pytest.CaptureFixture[str], days: str) -> None:
    assert run(f"--prune={days}") == 2
    assert "Nothing was removed" in capsys.readouterr().err
    assert models.AuditEntry.objects.filter(text="old").exists()


def test_a_time_that_cannot_be_read_is_said_to_be_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--since", "yesterday") == 2
    assert "Write a date and a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("12h", datetime(2030, 1, 31, 0, tzinfo=UTC)),
        ("7 d", datetime(2030, 1, 24, 12, tzinfo=UTC)),
        ("2030-01-30", datetime(2030, 1, 30, tzinfo=UTC)),
        ("2030-01-30 08:15", datetime(2030, 1, 30, 8, 15, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_a_moment_is_a_date_or_how_long_ago(text: str | None, at: datetime | None, settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    assert moment(text, datetime(2030, 1, 31, 12, tzinfo=UTC)) == at


def test_a_length_that_no_calendar_has_is_no_moment() -> None:
    with pytest.raises(ValidationError):
        moment("999999w", datetime(2030, 1, 31, 12, tzinfo=UTC))


def test_whoever_became_root_by_sudo_is_named() -> None:
    name = console_user({})
    assert console_user({"SUDO_USER": "anna"}) == f"{name} (sudo by anna)"
    assert console_user({"SUDO_USER": name}) == name
