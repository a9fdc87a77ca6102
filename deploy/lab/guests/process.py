"""A guest as a child process: bounded in time, and gone when this process is, however that ends."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from deploy.lab.guests.job import GuestError, Job

TIMED_OUT = 124  # as timeout(1)
LOOK_SECONDS = 1.0  # how often the guest itself is looked at, besides what it prints


@dataclass(frozen=True, slots=True)
class Consoles:
    """The descriptors a guest writes to: what the job prints, and what its kernel has to say.

    Both are pipes, whatever our own output is: User-Mode Linux cannot wait for a regular file.
    """

    output: int
    log: int


# Tells the guard its process group, then becomes the guest.
INTRODUCE = 'echo $$; exec "$@" >/dev/null'
# Waits for the end of its input, which only the launcher holds; ends that group, removes a scratch folder.
GUARD = """read -r group; read -r _; [ -z "$group" ] || kill -9 "-$group" 2>/dev/null
[ -z "$1" ] || rm -rf -- "$1"
"""


def guard(job: Job) -> subprocess.Popen[bytes]:
    """A shell that ends the guest once this process is gone, even by SIGKILL.

    PR_SET_PDEATHSIG would reach User-Mode Linux' first process only, and leave its helpers behind.
    """
    folder = str(job.exchange) if job.scratch else ""
    return subprocess.Popen(["/bin/sh", "-c", GUARD, "guard", folder], stdin=subprocess.PIPE, process_group=0)


def rank(child: subprocess.Popen[bytes]) -> None:
    """Gives the guest's session the niceness that nice(1) gave to us.

    A session is scheduled as one, and the niceness of its processes counts only among themselves (sched(7),
    "The autogroup feature").
    """
    with contextlib.suppress(OSError):  # this kernel has no such groups, or the guest has ended already
        Path(f"/proc/{child.pid}/autogroup").write_text(str(os.getpriority(os.PRIO_PROCESS, 0)), "ascii")


def end(child: subprocess.Popen[bytes], watch: subprocess.Popen[bytes]) -> None:
    """Ends the guest and everything in its process group at once: it has nothing to save."""
    with contextlib.suppress(ProcessLookupError):  # all of it has ended by itself
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    watch.kill()
    watch.communicate()


def stop(number: int, frame: FrameType | None) -> None:
    """Turns SIGTERM and SIGHUP into an exit, so that `finally` runs."""
    sys.exit(128 + number)


def run(command_line: Callable[[Consoles], Sequence[str]], job: Job) -> int:
    """Runs a guest to its end and returns the job's exit status, TIMED_OUT after job.timeout seconds.

    Raises GuestError, with the end of the kernel's log, when the guest ended without a result.
    """
    job.write()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    output, output_end = os.pipe()
    log, log_end = os.pipe()
    watch = guard(job)
    child = subprocess.Popen(
        ["/bin/sh", "-c", INTRODUCE, "guest", *command_line(Consoles(output_end, log_end))],
        stdin=subprocess.DEVNULL,
        stdout=watch.stdin,
        pass_fds=[output_end, log_end],
        start_new_session=True,
    )
    rank(child)
    os.close(output_end)
    os.close(log_end)
    try:
        kernel_words, in_time = follow(output, log, child, job)
    finally:
        end(child, watch)
        os.close(output)
        os.close(log)
    status = job.status()
    if not in_time:
        print(f"guest: ended after {job.timeout:g} seconds, its time limit (--timeout)", file=sys.stderr)
        return TIMED_OUT
    if status is None:
        last = "\n".join(kernel_words.decode(errors="replace").splitlines()[-30:])
        raise GuestError(f"the guest ended without a result; its kernel's last words:\n{last}")
    return status


def follow(output: int, log: int, child: subprocess.Popen[bytes], job: Job) -> tuple[bytes, bool]:
    """Shows the job's output as it comes until the guest ends.

    Returns the end of the kernel's log, and whether the guest ended within its time. A helper that outlives
    the guest and holds its pipes is not waited for.
    """
    deadline = time.monotonic() + job.timeout
    words = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(log, selectors.EVENT_READ)
        while selector.get_map():
            ended = child.poll() is not None
            if time.monotonic() >= deadline:
                return words, False
            ready = selector.select(0 if ended else LOOK_SECONDS)
            if ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fd)
                elif key.fd == output or job.verbose:
                    show(chunk)
                else:
                    words = (words + chunk)[-20000:]
    return words, True


def show(chunk: bytes) -> None:
    """Passes output on at once."""
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
