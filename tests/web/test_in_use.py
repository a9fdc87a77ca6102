"""The folder of a manager, held by whoever has its database open: real processes, real locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from lvs.errors import NotPossible
from piranha_web.databases import in_use, rest
from tests.conftest import eventually

HOLDS = """
import sys; from pathlib import Path; from piranha_web.databases import in_use
in_use.hold(Path(sys.argv[1])); print("holds", flush=True); sys.stdin.read()
"""
ALONE = """
import sys; from pathlib import Path; from piranha_web.databases import in_use
with in_use.for_itself(Path(sys.argv[1]), "a test"): print("alone", flush=True); sys.stdin.read()
"""
# Its child lives on when it has ended itself, as gunicorn's do when their parent is killed.
FORKS = """
import os, sys; from pathlib import Path; from piranha_web.databases import in_use
in_use.hold(Path(sys.argv[1]))
if child := os.fork(): print(child, flush=True)
else: sys.stdin.read()
"""


@contextmanager
def process(code: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has printed a line, which is given; it ends when its standard input does."""
    one = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with one:
        assert one.stdout is not None
        try:
            yield one, one.stdout.readline().strip()
        finally:
            one.kill()


def test_whoever_holds_the_folder_keeps_away_who_needs_it_for_itself_and_is_named(tmp_path: Path) -> None:
    with process(HOLDS, str(tmp_path), "worker", "--manager") as (one, said):
        assert said == "holds"
        with (
            pytest.raises(NotPossible) as refused,
            in_use.for_itself(tmp_path, "restoring a backup", patience=0.0),
        ):
            pass
    words = str(refused.value)
    assert words.startswith(f"the site is in use by the manager's worker (process {one.pid}), and restoring")
    assert "Nothing was changed: stop the services (systemctl stop piranha-web piranha-manager;" in words
    with in_use.for_itself(tmp_path, "restoring a backup"):  # a process that was killed holds nothing
        in_use.hold(tmp_path)
        with process(HOLDS, str(tmp_path)) as (_, said):
            assert said == ""  # it ended in an error, for this process still has the folder for itself
    with process(HOLDS, str(tmp_path)) as (_, said):
        assert said == "holds"


def test_a_command_is_waited_for_a_moment_and_a_process_of_no_service_is_to_be_ended(tmp_path: Path) -> None:
    with process(HOLDS, str(tmp_path), "shell") as (one, _):
        refused = in_use.refusal(in_use.holders(tmp_path), "a move")
        assert refused.isprintable()  # though its command line is a script
        assert f"process {one.pid} ({sys.executable} -c" in refused
        assert f"and end process {one.pid}, then run this again" in refused
        assert one.stdin is not None
        one.stdin.close()  # it is about to end
        with in_use.for_itself(tmp_path, "a move", patience=30.0):
            assert in_use.holders(tmp_path) == []


def test_who_came_of_a_process_that_has_ended_holds_on_for_it(tmp_path: Path) -> None:
    with process(FORKS, str(tmp_path)) as (one, child):
        one.poll()
        eventually(lambda: [str(each.pid) for each in in_use.holders(tmp_path)] == [child], "one is left")
        with pytest.raises(NotPossible), in_use.for_itself(tmp_path, "a move", patience=0.0):
            pass
        os.kill(int(child), 9)
        with in_use.for_itself(tmp_path, "a move", patience=30.0):
            pass


def test_nobody_begins_while_one_has_the_folder_for_itself_and_a_connection_is_refused_as_one(
    tmp_path: Path, settings: Any
) -> None:
    settings.VAR = tmp_path
    with process(ALONE, str(tmp_path)) as (one, said):
        assert said == "alone"
        with pytest.raises(NotPossible, match=f"restored, moved or brought up to date .*process {one.pid}"):
            in_use.hold(tmp_path)
        with pytest.raises(OperationalError, match="try again when that has ended"):
            rest.at_connection(Closable())
    rest.at_connection(Closable())
    assert Closable.closed == 1


class Closable:
    """A connection that was just opened."""

    alias = connection.alias
    closed = 0

    def close(self) -> None:
        Closable.closed += 1


def test_a_folder_that_was_replaced_is_held_anew_and_one_that_is_not_there_is_nobodys(tmp_path: Path) -> None:
    var = tmp_path / "var"
    in_use.hold(var)
    var.mkdir()
    in_use.hold(var)
    var.rename(tmp_path / "old")
    var.mkdir()
    in_use.hold(var)
    with process(ALONE, str(tmp_path / "old")) as (_, said):
        assert said == "alone"
    with process(HOLDS, str(var)) as (_, said):
        assert said == "holds"
        with pytest.raises(NotPossible), in_use.for_itself(var, "a move", patience=0.0):
            pass
    with pytest.raises(NotPossible, match="is no folder"), in_use.for_itself(tmp_path / "none", "a move"):
        pass
