"""Looks that may hang (a disk, a network, another process), each with a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from piranha_web.doctor.findings import Finding, fault

SECONDS = 5.0
Look = Callable[[], Iterable[Finding]]


def all_of(looks: Mapping[str, Look], seconds: float = SECONDS) -> list[Finding]:
    """What the looks found, in their order, all made at once. One that takes longer than that is a fault."""
    said: dict[str, list[Finding]] = {}

    def make(name: str, look: Look) -> None:
        try:
            said[name] = list(look())
        except Exception as error:  # noqa: BLE001 - a look that fails is a finding, whatever it tripped over
            what = f"this could not be looked at: {type(error).__name__}: {' '.join(str(error).split())}"
            said[name] = [fault(name, what, "run this as root; else look at that by hand")]

    threads = {
        name: threading.Thread(target=make, args=(name, look), daemon=True) for name, look in looks.items()
    }
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    silent = f"it did not answer within {seconds:.0f} s"
    remedy = "a disk or a network that hangs? dmesg, ss -tnp, df"
    return [finding for name in looks for finding in said.get(name, [fault(name, silent, remedy)])]
