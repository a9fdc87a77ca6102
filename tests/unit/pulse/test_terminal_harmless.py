"""What real servers, other routers and whoever named something write is never obeyed by a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse.terminal import harmless
from piranha_web.cli import main
from tests.unit.pulse.test_control import failing, served
from tests.unit.pulse.test_terminal import PART
from tests.unit.pulse.test_terminal_examination import FOUND as EXAMINED
from tests.unit.pulse.test_terminal_preflight import FOUND as PREFLIGHT
from tests.unit.pulse.test_terminal_rules import ANSWER as RULES
from tests.unit.pulse.test_terminal_servers import EXPLAINED, STATUS, TEST

# Clears the screen, writes the title, erases the line above, as 7 and 8 bits; turns the direction of writing;
# half of a sign that UTF-8 has not.
SIGNS = "\x1b[2J\x1b]0;evil\x07\r\x08\x9b2J\x90\x7f\u202e\u2066\u2028\u200b\ufeff\ud800"
ROUTER = {
    "name": "r1",
    "node": "primary",
    "role": "active",
    "mode": "kernel",
    "sha256": "1" * 64,
    "serial": 4,
    "redundancy": PART,
    "unconfirmed": None,
    "guard": {"port": 3636, "networks": ["192.0.2.0/24"]},
    "problems": ["a problem"],
    "now": 1000.0,
}
NAMED = ("name", "address", "level", "role", "sha256", "what")  # a command asks for these, or they are fixed


def hostile(value: Any, name: str = "") -> Any:
    """The document with what a terminal would obey in each of its texts."""
    if isinstance(value, Mapping):
        return {key: hostile(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(each, name) for each in value]
    return value + SIGNS if isinstance(value, str) and name not in NAMED else value


DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "status": ROUTER | {"virtual_servers": STATUS["virtual_servers"]},
    "explain": EXPLAINED | {"test": TEST},
    "examine": EXAMINED,
    "preflight": PREFLIGHT,
    "rules": RULES,
    "server": {"changed": ["drained"]},
    "hand_over": {"role": "standby", "message": "done"},
}
COMMANDS = [
    ["status"],
    ["status", "--json"],
    ["server", "list"],
    ["server", "list", "--json"],
    ["server", "history", "shop/web1"],
    ["server", "test", "shop/web1"],
    ["server", "check", "shop/web1"],
    ["server", "check", "shop/web1", "--json"],
    ["server", "drain", "shop/web1"],
    ["preflight", "--parameters"],
    ["preflight", "--json"],
    ["rules"],
    ["rules", "--iptables"],
    ["rules", "--json"],
    ["guard"],
    ["failover"],
]


def answering(document: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
    async def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        said: Mapping[str, Any] = hostile(document)
        return said

    return answer


def texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def obeyed(printed: str) -> set[str]:
    """The signs in it that are more than something to look at."""
    return {sign for sign in printed if unicodedata.category(sign)[0] in "CZ" and sign not in " \n\t"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_what_a_terminal_obeys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    calls = {name: answering(document) for name, document in DOCUMENTS.items()}
    served(tmp_path, calls, lambda path: main([*command, "--socket", str(path)]))

    printed = capsys.readouterr()
    assert "evil" in printed.out
    assert obeyed(printed.out + printed.err) == set()
    if "--json" in command:
        assert any(SIGNS in text for text in texts(json.loads(printed.out)))  # programs get all of it


@pytest.mark.parametrize("command", [["status"], ["rules"], ["server", "list"], ["preflight"]], ids=" ".join)
def test_nor_does_what_pulse_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    calls = {name: failing(RouterError(f"evil {SIGNS}")) for name in DOCUMENTS}
    served(tmp_path, calls, lambda path: main([*command, "--socket", str(path)]))

    printed = capsys.readouterr()
    assert "evil" in printed.err
    assert obeyed(printed.out + printed.err) == set()


def test_what_can_be_looked_at_stays_as_it_is() -> None:
    text = "grüße, 東京\tпривет – “quoted” ✔ 🐟 \\x1b"
    assert harmless(text) == text
