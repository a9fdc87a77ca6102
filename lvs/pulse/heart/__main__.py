"""The heart: `python -m lvs.pulse.heart --state FOLDER`, the small process that keeps a router's heartbeat.

pulse starts it and tells it what to do (`heart.messages`). It outlives pulse, in a session of its own,
and takes the floating addresses down when pulse does not come back. To keep time whatever else the machine
does it uses the standard library alone, has one loop and no threads, and asks for a real-time priority and
for its memory to stay; without the right to these it goes on. `lvs.pulse.heart.loop` has the loop.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from lvs.pulse.heart.log import log
from lvs.pulse.heart.loop import Loop

USAGE = "usage: python -m lvs.pulse.heart --state FOLDER (pulse's state folder; pulse starts it)\n"
LOCK = "heart.lock"  # below the state folder; held as long as the heart lives
MCL_CURRENT = 1  # include/uapi/asm-generic/mman.h
PRIORITY = 1  # of SCHED_RR (sched(7)): above all that is not real-time, below everything that is
SPARED = "-900"  # of -1000 to 1000: who is ended first when memory runs out (proc(5), oom_score_adj)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the heart; 0 when it was told to end, 1 when it cannot start."""
    match sys.argv[1:] if arguments is None else list(arguments):
        case ["--state", folder]:  # argparse would take longer to load than much of the heart
            state = Path(folder).resolve()
        case _:
            sys.stderr.write(USAGE)
            return 1
    _stand_alone()
    try:
        descriptor = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        loop = Loop(state)
    except BlockingIOError:
        log("error", f"another heart works with {state}: talk to that one, or end it first")
        return 1
    except OSError as error:
        log("error", f"cannot start in {state}: {error.strerror}; the folder must belong to pulse's user")
        return 1
    signal.set_wakeup_fd(loop.alarm.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _noted)
    _be_punctual()
    loop.run()
    return 0


def _noted(number: int, frame: FrameType | None) -> None:
    """The signal's number is on its way to the loop (signal.set_wakeup_fd)."""


def _stand_alone() -> None:
    """Nothing that ends pulse by its group, its session or its terminal ends the heart too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if os.getpid() != os.getpgid(0):  # the leader of a group has a group of its own already
        os.setsid()
    os.chdir("/")


def _be_punctual() -> None:
    """As far as the system lets it: in a container or as a plain user, it does not."""
    refused = []
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError as error:
        refused.append(f"no real-time priority ({error.strerror})")
    # Only what is loaded now: with a limit on locked memory, more of it could not be had later at all.
    if ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT):
        refused.append(f"memory not locked ({os.strerror(ctypes.get_errno())})")
    try:
        Path("/proc/self/oom_score_adj").write_text(SPARED)
    except OSError as error:
        refused.append(f"not spared when memory runs out ({error.strerror})")
    if refused:
        log("info", f"goes on without: {', '.join(refused)}")


if __name__ == "__main__":
    sys.exit(main())
