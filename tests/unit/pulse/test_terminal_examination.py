"""What `piranha server check` asks, prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from piranha_web.cli import main
from tests.unit.pulse.test_control import failing, served
from tests.unit.pulse.test_terminal_preflight import answering
from tests.unit.pulse.test_terminal_servers import STATUS

REMARK = {
    "level": "error",
    "about": "real server",
    "what": "web1 has the wrong gateway.",
    "why": "Answers must come back.",
    "remedy": "Make 10.0.0.10 its default gateway.",
    "evidence": "no answer",
}
TRIED = [
    {"what": "who has 10.0.0.1 on eth1", "good": True, "said": "02:00:00:00:00:01"},
    {"what": "tcp 80 at 10.0.0.1", "good": False, "said": "no answer"},
    {"what": "udp 53 at 10.0.0.1", "good": None, "said": "no answer"},
]
FOUND: dict[str, Any] = {"remarks": [REMARK], "tried": TRIED, "seconds": 0.5}


def run(folder: Path, *words: str, found: Mapping[str, Any] = FOUND) -> tuple[int, list[Mapping[str, Any]]]:
    """The exit code, and what pulse was asked."""
    asked: list[Mapping[str, Any]] = []
    calls = {"status": answering(STATUS, []), "examine": answering(found, asked)}
    code = served(
        folder, calls, lambda path: main(["server", "check", "shop/web1", "--socket", str(path), *words])
    )
    return code, asked


def test_what_was_tried_and_what_is_wrong_is_printed_and_an_error_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = run(tmp_path)
    assert code == 1
    assert asked == [{"call": "examine", "virtual_server": "shop", "real_server": "web1"}]
    assert capsys.readouterr().out.splitlines() == [
        "good  who has 10.0.0.1 on eth1: 02:00:00:00:00:01",
        " BAD  tcp 80 at 10.0.0.1: no answer",
        "   ?  udp 53 at 10.0.0.1: no answer",
        "error: web1 has the wrong gateway.",
        "    Answers must come back.",
        "    To do: Make 10.0.0.10 its default gateway.",
        "    Seen: no answer",
    ]


def test_a_good_one_is_called_so_and_a_note_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, found=FOUND | {"remarks": []})[0] == 0
    assert (
        "Nothing is wrong with its set-up, as far as can be told from this router." in capsys.readouterr().out
    )
    assert run(tmp_path, found=FOUND | {"remarks": [REMARK | {"level": "note"}]})[0] == 0


def test_json_is_pulses_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--json")[0] == 1
    assert json.loads(capsys.readouterr().out) == FOUND


def test_a_refusal_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = {"status": answering(STATUS, []), "examine": failing(RouterError("This pulse only plans."))}
    code = served(tmp_path, calls, lambda path: main(["server", "check", "shop/web1", "--socket", str(path)]))
    assert code == 1
    assert "This pulse only plans." in capsys.readouterr().err
