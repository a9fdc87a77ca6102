"""The first start on a terminal asks which networks may come: at a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.terminal import Terminal

PROJECT = Path(__file__).resolve().parents[2]
# As `make run` does it, twice: the second time there is an answer already.
STARTS = """
from deploy.run import ask_who_may_come
from deploy.start.place import Place
place = Place.from_environment()
ask_who_may_come(place)
ask_who_may_come(place)
print("started", flush=True)
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIRANHA_", "SSH_"))}
    return {**kept, "PIRANHA_VAR": str(folder), "PYTHONPATH": str(PROJECT), **more}


def at_terminal(folder: Path, **more: str) -> Terminal:
    return Terminal([sys.executable, "-c", STARTS], environment(folder, **more))


def test_the_first_start_asks_explains_odd_answers_and_never_locks_the_console_out(tmp_path: Path) -> None:
    terminal = at_terminal(tmp_path / "var", SSH_CONNECTION="198.51.100.9 50000 192.0.2.1 22")

    question = terminal.until("Networks: ")
    assert "Which networks may reach the web pages?" in question
    assert "10.0.0.0/8" in question
    terminal.type("the office")
    assert "'the' is no network. Write one as 192.0.2.0/24" in terminal.until("Networks: ")
    terminal.type("0.0.0.0/0")
    assert "If you mean it: 0.0.0.0/0 everybody" in terminal.until("Networks: ")
    terminal.type("203.0.113.0/24 10.0.0.0/8")

    assert terminal.ended() == 0
    assert "198.51.100.9/32 is added: you come from there by SSH" in terminal.shown
    assert terminal.shown.rstrip().endswith("started")
    assert "Networks:" not in terminal.shown
    file = tmp_path / "var" / "allow"
    networks = [line.split()[0] for line in file.read_text().splitlines() if not line.startswith("#")]
    assert networks == ["203.0.113.0/24", "10.0.0.0/8", "198.51.100.9/32"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_who_goes_without_an_answer_leaves_the_default_and_hears_what_that_is(tmp_path: Path) -> None:
    terminal = at_terminal(tmp_path / "var")
    terminal.until("Networks: ")
    terminal.end_of_file()
    said = terminal.until("or piranha allow ask.")
    assert "left unanswered. Nothing was changed. What counts:" in said
    assert "192.168.0.0/16" in said
    terminal.until("Networks: ")
    terminal.type("")

    assert terminal.ended() == 0
    assert "192.168.0.0/16" in (tmp_path / "var" / "allow").read_text()


def test_without_a_terminal_nothing_is_asked_and_nothing_is_written(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS],
        env=environment(tmp_path / "var"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "started\n"
    assert not (tmp_path / "var" / "allow").exists()
