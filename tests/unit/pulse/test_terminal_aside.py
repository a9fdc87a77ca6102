"""`piranha aside` at a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse.terminal_aside import aside_command, take_part_command
from tests.unit.pulse.test_terminal import answering, failing, served

SAID = {"role": "standby", "message": "takes no part until it is told to"}


def test_it_asks_pulse_with_the_reason_and_the_time_and_prints_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Mapping[str, Any]] = []
    calls = {"set_aside": answering(SAID, heard)}
    code = served(tmp_path, calls, lambda path: aside_command(path, reason="new disk", hours=2, anyway=True))
    assert code == 0
    (asked,) = heard
    assert 7100 < asked["until"] - time.time() <= 7200
    assert {**asked, "until": None} == {
        "call": "set_aside",
        "by": "",
        "reason": "new disk",
        "until": None,
        "anyway": True,
    }
    assert capsys.readouterr().out == "takes no part until it is told to\n"


def test_a_refusal_says_why_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = {"set_aside": failing(RouterError("There is no second router."))}
    code = served(tmp_path, calls, lambda path: aside_command(path, reason="", hours=None, anyway=False))
    assert code == 1
    assert capsys.readouterr().err == "There is no second router.\n"


@pytest.mark.parametrize("hours", [0.0, -1.0, 1e9, float("nan")])
def test_hours_that_make_no_sense_ask_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hours: float
) -> None:
    assert aside_command(tmp_path / "pulse.sock", reason="", hours=hours, anyway=False) == 1
    assert "--hours must be above 0" in capsys.readouterr().err


def test_the_end_of_it_is_asked_for_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[Mapping[str, Any]] = []
    calls = {"take_part": answering({"role": "standby", "message": "takes part again"}, heard)}
    assert served(tmp_path, calls, take_part_command) == 0
    assert heard == [{"call": "take_part"}]
    assert capsys.readouterr().out == "takes part again\n"
