"""The serial numbers of tasks: the manager's counter, and what a router's worker has seen of them.

Theory. A signature alone would count for ever: who has once seen a task could have it carried out again. So
the manager gives each task a serial number, the nanoseconds of its clock and always more than the last one,
also when that clock is set back. A worker writes down each number that it takes, and syncs that to the disk,
before the task runs; it refuses what it has seen. Two processes of the manager may overtake each other on
their way, so what is up to WINDOW older than the newest is taken as well, if it has not been seen; older is
refused, and so only the numbers of that window must be kept. The worker's own clock has no say. Tasks that
waited for days come in their order, each newer than the one before, so the window does not hurt them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lvs.errors import LvsError, RouterError
from lvs.machines.signing import UnusableKey, locked
from lvs.router.files import give, write_private

COUNTER_FILE = "signing.serial"  # in the manager's folder: the last number given
WINDOW = 600 * 10**9  # nanoseconds: how much older than the newest a task may be
MOST_SEEN = 10_000  # kept at most: a manager whose clock was set back far counts on by ones
HEADING = "piranha serials 1"


class Replayed(LvsError):
    """A task that was taken before."""


class Late(LvsError):
    """A task that is older than what may still come."""


class Unrecorded(LvsError):
    """The worker cannot say what it has seen, or cannot write it down."""


def next_serial(folder: Path, now: Callable[[], int] = time.time_ns) -> int:
    """A number higher than all that the manager gave before. UnusableKey: its folder cannot be written."""
    with locked(folder):
        try:
            descriptor = os.open(
                folder / COUNTER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                give(descriptor, folder)
                words = os.pread(descriptor, 40, 0).split()
                last = int(words[0]) if words and words[0].isdigit() else 0
                serial = max(now(), last + 1)
                os.pwrite(descriptor, f"{serial:<20}\n".encode(), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UnusableKey(f"{folder / COUNTER_FILE} cannot be written: {error.strerror}") from error
    return serial


def begin(path: Path, serial: int = 0) -> None:
    """Has a worker take only what is newer than serial. RouterError: it cannot be written."""
    write_private(path, f"{HEADING}\n{serial}\n", owner=path.parent)


class SeenSerials:
    """The numbers that a router's worker has taken, in its file (0600). Its threads share one of these."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        # Kept open: as long as it is, no other file can have its inode.
        self._descriptor = -1
        self._size = 0
        self._floor = 0  # nothing up to this is taken
        self._highest = 0
        self._seen: set[int] = set()

    def take(self, serial: int) -> None:
        """Writes the number down for good. Replayed, Late or Unrecorded: the task must not run."""
        with self._lock:
            try:
                if not self._is_ours():
                    self._load()
                self._judge(serial)
                self._append(serial)
            except FileNotFoundError as error:
                raise Unrecorded(f"{self.path} is lost, which says what was carried out before") from error
            except (OSError, RouterError) as error:
                self._let_go()  # what is half written is cleared away before the next one
                raise Unrecorded(f"{self.path} cannot be written: {error}") from error

    def _is_ours(self) -> bool:
        """Whether the file is as this object left it. Somebody may have put another one in its place."""
        if self._descriptor < 0:
            return False
        found, ours = self.path.stat(), os.fstat(self._descriptor)
        return (found.st_dev, found.st_ino, found.st_size) == (ours.st_dev, ours.st_ino, self._size)

    def _judge(self, serial: int) -> None:
        if serial in self._seen:
            raise Replayed("it was taken before")
        if serial <= self._floor and not self._seen:
            raise Late("it was signed before this router was enrolled, by the manager's own clock")
        if serial <= self._floor or serial <= self._highest - WINDOW:
            seconds = (self._highest - serial) / 1e9
            raise Late(f"it is {seconds:.0f} s older than the newest by the manager's own clock")

    def _append(self, serial: int) -> None:
        line = f"{serial}\n".encode()
        if os.write(self._descriptor, line) != len(line):
            raise OSError("no space left on device")
        os.fsync(self._descriptor)
        self._size += len(line)
        self._seen.add(serial)
        self._highest = max(self._highest, serial)
        if len(self._seen) > MOST_SEEN:
            self._compact()

    def _load(self) -> None:
        """Reads the file, and writes it anew: a crash may have left half a line."""
        self._let_go()
        try:
            lines = self.path.read_text(encoding="ascii").splitlines(keepends=True)
            whole = [line.rstrip("\n") for line in lines if line.endswith("\n")]
            if whole[0] != HEADING:
                raise ValueError("it begins in another way")
            floor, *numbers = (int(line) for line in whole[1:])
        except (ValueError, IndexError) as error:
            raise Unrecorded(f"{self.path} cannot be understood ({error})") from error
        self._floor, self._seen = floor, set(numbers)
        self._highest = max(self._seen, default=floor)
        self._compact()

    def _compact(self) -> None:
        """Writes down the numbers that still matter, and nothing else."""
        self._floor = max(self._floor, self._highest - WINDOW)
        kept = sorted(number for number in self._seen if number > self._floor)
        if len(kept) > MOST_SEEN // 2:
            self._floor = kept[-MOST_SEEN // 2 - 1]
            kept = kept[-MOST_SEEN // 2 :]
        self._seen = set(kept)
        self._let_go()
        write_private(self.path, "".join(f"{line}\n" for line in (HEADING, self._floor, *kept)))
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._size = os.fstat(self._descriptor).st_size

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
