"""`piranha metrics`: this router's metrics for Prometheus, by way of node_exporter's textfile collector."""

from __future__ import annotations

import sys
from pathlib import Path

from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import attempted
from lvs.reported.metrics import Limits, page_of

SECONDS = 30  # the whole status of the largest table takes some


def metrics_command(socket: Path, *, virtual_servers: int, real_servers: int) -> int:
    """Prints them. Of a pulse that does not answer there are none: the collector keeps no old file then."""

    def work() -> None:
        status = PulseClient(socket, SECONDS).status()
        sys.stdout.write(page_of(status, Limits(virtual_servers, real_servers)).text())

    return attempted(work)
