"""What `piranha preflight` asks, prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from piranha_web.cli import main
from tests.unit.pulse.test_control import failing, served

REMARK = {
    "level": "error",
    "about": "interfaces",
    "what": "This machine has no interface eth7.",
    "why": "It is to carry 192.0.2.1 of shop.",
    "remedy": "Create it.",
    "evidence": "the kernel's list of interfaces",
}
ROW = {
    "path": "net/ipv4/ip_forward",
    "wanted": "1",
    "found": "0",
    "why": "the answers pass through",
    "when": "NAT over IPv4",
    "persisted": {"value": "0", "place": "/etc/sysctl.conf:3"},
}
FOUND: dict[str, Any] = {"remarks": [REMARK], "parameters": [ROW], "seconds": 0.2}


def answering(
    found: Mapping[str, Any], asked: list[Mapping[str, Any]]
) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    async def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(request)
        return found

    return answer


def run(folder: Path, *words: str, found: Mapping[str, Any] = FOUND) -> tuple[int, list[Mapping[str, Any]]]:
    """The exit code, and what pulse was asked."""
    asked: list[Mapping[str, Any]] = []
    code = served(
        folder,
        {"preflight": answering(found, asked)},
        lambda path: main(["preflight", "--socket", str(path), *words]),
    )
    return code, asked


def test_a_remark_is_a_few_lines_and_an_error_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = run(tmp_path)
    assert (code, asked) == (1, [{"call": "preflight"}])
    assert capsys.readouterr().out.splitlines() == [
        "error: This machine has no interface eth7.",
        "    It is to carry 192.0.2.1 of shop.",
        "    To do: Create it.",
        "    Seen: the kernel's list of interfaces",
    ]


def test_warnings_alone_end_with_0(tmp_path: Path) -> None:
    code, _ = run(tmp_path, found=FOUND | {"remarks": [REMARK | {"level": "warning"}]})
    assert code == 0


def test_a_router_that_is_fit_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = run(tmp_path, found=FOUND | {"remarks": []})
    assert (code, capsys.readouterr().out) == (0, "Nothing stands against it.\n")


def test_a_file_is_what_pulse_is_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "lvs.cf"
    file.write_text("serial_no = 7\n")
    assert run(tmp_path, str(file))[1] == [{"call": "preflight", "lvs_cf": "serial_no = 7\n"}]


def test_the_table_of_parameters_is_printed_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "--parameters", found=FOUND | {"remarks": []})
    assert capsys.readouterr().out.splitlines()[2:] == [
        "net/ipv4/ip_forward = 0, pulse sets 1 (NAT over IPv4), /etc/sysctl.conf:3 sets 0",
        "    the answers pass through",
    ]


def test_json_is_pulses_own_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "--json")
    assert json.loads(capsys.readouterr().out) == FOUND


def test_a_refusal_is_said_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = {"preflight": failing(RouterError("not now"))}
    code = served(tmp_path, calls, lambda path: main(["preflight", "--socket", str(path)]))
    assert (code, capsys.readouterr().err) == (1, "not now\n")


def test_without_a_pulse_a_file_that_makes_no_sense_is_named_with_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lvs.cf"
    file.write_text("primary = nobody\n")
    assert main(["preflight", "--socket", str(tmp_path / "none"), str(file)]) == 1
    assert f"{file}:1: error: primary: " in capsys.readouterr().err
