"""What `piranha server …` asks, what it prints, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from piranha_web.cli import main
from tests.unit.pulse.test_control import failing, served

NOW = 1000.0


def real(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "address": "10.0.0.1",
        "port": 80,
        "weight": 1,
        "configured_weight": 1,
        "health": "healthy",
        "reason": "connected",
        "since": 880.0,
        "counters": {"active": 2, "inactive": 1},
        "hand": None,
        "why": "",
        "protected": False,
        "flapping": False,
        "warning": "",
    } | more


HAND = {
    "virtual_server": "shop",
    "real_server": "web2",
    "order": "maintenance",
    "at": 900.0,
    "by": "anna",
    "reason": "new disk",
    "until": NOW + 1800,
}
OUT = {"weight": None, "counters": None}
STATUS: dict[str, Any] = {
    "now": NOW,
    "virtual_servers": [
        {
            "name": "shop",
            "key": "tcp 192.0.2.80:80",
            "protected": 1,
            "real_servers": [
                real("web1", health="failed", reason="connect: refused", why="kept by pool protection"),
                real("web2", address="10.0.0.2", hand=HAND, why="in maintenance", **OUT),
                real("web3", address="fd00::3", flapping=True, warning="certificate ends in 9 days"),
            ],
            "departing": [
                {"name": "old", "address": "10.0.0.9", "port": 80, "until": NOW + 60, "counters": None}
            ],
            "sorry_server": {"address": "10.0.0.8", "port": 80, "weight": None},
        },
        {
            "name": "mail/in",
            "key": "tcp 192.0.2.80:25",
            "protected": 0,
            "real_servers": [real("web2", address="10.0.0.2")],
            "departing": [],
            "sorry_server": None,
        },
    ],
}
EXPLAINED: dict[str, Any] = {
    "check": "http GET /health on port 8080",
    "interval": 10,
    "verdict": {
        "health": "failed",
        "reason": "status 503",
        "since": None,
        "checked_at": NOW,
        "streak": 0,
        "flapping": True,
        "warning": "certificate ends in 9 days",
    },
    "history": [
        {"ok": False, "reason": "status 503", "first": 900.0, "last": 990.0, "count": 10, "slowest": 0.0123},
        {"ok": True, "reason": "status 200", "first": 890.0, "last": 890.0, "count": 1, "slowest": 0.001},
    ],
    "hand": HAND,
    "load": {"factor": 0.6, "word": None, "reason": "60%", "at": 900.0},
    "weight": {"configured": 4, "wanted": None, "why": "in maintenance"},
    "test": None,
}
TEST: dict[str, Any] = {
    "ok": True,
    "reason": "status 200",
    "warning": "",
    "duration": 0.0021,
    "transcript": [
        {"at": 0.001, "what": "note", "text": "connected"},
        {"at": 0.0011, "what": "sent", "text": "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"},
        {"at": 0.002, "what": "received", "text": "HTTP/1.1 200 OK\\r\\n"},
    ],
}

Heard = list[Mapping[str, Any]]


class Pulse:
    """What answers; keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: Heard = []
        self.explained = EXPLAINED

    def run(self, *words: str, refusing: RouterError | None = None) -> int:
        calls = {
            "status": self._answering(lambda: STATUS),
            "server": self._answering(lambda: {"changed": ["shop/web1: draining"]}),
            "explain": self._answering(lambda: self.explained),
        }
        if refusing is not None:
            calls["server"] = failing(refusing)
        code: int = served(
            self.folder, calls, lambda path: main(["server", *words, "--socket", str(path)]), patience=5
        )
        return code

    def _answering(
        self, answer: Callable[[], dict[str, Any]]
    ) -> Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]:
        async def call(request: Mapping[str, Any]) -> Mapping[str, Any]:
            self.asked.append(request)
            return answer()

        return call

    @property
    def order(self) -> Mapping[str, Any]:
        (order,) = (one for one in self.asked if one["call"] == "server")
        return order


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    return Pulse(tmp_path)


def test_the_list_has_a_line_for_each_real_server(pulse: Pulse, capsys: pytest.CaptureFixture[str]) -> None:
    assert pulse.run("list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "shop (tcp 192.0.2.80:80), 1 kept in by pool protection",
        "  web1 10.0.0.1:80: failed for 2 min (connect: refused); weight 1, 3 connections; "
        "kept by pool protection",
        "  web2 10.0.0.2:80: healthy for 2 min (connected); not in the table; in maintenance; "
        "maintenance by anna, 30 min left: new disk",
        "  web3 [fd00::3]:80: healthy for 2 min (connected); weight 1, 3 connections; flapping; "
        "warning: certificate ends in 9 days",
        "  old 10.0.0.9:80: deleted, 0 connections, 60 s left",
        "  sorry server 10.0.0.8:80: stands by",
        "mail/in (tcp 192.0.2.80:25)",
        "  web2 10.0.0.2:80: healthy for 2 min (connected); weight 1, 3 connections",
    ]
    assert pulse.run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == STATUS["virtual_servers"]


