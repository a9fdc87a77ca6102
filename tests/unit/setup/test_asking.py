"""What stands at the terminal was written by us alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from piranha_web.console.backup_command import described
from piranha_web.databases.doors import say as backup_says
from piranha_web.databases.restore import Unpacked
from piranha_web.setup import command
from piranha_web.setup.asking import Terminal
from piranha_web.setup.place import NotSetUp, Place

BAD = "x\x1b]0;PWNED\x07\x1b[2J\r\u202e"
SHOWN = "x\\x1b]0;PWNED\\x07\\x1b[2J\\r\\u202e"


def test_whatever_the_set_up_and_a_backup_say_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    command.say(f"one\n{BAD}")
    command.refused(BAD)
    Terminal().say(BAD)
    backup_says(f"{BAD}\nmore")
    assert capsys.readouterr().err == f"one\n{SHOWN}\n{SHOWN}\n{SHOWN}\n{SHOWN}\nmore\n"


def test_a_question_with_what_was_answered_before_is_harmless(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "typed").write_text("yes\n")
    with (tmp_path / "typed").open() as typed:
        monkeypatch.setattr("sys.stdin", typed)
        assert Terminal().line(f"Redis [{BAD}]: ") == "yes"
    assert capsys.readouterr().err == f"Redis [{SHOWN}]: "


def test_what_a_strangers_backup_says_of_itself_is_harmless(tmp_path: Path) -> None:
    manifest = {"host": BAD, "made_at": BAD, "version": BAD, "database": BAD, "contents": {}, "tables": {}}
    text = described(Unpacked(tmp_path, manifest))
    assert text.endswith(".\n")
    assert text[:-1].isprintable()
    assert SHOWN in text


def test_the_last_words_of_a_command_that_failed_are_harmless(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp) as error:
        Place(tmp_path).run({}, "check", "lvs.cf", f"--{BAD}")
    assert str(error.value).isprintable()
    assert "u202e" in str(error.value)
