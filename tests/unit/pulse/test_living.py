"""pulse's signs of life, heard at a real notify socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvs.pulse.living import HUNG, UNWATCHED, Life


class Supervisor:
    """What systemd is to pulse."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "30000000"}

    def heard(self) -> list[str]:
        """The lines of the next datagram; none: []."""
        try:
            return self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return []

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "notify")
    yield made
    made.close()


def life(environment: dict[str, str], busy: float = 0.0) -> Life:
    return Life(environment, lambda: "active,\nserial_no 4", lambda: busy, clock=lambda: 12.5)


def test_a_start_that_takes_long_asks_for_more_time_and_feeds_no_watchdog(supervisor: Supervisor) -> None:
    life(supervisor.environment).beat()

    assert supervisor.heard() == ["STATUS=starting", "EXTEND_TIMEOUT_USEC=45000000"]


def test_once_it_is_ready_each_beat_feeds_the_watchdog_with_one_line_of_status(
    supervisor: Supervisor,
) -> None:
    one = life(supervisor.environment)
    assert one.interval == 15

    one.ready()
    one.beat()

    assert supervisor.heard() == ["READY=1", "STATUS=active, serial_no 4"]
    assert supervisor.heard() == ["STATUS=active, serial_no 4", "WATCHDOG=1"]


def test_a_kernel_that_does_not_answer_ends_the_signs_of_life(supervisor: Supervisor) -> None:
    one = life(supervisor.environment, busy=HUNG + 1)
    one.ready()
    supervisor.heard()

    one.beat()

    assert supervisor.heard() == ["STATUS=the kernel does not answer"]


def test_reading_lvs_cf_again_and_the_end_are_said(supervisor: Supervisor) -> None:
    one = life(supervisor.environment)

    one.reloading()
    one.stopping()

    assert supervisor.heard() == ["RELOADING=1", "MONOTONIC_USEC=12500000"]
    assert supervisor.heard() == ["STOPPING=1", "STATUS=stopping"]


def test_without_a_watchdog_only_the_status_is_said(supervisor: Supervisor) -> None:
    one = life({"NOTIFY_SOCKET": supervisor.environment["NOTIFY_SOCKET"]})
    assert one.interval == UNWATCHED
    one.ready()
    supervisor.heard()

    one.beat()

    assert supervisor.heard() == ["STATUS=active, serial_no 4"]


def test_without_a_supervisor_nothing_is_sent_and_nothing_fails() -> None:
    one = life({})
    one.ready()
    one.beat()
    one.stopping()