def test_an_order_names_its_real_servers_reason_and_end(
    pulse: Pulse, capsys: pytest.CaptureFixture[str]
) -> None:
    before = time.time()
    assert pulse.run("drain", "shop/web1", "mail/in/web2", "--within", "10m", "--reason", "new disk") == 0
    order = pulse.order
    assert order["targets"] == [["shop", "web1"], ["mail/in", "web2"]]
    assert (order["order"], order["by"], order["reason"]) == ("drain", "", "new disk")
    assert before + 600 <= order["until"] <= time.time() + 600
    assert capsys.readouterr().out == "shop/web1: draining\n"


@pytest.mark.parametrize("verb", ["up", "down", "auto"])
def test_the_other_orders_need_no_end(pulse: Pulse, verb: str) -> None:
    assert pulse.run(verb, "shop/web1") == 0
    assert (pulse.order["order"], pulse.order["until"]) == (verb, None)


def test_maintenance_has_a_reason_and_an_end(pulse: Pulse, capsys: pytest.CaptureFixture[str]) -> None:
    assert pulse.run("maintenance", "shop/web1", "--until", "23:59", "--reason", "disk") == 0
    assert pulse.order["until"] > time.time()
    for missing in (["--for", "2h"], ["--reason", "disk"]):
        with pytest.raises(SystemExit) as ended:
            main(["server", "maintenance", "shop/web1", *missing])
        assert ended.value.code == 2
    assert "required" in capsys.readouterr().err


def test_a_machine_is_meant_in_every_virtual_server(pulse: Pulse) -> None:
    assert pulse.run("drain", "--address", "10.0.0.2") == 0
    assert pulse.order["targets"] == [["shop", "web2"], ["mail/in", "web2"]]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["drain"], "Name a real server"),
        (["drain", "nobody"], "names no real server: write VIRTUAL_SERVER/REAL_SERVER.\n"),
        (["drain", "web2"], "write VIRTUAL_SERVER/REAL_SERVER, such as shop/web2 or mail/in/web2."),
        (["drain", "shop"], "such as shop/web1 or shop/web2 or shop/web3."),
        (["drain", "--address", "10.9.9.9"], "No active real server has the address"),
        (["drain", "shop/web1", "--within", "soon"], "is no length of time"),
        (["down", "shop/web1", "--until", "2001-01-01"], "has gone by"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_ordered(
    pulse: Pulse, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert pulse.run(*words) == 1
    assert reason in capsys.readouterr().err
    assert not [one for one in pulse.asked if one["call"] == "server"]


def test_a_refusal_of_pulse_is_said(pulse: Pulse, capsys: pytest.CaptureFixture[str]) -> None:
    assert pulse.run("drain", "shop/web9", refusing=RouterError("no real server shop/web9")) == 1
    assert capsys.readouterr().err == "no real server shop/web9\n"


def test_a_test_prints_what_was_said_and_ends_as_the_check_does(
    pulse: Pulse, capsys: pytest.CaptureFixture[str]
) -> None:
    pulse.explained = EXPLAINED | {"test": TEST}
    assert pulse.run("test", "mail/in/web2") == 0
    assert (pulse.asked[-1]["virtual_server"], pulse.asked[-1]["test"]) == ("mail/in", True)
    assert capsys.readouterr().out.splitlines() == [
        "check: http GET /health on port 8080",
        "       1.0 ms * connected",
        "       1.1 ms > GET / HTTP/1.1\\r\\n",
        "       1.1 ms > Host: x\\r\\n",
        "       1.1 ms > \\r\\n",
        "       2.0 ms < HTTP/1.1 200 OK\\r\\n",
        "good: status 200 (2.1 ms)",
    ]
    pulse.explained = EXPLAINED | {"test": TEST | {"ok": False, "reason": "status 503", "warning": "old"}}
    assert pulse.run("test", "shop/web1") == 1
    assert capsys.readouterr().out.splitlines()[-2:] == ["bad: status 503 (2.1 ms)", "warning: old"]


def test_history_says_why_and_what_the_last_results_were(
    pulse: Pulse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pulse.run("history", "shop/web1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "check: http GET /health on port 8080, every 10 s",
        "verdict: failed: status 503",
        "it flaps: its return takes longer",
        "warning: certificate ends in 9 days",
        "weight: not in the table (in maintenance), 4 configured",
    ]
    assert lines[5].startswith("by hand: maintenance by anna")
    assert lines[6] == "load: 60% (60 % of the weight)"
    assert "bad, 10 times, until 1970-01-01" in lines[7]
    assert lines[8].endswith("good, once, 1.0 ms at most: status 200")


def test_an_agent_that_has_said_no_percentage_stands_for_all_of_the_weight(
    pulse: Pulse, capsys: pytest.CaptureFixture[str]
) -> None:
    load = {"factor": None, "word": "up", "reason": "up", "at": 900.0}
    pulse.explained = EXPLAINED | {"load": load}
    assert pulse.run("history", "shop/web1") == 0
    assert "load: up (100 % of the weight)" in capsys.readouterr().out
