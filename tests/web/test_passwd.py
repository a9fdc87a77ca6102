"""`piranha passwd`: accounts from the console, with and without a database."""

from __future__ import annotations

import getpass
import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lvs import models
from piranha_web import cli
from piranha_web.access import passwords
from piranha_web.access.roles import rights
from tests.web.conftest import USER
from tests.web.test_old_hashes import OLD

NEW = "a new password"


@pytest.fixture
def own_file(site: Any, tmp_path: Path) -> Path:
    path = tmp_path / "piranha.passwd"
    site.PIRANHA_PASSWORD_FILE = path
    return path


def run(path: Path, *words: str, stdin: str | None = None, monkeypatch: pytest.MonkeyPatch) -> int:
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    return cli.main(["passwd", *words, "--file", str(path)])


def test_a_password_is_asked_for_twice(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return NEW

    monkeypatch.setattr(getpass, "getpass", answer)

    assert run(own_file, monkeypatch=monkeypatch) == 0

    assert len(asked) == 2
    assert passwords.check_password(USER, NEW, own_file)
    assert stat.S_IMODE(own_file.stat().st_mode) == 0o600


def test_two_that_differ_change_nothing(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter([NEW, NEW + "x"])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(typed))

    assert run(own_file, monkeypatch=monkeypatch) == 1

    assert "do not match" in capsys.readouterr().err
    assert not own_file.exists()


@pytest.mark.parametrize("given", ["short\n", "", "x" * 2000])
def test_what_cannot_be_a_password_is_refused(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    assert run(own_file, "--stdin", stdin=given, monkeypatch=monkeypatch) == 1

    assert capsys.readouterr().err.count("Nothing was changed.") == 1
    assert not own_file.exists()


def test_a_password_is_never_an_argument(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(own_file, "anna", NEW, monkeypatch=monkeypatch)

    assert not own_file.exists()
    assert capsys.readouterr().out == ""


def test_a_random_one_is_all_that_is_printed(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(own_file, "anna", "--random", "--role", "operator", monkeypatch=monkeypatch) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert passwords.check_password("anna", line, own_file)
    assert rights("anna").everywhere == models.UserRole.OPERATOR
    entry = models.AuditEntry.objects.get(action=models.AuditEntry.Action.ACCOUNT)
    assert (entry.address, entry.target) == ("console", "anna")
    assert entry.text == "added the account anna, operator of all clusters"
    assert line not in f"{entry.text}{entry.details}"


def test_a_new_account_inherits_nothing_of_an_older_one_of_its_name(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.Account.objects.create(name="anna", role=models.UserRole.ADMINISTRATOR)

    run(own_file, "anna", "--stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

    assert rights("anna").everywhere == models.UserRole.VIEWER


def test_a_new_password_keeps_the_role(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(own_file, "anna", "--stdin", "--role", "administrator", stdin=f"{NEW}\n", monkeypatch=monkeypatch)
    run(own_file, "anna", "--stdin", stdin=f"{NEW} 2\n", monkeypatch=monkeypatch)

    assert rights("anna").everywhere == models.UserRole.ADMINISTRATOR
    assert passwords.check_password("anna", f"{NEW} 2", own_file)


def test_piranha_needs_no_role(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(own_file, "--stdin", "--role", "viewer", stdin=f"{NEW}\n", monkeypatch=monkeypatch) == 1

    assert "always administrator" in capsys.readouterr().err
    assert not own_file.exists()


def test_the_list_has_roles_and_how_each_password_is_kept(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_file.write_text(f"old:{OLD['des_crypt']}\nodd:$2z$x\n")
    own_file.chmod(0o644)
    models.Account.objects.create(name="ghost", role=models.UserRole.OPERATOR)
    models.Account.objects.create(name="old", needs_factor=True)

    assert run(own_file, "--list", monkeypatch=monkeypatch) == 0

    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "odd\tviewer\tnot understood: set a new password\tno second factor",
        "old\tviewer\tdes_crypt\tmust set up a second factor",
        "ghost\toperator\tno password\tno second factor",
    ]
    assert f"chmod 600 {own_file}" in said.err


def test_an_account_is_removed_with_its_role(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(own_file, "--stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)
    run(own_file, "anna", "--stdin", "--role", "operator", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

    assert run(own_file, "anna", "--remove", monkeypatch=monkeypatch) == 0
    assert run(own_file, "anna", "--remove", monkeypatch=monkeypatch) == 1

    assert passwords.names(own_file) == [USER]
    assert not models.Account.objects.exists()
    assert "There is no account anna." in capsys.readouterr().err


def test_the_last_administrator_is_not_removed(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(own_file, "--stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

    assert run(own_file, USER, "--remove", monkeypatch=monkeypatch) == 1

    assert "last administrator" in capsys.readouterr().err
    assert passwords.names(own_file) == [USER]


def test_a_new_password_from_the_console_opens_the_pages_at_once(
    own_file: Path, monkeypatch: pytest.MonkeyPatch, cluster: models.Cluster
) -> None:
    models.Account.objects.create(name="anna", must_change=True)
    own_file.write_text(f"anna:{OLD['des_crypt']}\n")

    run(own_file, "anna", "--stdin", stdin=f"{NEW}\n", monkeypatch=monkeypatch)

    client = Client()
    client.post("/login", {"username": "anna", "password": NEW})
    assert client.get("/help").status_code == 200


def without_database(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIRANHA_", "DJANGO"))}
    return subprocess.run(
        [sys.executable, "-m", "piranha_web.cli", "passwd", *words],
        env=clean | {"PIRANHA_VAR": str(folder)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_passwords_need_no_database_and_make_none(tmp_path: Path) -> None:
    done = without_database(tmp_path, "--stdin", stdin=f"{NEW}\n")

    assert done.returncode == 0, done.stderr
    found = tmp_path / "piranha.passwd"
    assert passwords.check_password(USER, NEW, found)
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in found.read_text()  # in the other tests it is weaker
    assert not (tmp_path / "piranha.sqlite3").exists()
    # Whoever stood in the wrong folder would else take a password with them that opens nothing.
    assert f"{found} was not there, and has this account alone now." in done.stderr
    assert "run this again with its PIRANHA_VAR" in done.stderr


def test_a_role_without_a_database_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    done = without_database(tmp_path, "anna", "--stdin", "--role", "operator", stdin=f"{NEW}\n")

    assert done.returncode == 1
    assert "The database cannot be used here" in done.stderr
    assert not (tmp_path / "piranha.passwd").exists()


@pytest.mark.thorough  # a process each
@pytest.mark.parametrize(
    "words", [["audit"], ["unlock"], ["enrol", "r1"], ["passwd", "piranha", "--no-second-factor"]]
)
def test_a_command_in_another_folder_says_so_and_leaves_nothing_there(
    tmp_path: Path, words: list[str]
) -> None:
    environment = {**os.environ, "PIRANHA_VAR": str(tmp_path)}
    environment.pop("PIRANHA_DATABASE", None)
    command = [str(Path(sys.executable).with_name("piranha")), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    assert done.returncode == 1
    assert f"there is no {tmp_path / 'piranha.sqlite3'} yet" in done.stderr
    assert "run this again with its PIRANHA_VAR" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
