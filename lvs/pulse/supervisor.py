"""The word to the supervisor (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names, if any."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(environment: Mapping[str, str], state: str) -> None:
    """Send state ("READY=1", "WATCHDOG=1", "STOPPING=1"); one that does not listen is only logged."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as opened:
            opened.settimeout(1)
            opened.sendto(state.encode(), address)
    except OSError as error:
        log.warning("cannot notify the supervisor of %s: %s", state, error)


def watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Seconds between signs of life, half of what the supervisor allows (WATCHDOG_USEC); None: none."""
    allowed = environment.get("WATCHDOG_USEC", "")
    return int(allowed) / 2_000_000 if allowed.isdigit() and int(allowed) > 0 else None
