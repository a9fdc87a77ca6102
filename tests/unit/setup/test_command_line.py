"""The words of the `piranha` command: whole ones, and none that others should not read."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from lvs.errors import NotPossible
from piranha_web.cli import parser
from piranha_web.databases.move import settings_of

URL = "postgresql://piranha:s3cret@db.example.org/lvs"


@pytest.mark.parametrize("words", ["worker --man", "server list --js", "database move x.db --he"])
def test_no_option_counts_by_its_first_letters(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(words.split())
    assert "unrecognized arguments" in capsys.readouterr().err


def moved_to(target: str) -> Namespace:
    return Namespace(verb="move", target=target)


@pytest.mark.parametrize("url", [URL, "postgresql://db.example.org/lvs?sslpassword=s3cret"])
def test_a_password_that_everybody_can_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(NotPossible, match=r"piranha database move @FILE") as error:
        settings_of(moved_to(url))
    assert "s3cret" not in str(error.value)


def test_a_url_without_one_or_from_a_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "database.url"
    file.write_text(URL)
    assert settings_of(moved_to(f"@{file}"))["PASSWORD"] == "s3cret"
    assert settings_of(moved_to(URL.replace(":s3cret", "")))["USER"] == "piranha"
