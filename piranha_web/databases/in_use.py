"""Who has the site's database open: every process that does holds the manager's folder (flock(2), shared).

The web server and the manager's worker hold it from their start to their end, idle or not; a command as long
as it has a connection to the database. Who needs a site at rest (a restore, a move, a migration) takes the
folder for itself, and begins nothing where another process holds it. The folder itself is locked, and no file
in it: there is nothing to be left behind, to be removed by mistake, or to belong to somebody else. The kernel
lets go when the last process that inherited the descriptor ends, however it does. No Django here: the web
server's first process holds the folder before it has any.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lvs.errors import NotPossible

PATIENCE = 2.0  # seconds for a command that is just ending
_LONGEST = 80  # signs of a command line

_lock = threading.Lock()
_held: dict[Path, int] = {}  # descriptors, for as long as this process lives
_own: set[Path] = set()  # folders that this process has for itself


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a folder. words: its command line."""

    pid: int
    words: tuple[str, ...]

    @property
    def service(self) -> str:
        """What it is called; "": it is none of the site's services."""
        if any("gunicorn" in word for word in self.words[:4]):
            return "the web server"
        if "worker" in self.words and "--manager" in self.words:
            return "the manager's worker"
        return ""


def hold(var: Path) -> None:
    """Holds the folder until this process ends. NotPossible: another one has it for itself just now.

    A folder that is not there, or not this user's to read, has no site that this process could serve.
    """
    with _lock:
        if var in _own or (descriptor := _descriptor(var)) is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(_held.pop(var))
            raise NotPossible(
                f"the site of {var} is being restored, moved or brought up to date just now "
                f"({sentence(holders(var)) or 'by another user'}). Nothing was changed: try again when that "
                "has ended"
            ) from error


@contextmanager
def for_itself(var: Path, what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Keeps the site's other processes away while inside. NotPossible: one is there; the words say which.

    what: what for, as in "restoring a backup".
    """
    with _lock:
        descriptor = _descriptor(var)
        if descriptor is None:
            raise NotPossible(f"{var} is no folder that this user can read, and {what} needs the manager's")
        _take(var, descriptor, what, patience)
        _own.add(var)
    try:
        yield
    finally:
        with _lock:
            _own.discard(var)
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def _take(var: Path, descriptor: int, what: str, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            found = holders(var)
            if time.monotonic() < end and not any(one.service for one in found):
                time.sleep(0.05)
                continue
            os.close(_held.pop(var))
            raise NotPossible(refusal(found, what)) from error


def refusal(found: Sequence[Holder], what: str) -> str:
    """Why it is not done, and what to do about it."""
    who = sentence(found) or "a process of another user, which root sees (lslocks)"
    remedies = ["stop the services (systemctl stop piranha-web piranha-manager; Ctrl-C where it is make run)"]
    if others := [str(one.pid) for one in found if not one.service]:
        remedies.append(f"end process {', '.join(others)}")
    return (
        f"the site is in use by {who}, and {what} is for a site at rest. Nothing was changed: "
        f"{' and '.join(remedies)}, then run this again"
    )


def sentence(found: Sequence[Holder]) -> str:
    """The processes, those of a service together; "": there are none."""
    said = []
    for name in dict.fromkeys(one.service for one in found if one.service):
        pids = [str(one.pid) for one in found if one.service == name]
        said.append(f"{name} (process {', '.join(pids)})")
    said += [f"process {one.pid} ({line})" for one in found if not one.service and (line := _line(one))]
    return ", ".join(said)


def _line(one: Holder) -> str:
    # A script in a command line has many, and it goes to root's terminal.
    line = "".join(sign if sign.isprintable() else " " for sign in " ".join(one.words))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def holders(var: Path) -> list[Holder]:
    """The other processes that hold the folder, as far as this user may see them (proc(5), fdinfo)."""
    folder = var.stat()
    found = []
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if entry.name != str(os.getpid()) and _holds(entry, folder):
            found.append(Holder(int(entry.name), _words(entry)))
    return found


def _holds(process: Path, folder: os.stat_result) -> bool:
    try:
        for one in (process / "fd").iterdir():
            try:
                if os.path.samestat(one.stat(), folder) and "FLOCK" in (
                    process / "fdinfo" / one.name
                ).read_text(errors="replace"):
                    return True
            except FileNotFoundError:  # a socket or a pipe, or closed just now
                continue
    except OSError:  # it has ended just now, or is another user's
        return False
    return False


def _words(process: Path) -> tuple[str, ...]:
    try:
        line = (process / "cmdline").read_bytes()
    except OSError:  # it has ended just now
        return ("?",)
    return tuple(word.decode(errors="replace") for word in line.rstrip(b"\0").split(b"\0"))


def _descriptor(var: Path) -> int | None:
    """This process's descriptor of the folder; None: it has none. Another one may have come in its place."""
    try:
        kept = _held.get(var)
        if kept is not None:
            if os.path.samestat(os.fstat(kept), var.stat()):
                return kept
            os.close(_held.pop(var))
        _held[var] = os.open(var, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return _held[var]
