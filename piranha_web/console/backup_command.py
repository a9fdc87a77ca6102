"""`piranha backup` and `piranha restore`, on the manager's machine. They need Django set up."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.utils import timezone

from lvs.errors import LvsError
from lvs.pulse.terminal import harmless
from piranha_web.console.database import ELSEWHERE, database_trouble
from piranha_web.databases.backup import backup
from piranha_web.databases.doors import say
from piranha_web.databases.rest import nobody_at_work
from piranha_web.databases.restore import Restored, Unpacked, restore, unpacked

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (LvsError, ImproperlyConfigured, DatabaseError, OSError)


def backup_command(
    out: IO[bytes], name: str, phrase: str, environment: Mapping[str, str] = os.environ
) -> int:
    """Writes a backup into out, which is called name; the exit code: 0 done, 1 not."""
    if trouble := database_trouble():
        say(f"There is nothing to back up: {trouble}. {ELSEWHERE}")
        return 1
    try:
        made = backup(out, Path(settings.VAR), environment, timezone.now(), phrase)
        out.flush()
    except REFUSED as error:
        why = str(error).strip().rstrip(".")
        if isinstance(error, OSError) and error.errno in FULL:
            why = (
                f"{why}: make room for {name}, and for {settings.VAR}, where it is put together first (df -h)"
            )
        say(f"piranha backup: {why}. Nothing was written.")
        return 1
    for one in made.left_out:
        say(f"Note: left out {one}")
    where = "standard output" if name == "-" else name
    kept = "sealed with the passphrase" if phrase else "not sealed: whoever reads it can become this manager"
    say(f"Wrote {made.rows} rows and {len(made.files)} files to {where}; it is {kept}.")
    return 0


def restore_command(
    source: IO[bytes],
    phrase: str,
    *,
    check: bool,
    force: bool,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Restores the backup, or only looks at it; the exit code."""
    var = Path(settings.VAR)
    try:
        with unpacked(source, var, phrase) as found:
            if check:
                sys.stdout.write(described(found))
                return 0
            with nobody_at_work(var, "restoring a backup"):
                done = restore(found, var, environment, timezone.now(), force=force)
    except REFUSED as error:
        say(f"piranha restore: {str(error).strip().rstrip('.')}.")
        return 1
    sys.stdout.write(described(found) + words_of(done))
    return 0


def described(found: Unpacked) -> str:
    """What a backup, which a stranger may have made, says of itself."""
    said = found.manifest
    words = (
        f"Backup of {said['host']}, made {said['made_at']} by version {said['version']} from "
        f"{said['database']}: {found.rows} rows, {len(found.files)} files ({', '.join(found.files)}). It is "
        "whole."
    )
    return f"{harmless(words)}\n"


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
