"""`piranha allow`: the way back in from the console, whatever the web server and the database do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lvs import models
from piranha_web import cli


@pytest.fixture
def file(site: Any, tmp_path: Path) -> Path:
    """Where the list of this test is."""
    site.PIRANHA_ALLOW_FILE = tmp_path / "allow"
    return tmp_path / "allow"


def run(file: Path, *words: str) -> int:
    return cli.main(["allow", *words, "--file", str(file)])


def test_a_network_is_let_in_shown_and_taken_off_again(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = Client(REMOTE_ADDR="203.0.113.9")
    assert run(file, "add", "203.0.113.0/24", "--note", "the office") == 0
    assert "203.0.113.0/24 may reach the site, from the next request on." in capsys.readouterr().err
    assert stranger.get("/login").status_code == 200

    assert run(file, "list") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].split("\t")[0::3] == ["203.0.113.0/24", "the office"]
    assert "loopback" in printed.err

    assert run(file, "remove", "203.0.113.0/24") == 0
    assert "may not reach the site any more" in capsys.readouterr().err
    assert stranger.get("/login").status_code == 403
    assert [entry.text for entry in models.AuditEntry.objects.filter(action="allow")] == [
        "no longer allowed 203.0.113.0/24",
        "allowed 203.0.113.0/24",
    ]
    assert models.AuditEntry.objects.filter(action="allow").first().address == "console"  # type: ignore[union-attr]


def test_without_a_file_the_list_says_that_it_is_the_default(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIRANHA_ALLOW_FILE", str(file))

    assert cli.main(["allow"]) == 0

    printed = capsys.readouterr()
    assert "192.168.0.0/16\t-\t-\t-\n" in printed.out
    assert f"There is no {file}" in printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "10.0.0.5/8"), "write 10.0.0.0/8 for the whole network"),
        (("add", "0.0.0.0/0"), "Say so with --everybody. Nothing was changed."),
        (("add", "10.0.0.0/8"), "is on the list already. Nothing was changed."),
        (("remove", "203.0.113.0/24"), "is not on the list"),
        (("remove", "127.0.0.0/8"), "Loopback always may reach the site"),
    ],
)
def test_what_is_refused_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(file, *words) == 1

    assert said in capsys.readouterr().err
    assert not file.exists()


def test_everybody_can_be_meant(file: Path) -> None:
    assert run(file, "add", "0.0.0.0/0", "--everybody") == 0

    assert Client(REMOTE_ADDR="203.0.113.9").get("/login").status_code == 200


def test_a_list_that_is_emptied_says_who_is_left(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("10.0.0.0/8\n")

    assert run(file, "remove", "10.0.0.0/8") == 0

    assert "The list is empty: only this machine itself" in capsys.readouterr().err


def test_a_broken_file_is_named_with_its_line_and_a_reset_puts_it_aside(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("10.0.0.0/8\nnowhere\n")

    assert run(file, "list") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{file}, line 2: 'nowhere' is no network" in printed.err
    assert "So only this machine itself may reach the site" in printed.err
    assert run(file, "add", "203.0.113.9") == 1
    assert "line 2" in capsys.readouterr().err

    assert run(file, "reset") == 0

    printed = capsys.readouterr()
    assert f"The list is now in {file}.old" in printed.err
    assert "10.0.0.0/8" in printed.out
    assert Client(REMOTE_ADDR="10.0.0.7").get("/login").status_code == 200
    assert run(file, "reset") == 0
    assert "so nothing was changed" in capsys.readouterr().err


def test_a_note_written_by_hand_cannot_turn_the_terminal(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("10.0.0.0/8 # \x1b[2J\u202egone\n")

    assert run(file, "list") == 0

    out = capsys.readouterr().out
    assert out.endswith("\\x1b[2J\\u202egone\n")


@pytest.mark.thorough  # four processes
def test_it_works_without_a_database_and_says_what_it_could_not_write_down(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PIRANHA_VAR": str(tmp_path),
        "PIRANHA_DATABASE": str(tmp_path / "none.sqlite3"),
    }
    environment.pop("PIRANHA_ALLOW_FILE", None)

    def piranha(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("piranha")), "allow", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    environment["PIRANHA_ALLOW"] = "10.0.0.5/8"
    told = piranha("add", "203.0.113.0/24")
    assert told.returncode == 1
    assert told.stderr.startswith("PIRANHA_ALLOW: '10.0.0.5/8' can mean two things: write 10.0.0.0/8 ")
    assert "Traceback" not in told.stderr
    del environment["PIRANHA_ALLOW"]

    added = piranha("add", "203.0.113.0/24")
    assert added.returncode == 0
    assert f"It is in {tmp_path / 'allow'}, but not in the audit log: there is no" in added.stderr
    assert "run this again with its PIRANHA_VAR" in added.stderr
    assert not (tmp_path / "none.sqlite3").exists()
    assert "203.0.113.0/24\t" in piranha().stdout


def networks_in(file: Path) -> list[str]:
    return [line.split()[0] for line in file.read_text().splitlines() if not line.startswith("#")]


def test_the_whole_list_is_set_at_once_and_what_stays_keeps_its_note(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 192.0.2.1 22")
    assert run(file, "set", "203.0.113.0/24", "10.0.0.0/8") == 0
    file.write_text(file.read_text().replace("10.0.0.0/8", "10.0.0.0/8  # ours, no longer") + "# by hand\n")

    assert run(file, "set", "10.0.0.0/8", "2001:db8::/32") == 0

    assert networks_in(file) == ["10.0.0.0/8", "2001:db8::/32", "203.0.113.9/32"]
    assert "10.0.0.0/8  # ours, no longer" in file.read_text()
    assert "# by hand" in file.read_text()
    assert "203.0.113.9/32 is added: you come from there by SSH" in capsys.readouterr().err
    newest = models.AuditEntry.objects.filter(action="allow").first()
    assert newest is not None
    assert newest.text == "chose the allowed networks: 10.0.0.0/8, 2001:db8::/32, 203.0.113.9/32"
    assert run(file, "set", "10.0.0.0/8", "2001:db8::/32", "203.0.113.9") == 0
    assert "May reach the pages, as before" in capsys.readouterr().err
    assert run(file, "set", "none") == 0
    assert networks_in(file) == ["203.0.113.9/32"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "0.0.0.0/0"), "Nothing was changed."),
        (("set", "1"), "There is no number '1'"),
        (("set", "10.0.0.5/8"), "write 10.0.0.0/8 for the whole network"),
        (("ask",), "There is no terminal to ask at. Nothing was changed. What counts:"),
    ],
)
def test_a_list_that_cannot_be_meant_is_not_set(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert run(file, *words) == 1

    assert said in capsys.readouterr().err
    assert not file.exists()
