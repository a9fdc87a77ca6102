"""`piranha backup` and `piranha restore`, on the manager's machine. They need Django set up."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils import timezone

from lvs.errors import LvsError, NotPossible
from piranha_web.backup import backup
from piranha_web.console_database import ELSEWHERE, database_trouble
from piranha_web.database_ways import nobody_at_work
from piranha_web.restore import Restored, Unpacked, restore, unpacked

REFUSED = (LvsError, ImproperlyConfigured, DatabaseError, OSError)


def backup_command(arguments: Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Writes it; the exit code: 0 done, 1 not. Nothing but the backup goes to standard output."""
    if trouble := database_trouble():
        say(f"There is nothing to back up: {trouble}. {ELSEWHERE}")
        return 1
    try:
        phrase = passphrase(arguments, twice=True)
        with written(arguments.file) as out:
            made = backup(out, Path(settings.VAR), environment, timezone.now(), phrase)
    except REFUSED as error:
        say(f"piranha backup: {str(error).strip().rstrip('.')}. Nothing was written.")
        return 1
    for one in made.left_out:
        say(f"Note: left out {one}")
    where = "standard output" if arguments.file == "-" else arguments.file
    kept = "sealed with the passphrase" if phrase else "not sealed: whoever reads it can become this manager"
    say(f"Wrote {made.rows} rows and {len(made.files)} files to {where}; it is {kept}.")
    return 0


def restore_command(arguments: Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Restores it, or only looks at it; the exit code."""
    var = Path(settings.VAR)
    try:
        phrase = passphrase(arguments, twice=False)
        with source_of(arguments.file) as source, unpacked(source, var, phrase) as found:
            if arguments.check:
                sys.stdout.write(described(found))
                return 0
            with nobody_at_work(var, "restoring a backup"):
                done = restore(found, var, environment, timezone.now(), force=arguments.force)
    except REFUSED as error:
        say(f"piranha restore: {str(error).strip().rstrip('.')}.")
        return 1
    sys.stdout.write(described(found) + words_of(done))
    return 0


def described(found: Unpacked) -> str:
    """What a backup says of itself."""
    said = found.manifest
    return (
        f"Backup of {said['host']}, made {said['made_at']} by version {said['version']} from "
        f"{said['database']}: {found.rows} rows, {len(found.files)} files ({', '.join(found.files)}). It is "
        "whole.\n"
    )


def words_of(done: Restored) -> str:
    """What was done, and what is left to do."""
    lines = [f"Restored {done.rows} rows and {len(done.files)} files."]
    if done.kept:
        lines.append(f"What was there before is in {done.kept}.")
    if done.ours:
        lines.append(f"Left as they are on this machine: {', '.join(done.ours)}.")
    lines += done.remarks
    lines.append(
        "Start the web server and the manager's worker. The worker gives Redis its users for the routers "
        "again; routers that reach Redis at the address they know take orders from this manager as before. "
        "Where Redis speaks TLS, give it a certificate that they believe: piranha tls redis. Everybody logs "
        "in again."
    )
    return "\n".join(lines) + "\n"


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


def passphrase(arguments: Namespace, *, twice: bool) -> str:
    """The passphrase, from its file or asked for at the terminal; "": none is wanted."""
    if arguments.passphrase_file:
        first = Path(arguments.passphrase_file).read_text(encoding="utf-8").splitlines()
        return first[0] if first else ""
    if not arguments.passphrase:
        return ""
    typed = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != typed:
        raise NotPossible("the two are not the same")
    return typed


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{text}\n")
