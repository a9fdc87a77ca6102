"""The word to systemd."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lvs.pulse.supervisor import notify, watchdog_interval


def test_the_supervisor_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.settimeout(5)
        supervisor.bind(str(tmp_path / "notify"))
        notify({"NOTIFY_SOCKET": str(tmp_path / "notify")}, "READY=1")
        assert supervisor.recv(100) == b"READY=1"


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.settimeout(5)
        supervisor.bind("")  # the kernel picks a free abstract name
        name = supervisor.getsockname().decode().replace("\0", "@")
        notify({"NOTIFY_SOCKET": name}, "WATCHDOG=1")
        assert supervisor.recv(100) == b"WATCHDOG=1"


def test_without_a_supervisor_or_with_a_deaf_one_nothing_happens(tmp_path: Path) -> None:
    notify({}, "READY=1")
    notify({"NOTIFY_SOCKET": str(tmp_path / "gone")}, "READY=1")


@pytest.mark.parametrize(
    ("given", "expected"), [({}, None), ({"WATCHDOG_USEC": "30000000"}, 15), ({"WATCHDOG_USEC": "x"}, None)]
)
def test_the_watchdog_is_fed_twice_in_its_time(given: dict[str, str], expected: float | None) -> None:
    assert watchdog_interval(given) == expected
