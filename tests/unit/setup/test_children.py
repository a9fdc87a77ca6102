"""What the set-up starts beside itself: it takes neither code from where root stands, nor root's terminal."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest

from piranha_web import installed
from piranha_web.setup import named_files, own_redis
from piranha_web.setup.place import NotSetUp, Place, python

STRANGERS = 'raise SystemExit("taken in: a stranger\'s code")\n'


def test_a_command_of_ours_imports_nothing_from_the_folder_that_root_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "piranha_web").mkdir()
    (tmp_path / "piranha_web" / "__init__.py").write_text(STRANGERS)
    (tmp_path / "argparse.py").write_text(STRANGERS)
    (tmp_path / "lvs.cf").write_text("serial_no = 1\n")
    monkeypatch.chdir(tmp_path)

    assert "serial_no = 1" in Place(tmp_path).run({}, "format", "lvs.cf")


def test_the_packages_python_takes_nothing_from_the_environment_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert python()[1:] == ["-P"]
    monkeypatch.setattr(installed, "is_installed", lambda: True)
    assert python()[1:] == ["-I"]


def test_redis_gets_neither_the_terminal_nor_the_session_of_who_sets_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "redis-server"
    found.write_text('#!/bin/sh\necho "$(cut -d" " -f6 /proc/$$/stat) $$ $(readlink /proc/$$/fd/0)"\n')
    found.chmod(0o755)
    monkeypatch.setattr(own_redis, "program", lambda: str(found))
    nowhere = f"unix://{tmp_path}/none.sock"

    with pytest.raises(NotSetUp) as error, own_redis.running(Place(tmp_path), nowhere, None):
        pass

    session, process, standard_input = str(error.value).rstrip(".").split()[-3:]
    assert session == process
    assert standard_input == "/dev/null"


def test_who_looks_whether_the_site_may_read_a_file_gets_no_terminal_of_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def run(words: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        asked.append(more)
        return subprocess.CompletedProcess(words, 1)

    monkeypatch.setattr(installed, "site_user", lambda: pwd.getpwuid(os.getuid()))
    monkeypatch.setattr(subprocess, "run", run)

    assert not named_files.may_read(tmp_path)
    assert asked[0]["stdin"] == subprocess.DEVNULL
    assert asked[0]["start_new_session"]
