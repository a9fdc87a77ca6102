"""What the set-up starts beside itself: it takes neither code from where root stands, nor root's terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from piranha_web import installed
from piranha_web.setup.place import Place, python

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
