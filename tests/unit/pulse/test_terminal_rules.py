"""What `piranha rules` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from piranha_web.cli import main
from tests.unit.pulse.test_control import served

COUNTED = {"packets": 12, "bytes": 720}
NOTHING = {"nft": "", "iptables": "", "drift": [], "marks": [], "masquerade": None, "guard": None}
NOTHING |= {"saved": None, "modules": [], "remarks": []}
ANSWER = NOTHING | {
    "nft": "table inet piranha {\n}\n",
    "iptables": "*mangle\nCOMMIT\n",
    "saved": {"path": "/var/lib/piranha/piranha.nft", "at": 1_800_000_000.0},
    "drift": ["chain mine is not pulse's"],
    "marks": [
        {"virtual_server": "shop", "address": "192.0.2.1", "protocol": "tcp", "ports": "443", "fwmark": 80}
        | COUNTED,
        {"virtual_server": "", "address": "2001:db8::1", "protocol": "udp", "ports": "1-2", "fwmark": 7}
        | COUNTED,
    ],
    "masquerade": {"real_servers": ["10.0.0.11", "10.0.0.12"]} | COUNTED,
    "guard": {"port": 3636, "networks": []} | COUNTED,
    "modules": [{"name": "ip_vs_ftp", "loaded": False, "why": "it leads FTP"}],
    "remarks": [{"level": "warning", "what": "A.", "why": "B.", "remedy": "C.", "evidence": ""}],
}


def printed(
    folder: Path, capsys: pytest.CaptureFixture[str], answer: dict[str, Any], *words: str
) -> list[str]:
    async def rules(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return answer

    command = ["rules", *words, "--socket"]
    assert served(folder, {"rules": rules}, lambda socket: main([*command, str(socket)])) == 0
    return capsys.readouterr().out.splitlines()


def test_the_rules_are_printed_behind_remarks_on_what_they_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(tmp_path, capsys, ANSWER)
    kept = lines.pop(5)
    assert kept.startswith("# kept in /var/lib/piranha/piranha.nft since 2027-01-1")
    assert lines == [
        "# shop: tcp 192.0.2.1:443 gets mark 80; 12 packets, 720 bytes",
        "# no virtual server: udp [2001:db8::1]:1-2 gets mark 7; 12 packets, 720 bytes",
        "# masquerade for 10.0.0.11, 10.0.0.12; 12 connections",
        "# port 3636 only for this machine and nobody else; refused: 12 packets, 720 bytes",
        "# kernel module ip_vs_ftp NOT loaded: it leads FTP",
        "# changed by hand: chain mine is not pulse's",
        "# warning: A. B. To do: C.",
        "table inet piranha {",
        "}",
    ]


def test_they_are_printed_in_the_words_of_iptables_or_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(tmp_path, capsys, ANSWER, "--iptables")[-2:] == ["*mangle", "COMMIT"]
    assert json.loads("\n".join(printed(tmp_path, capsys, ANSWER, "--json"))) == ANSWER


def test_where_there_are_none_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = printed(tmp_path, capsys, NOTHING)
    assert line.startswith("# No rules: ")


def test_without_pulse_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--socket", str(tmp_path / "none")]) == 1
    assert "pulse cannot be reached" in capsys.readouterr().err
