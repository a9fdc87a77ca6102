"""pulse's signs of life for systemd (sd_notify(3)): its watchdog, and the line that `systemctl status` shows.

An event loop that hangs sends none, so systemd ends this pulse and starts another one, which adopts what the
kernel has. The same where the loop turns and the work on the kernel does not end: nothing of what pulse is
for goes on then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from lvs.pulse.supervisor import notify, watchdog_interval

log = logging.getLogger("pulse")

HUNG = 60.0  # seconds of one piece of work on the kernel; the largest table takes a tenth
UNWATCHED = 10.0  # seconds between two STATUS lines where there is no watchdog
STARTING = 3  # beats for which a start that goes on may go on


class Life:
    """Says READY, STATUS, WATCHDOG, RELOADING and STOPPING; nothing at all without a supervisor.

    describe: the line for `systemctl status`. busy: seconds that the work on the kernel has taken.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        describe: Callable[[], str],
        busy: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._describe = describe
        self._busy = busy
        self._clock = clock
        self._watchdog = watchdog_interval(environment)
        self._is_ready = False
        self._is_hung = False

    @property
    def interval(self) -> float:
        """Seconds between two signs of life."""
        return self._watchdog or UNWATCHED

    def ready(self) -> None:
        """pulse has taken up lvs.cf and the kernel, at the start or again."""
        self._is_ready = True
        notify(self._environment, f"READY=1\nSTATUS={self._line()}")

    def reloading(self) -> None:
        """lvs.cf is being read again; `ready` ends that."""
        notify(self._environment, f"RELOADING=1\nMONOTONIC_USEC={int(self._clock() * 1_000_000)}")

    def stopping(self) -> None:
        """The end has begun."""
        notify(self._environment, "STOPPING=1\nSTATUS=stopping")

    def beat(self) -> None:
        """One sign of life."""
        hung = self._busy() > HUNG
        if hung and not self._is_hung:
            log.error("the kernel has not answered for more than %d s: no more signs of life", int(HUNG))
        self._is_hung = hung
        if hung:
            said = ["STATUS=the kernel does not answer"]
        elif not self._is_ready:
            # A large table takes a while until its first checks have ended.
            more = int(STARTING * self.interval * 1_000_000)
            said = ["STATUS=starting", f"EXTEND_TIMEOUT_USEC={more}"]
        else:
            said = [f"STATUS={self._line()}"]
            if self._watchdog is not None:
                said.append("WATCHDOG=1")
        notify(self._environment, "\n".join(said))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self.beat()
            await asyncio.sleep(self.interval)

    def _line(self) -> str:
        """The description in one line: a line end would begin another assignment."""
        return " ".join(self._describe().split())
