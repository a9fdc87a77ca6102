"""What `piranha guard` asks, prints and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.pulse.terminal_guard import guard_command
from piranha_web.cli import main
from tests.unit.pulse.test_control import served

GUARD = {"port": 3636, "networks": ["192.0.2.0/24", "2001:db8::/32"]}
CAME_BY_SSH = {"SSH_CONNECTION": "198.51.100.7 50000 192.0.2.1 22"}


class Router:
    """A pulse that keeps what it is asked for."""

    def __init__(self, folder: Path, guard: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.guard = guard
        self.asked: list[Mapping[str, Any]] = []

    async def have(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(request)
        await asyncio.sleep(0)
        if request["port"] == 1:
            raise RouterError("198.51.100.7 has a connection to port 1.")
        guard = None if request["port"] is None else {key: request[key] for key in ("port", "networks")}
        return {"guard": guard, "changes": ["set netfilter table inet piranha"]}

    async def status(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"guard": self.guard}

    def run(self, *words: str) -> int:
        """The exit code of `piranha guard` with these words."""
        code = served(
            self.folder,
            {"guard": self.have, "status": self.status},
            lambda socket: main(["guard", "--socket", str(socket), *words]),
        )
        return int(code)


def test_alone_it_prints_what_is_guarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Router(tmp_path, GUARD).run() == 0
    assert capsys.readouterr().out == (
        "Port 3636 (TCP) is reached by this machine itself and by\n    192.0.2.0/24\n    2001:db8::/32\n"
    )
    assert Router(tmp_path).run() == 0
    assert "No port of this router is guarded" in capsys.readouterr().out


def test_a_guard_is_asked_for_and_what_came_of_it_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router = Router(tmp_path)
    assert router.run("--port", "3636", "--allow", "192.0.2.0/24", "--allow", "2001:db8::/32") == 0
    assert router.asked == [{"call": "guard", **GUARD, "anyway": False}]
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("set netfilter table inet piranha", "    2001:db8::/32")
    assert router.run("--port", "22", "--anyway", "--allow", "0.0.0.0/0") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "    nobody by IPv6"
    assert router.run("--port", "22", "--anyway") == 0
    assert router.asked[-1] == {"call": "guard", "port": 22, "networks": [], "anyway": True}
    assert "nobody else" in capsys.readouterr().out
    assert router.run("--off") == 0
    assert router.asked[-1]["port"] is None


def test_what_pulse_refuses_is_said_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Router(tmp_path).run("--port", "1", "--allow", "192.0.2.0/24") == 1
    assert capsys.readouterr().err == "198.51.100.7 has a connection to port 1.\n"


def test_a_guard_without_a_network_is_taken_for_a_slip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router = Router(tmp_path)
    assert router.run("--port", "3636") == 1
    assert "say for whom it is" in capsys.readouterr().err
    assert not router.asked


def test_what_is_no_network_is_refused_before_pulse_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router = Router(tmp_path)
    assert router.run("--port", "3636", "--allow", "192.0.2.1/24") == 1
    assert "write 192.0.2.0/24" in capsys.readouterr().err
    assert router.run("--allow", "192.0.2.0/24") == 2
    assert "--port" in capsys.readouterr().err
    assert router.asked == []


@pytest.mark.parametrize(
    ("port", "networks", "environment", "code"),
    [
        (22, ["192.0.2.0/24"], CAME_BY_SSH, 1),
        (22, ["198.51.100.0/24"], CAME_BY_SSH, 0),
        (3636, ["192.0.2.0/24"], CAME_BY_SSH, 0),
        (22, ["192.0.2.0/24"], {"SSH_CONNECTION": "127.0.0.1 50000 127.0.0.1 22"}, 0),
        (22, ["2001:db8::/32"], {"SSH_CONNECTION": "fe80::1%eth0 50000 fe80::2%eth0 22"}, 1),
        (22, ["192.0.2.0/24"], {}, 0),
    ],
)
def test_who_came_by_ssh_does_not_lock_himself_out(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    port: int,
    networks: list[str],
    environment: dict[str, str],
    code: int,
) -> None:
    router = Router(tmp_path)

    def ask(socket: Path, *, anyway: bool) -> int:
        return guard_command(socket, port, networks, anyway=anyway, environment=environment)

    for anyway in (False, True):
        found = served(tmp_path, {"guard": router.have}, lambda path, a=anyway: ask(path, anyway=a))
        assert found == (0 if anyway else code)
    assert len(router.asked) == 2 - code
    assert ("say --anyway" in capsys.readouterr().err) is bool(code)
