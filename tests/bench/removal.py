"""How long after its death a real server is out of the kernel's table, with pulse and its checks at work."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from socket import create_server, socket

from lvs.config.model import LvsConfig
from lvs.config.writer import write
from lvs.pulse.client import PulseClient
from tests.bench.clusters import FIRST_REAL, PORT, REAL_NET, cluster, in_kernel
from tests.bench.one_change import running_pulse
from tests.bench.report import Row, wait_for

TIMEOUT = 2  # seconds between two checks, and the limit of one
REALS = 3
DEATHS = 5
SPARE = 0.5  # seconds for what follows the result: transitions are gathered, the kernel is changed
PATIENCE = 60.0

# A check has just begun when the real server dies: the next one, `timeout` seconds later, fails at once where
# the connection is refused, and after its limit where nothing answers.
REFUSED_WITHIN = TIMEOUT + SPARE
SILENT_WITHIN = 2 * TIMEOUT + SPARE


def watched() -> LvsConfig:
    """One virtual server whose real servers are checked by connecting."""
    made = cluster(services=1, reals=REALS)
    (virtual_server,) = made.virtual_servers
    return replace(made, virtual_servers=(replace(virtual_server, timeout=TIMEOUT, reentry=TIMEOUT),))


def removal_rows(folder: Path) -> Iterator[Row]:
    """Call in a network of one's own."""
    subprocess.run(["ip", "route", "add", "local", REAL_NET, "dev", "lo"], check=True)
    listeners = {number: _listener(number) for number in range(REALS)}
    try:
        with running_pulse(folder):
            PulseClient(folder / "pulse.sock").install(write(watched()))
            for words, die, within in (
                ("refuses connections", socket.close, REFUSED_WITHIN),
                ("answers nothing", _fall_silent, SILENT_WITHIN),
            ):
                times = sorted(_death(listeners, die) for _ in range(DEATHS))
                how = f"(of {DEATHS}; median {times[DEATHS // 2]:.2f} s; a check every {TIMEOUT} s)"
                yield Row(f"a real server {words}: out after, at most", how, times[-1], within, " s")
    finally:
        for listener in listeners.values():
            listener.close()


def _listener(number: int) -> socket:
    """A real server that never takes its connections: as many wait for it as checks come meanwhile."""
    return create_server((str(FIRST_REAL + number), PORT), backlog=512)


def _fall_silent(listener: socket) -> None:
    """Connections that wait already are more than there is room for: the kernel answers no new one."""
    listener.listen(0)


def _death(listeners: dict[int, socket], die: Callable[[socket], None]) -> float:
    """Seconds until one real server that dies is out; afterwards it is back."""
    wait_for(lambda: in_kernel() == REALS, "all real servers in the table", PATIENCE, every=0.1)
    time.sleep(TIMEOUT * (1 + random.random()))
    number = random.randrange(REALS)
    died = time.monotonic()
    die(listeners[number])
    wait_for(lambda: in_kernel() == REALS - 1, "the removal", PATIENCE, every=0.01)
    took = time.monotonic() - died
    listeners[number].close()
    listeners[number] = _listener(number)
    return took
