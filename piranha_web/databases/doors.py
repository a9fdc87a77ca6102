"""Where a backup comes from and goes to, with whose rights. No Django here.

On an installed machine root runs `piranha backup`, and may write and read wherever; what is done with the
site's own files and database is done as the site's user, in a process of its own.
"""

from __future__ import annotations

import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lvs.errors import NotPossible
from piranha_web import installed
from piranha_web.setup.asking import shown

log = logging.getLogger("piranha.site")


class Failed(Exception):
    """The work ended with that exit code, and has said why."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exit code {code}")


def as_site(work: Callable[[], int]) -> int:
    """The exit code of the work, done as the site's user where root runs this on an installed machine."""
    if os.geteuid() != 0 or not installed.is_installed():
        return work()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            installed.become(os.environ)
            code = work()
            sys.stdout.flush()
        except Exception:
            # Nothing of the parent's must run on in here, so what went wrong is said at once.
            log.exception("it ended in an unexpected error")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def source_of(name: str) -> IO[bytes]:
    """The backup; "-": standard input."""
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


@contextmanager
def written(name: str) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all, 0600; "-": standard output."""
    if name == "-":
        if sys.stdout.isatty():
            raise NotPossible("standard output is a terminal: name a file, or send it somewhere")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name).absolute()
    if path.is_dir():
        raise NotPossible(f"{path} is a folder: name a file in it")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def passphrase(file: str | None, *, asked: bool, twice: bool) -> str:
    """The passphrase, from its file or asked for at the terminal; "": none is wanted."""
    if file:
        first = Path(file).read_text(encoding="utf-8").splitlines()
        return first[0] if first else ""
    if not asked:
        return ""
    typed = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != typed:
        raise NotPossible("the two are not the same")
    return typed


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{shown(text)}\n")
