"""Where a backup goes: whole or not at all, for its owner alone; and with whose rights."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import IO

import pytest

from lvs.errors import NotPossible
from piranha_web import installed
from piranha_web.databases import doors
from piranha_web.databases.doors import as_site, passphrase, written


def test_a_file_is_there_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.piranha"
    path.write_bytes(b"yesterday's")
    path.chmod(0o644)
    with written(str(path)) as file:
        file.write(b"today's")
        assert path.read_bytes() == b"yesterday's"
    assert path.read_bytes() == b"today's"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.piranha"
    path.write_bytes(b"yesterday's")

    def fails() -> None:
        with written(str(path)) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fails()
    assert path.read_bytes() == b"yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="name a file in it"), written(str(tmp_path)):
        pass


def test_a_passphrase_is_the_first_line_of_its_file_or_typed_twice_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phrase").write_text("five words in a row\nand more\n")
    assert passphrase(str(tmp_path / "phrase"), asked=False, twice=True) == "five words in a row"
    assert passphrase(None, asked=False, twice=True) == ""
    typed = iter(["one", "one", "one", "other"])
    monkeypatch.setattr(doors.getpass, "getpass", lambda _words: next(typed))
    assert passphrase(None, asked=True, twice=True) == "one"
    with pytest.raises(NotPossible, match="not the same"):
        passphrase(None, asked=True, twice=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_work_of_an_installed_site_is_done_by_its_user_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert as_site(lambda: 3) == 3  # a checkout: as whoever runs it
    monkeypatch.setattr(installed, "is_installed", lambda: True)
    monkeypatch.setattr(installed, "become", lambda _environment: os.setuid(65534))

    def leave_name(file: IO[bytes]) -> int:
        file.write(str(os.geteuid()).encode())
        file.flush()
        return 4

    with written(str(tmp_path / "x")) as file:
        assert as_site(lambda: leave_name(file)) == 4
    assert (tmp_path / "x").read_bytes() == b"65534"
    assert (tmp_path / "x").stat().st_uid == os.geteuid() == 0

    def fails() -> int:
        raise ValueError("of the child")

    handler = logging.StreamHandler()  # in the child nothing that a test put in the way is read any more
    doors.log.addHandler(handler)
    try:
        assert as_site(fails) == 1
    finally:
        doors.log.removeHandler(handler)
    assert "ValueError: of the child" in capfd.readouterr().err
