"""What `piranha setup` says: where the pages are, and what to do about a machine that cannot be set up."""

from __future__ import annotations

import errno
from argparse import Namespace
from pathlib import Path

import pytest

from piranha_web.setup import command
from piranha_web.setup.answers import Answers, Kind
from piranha_web.setup.command import setup_command, url_of


@pytest.mark.parametrize(
    ("binds", "reached_at", "url"),
    [
        (("::",), "fd00:1::9", "https://[fd00:1::9]:3636"),
        (("fd00:1::9",), "", "https://[fd00:1::9]:3636"),
        (("::",), "", "https://localhost:3636"),
        (("127.0.0.1",), "", "http://localhost:3636"),
        (("0.0.0.0",), "manager.example.org", "https://manager.example.org:3636"),
        (("unix:/run/x",), "", "unix:/run/x"),
    ],
)
def test_the_pages_are_named_as_a_browser_takes_it(binds: tuple[str, ...], reached_at: str, url: str) -> None:
    answers = Answers(
        kind=Kind.MANAGER, cluster="", routers=(), binds=binds, port=3636, reached_at=reached_at
    )
    assert url_of(answers) == url


def of_root(folder: Path) -> Namespace:
    return Namespace(root=folder, yes=True, password_stdin=False, token=None, dry_run=False)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "The disk is full: df -h"),
        (errno.EROFS, "may only be read, perhaps after a fault of it: dmesg"),
        (errno.EACCES, "Mend that, then run this again"),
    ],
)
def test_a_disk_that_takes_nothing_is_named_with_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    said: str,
) -> None:
    def set_up(*_words: object) -> int:
        raise OSError(number, "no", "/etc/piranha/web.env")

    monkeypatch.setattr(command, "set_up", set_up)
    assert setup_command(of_root(tmp_path)) == 1
    shown = capsys.readouterr().err
    assert "/etc/piranha/web.env" in shown
    assert said in shown


def test_nothing_is_made_by_a_clock_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.time, "time", lambda: 100.0)
    assert setup_command(of_root(tmp_path / "root")) == 1
    assert "The clock is wrong: it is 1970-01-01 00:01 UTC" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()
