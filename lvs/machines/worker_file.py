"""The one file that a router's worker needs: who it is, the way to Redis, and whom it believes.

JSON, for its owner's eyes alone (0600): {router, broker_url (with the password of its own Redis user),
manager_keys: [base64, one or two], ca: PEM or null}. Beside it, in the same folder, which is the worker's
own, stand the serial numbers of the tasks that it has taken (`lvs.machines.serials`); without them it takes
none.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lvs.errors import RouterError
from lvs.machines import serials, signing
from lvs.machines.rights import open_plain
from lvs.router.files import write_private

VARIABLE = "PIRANHA_WORKER_FILE"
DEFAULT = Path("/var/lib/piranha/worker/worker.json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a router: also in keys and rules of Redis


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFile:
    """What it says. broker_url: as Celery takes it; ca: the authority that signs Redis' certificate, PEM."""

    router: str
    broker_url: str = field(repr=False)
    manager_keys: tuple[str, ...]
    ca: str | None = None


def path_in(environment: Mapping[str, str]) -> Path:
    """Where it is: PIRANHA_WORKER_FILE, or DEFAULT."""
    return Path(environment.get(VARIABLE) or DEFAULT)


def queue_of(router: str) -> str:
    """The queue that the worker of this router listens on."""
    return f"router.{router}"


def serials_of(path: Path) -> Path:
    """The file of the serial numbers beside a worker's file."""
    return path.with_name("serials")


def read(path: Path) -> WorkerFile:
    """The file at path. RouterError says what is wrong with it, and what to do."""
    again = f"enrol this router again: piranha enrol ROUTER on the manager, then piranha join here ({path})"
    try:
        with open(open_plain(path), encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            said = json.load(file)
    except FileNotFoundError as error:
        raise RouterError(f"there is no {path}, which says how to reach the manager: {again}") from error
    except (OSError, ValueError) as error:
        raise RouterError(f"{path} cannot be read ({error}): {again}") from error
    if mode & 0o077:
        raise RouterError(f"others can read {path}, and a password is in it: chmod 600 {path}")
    try:
        found = WorkerFile(
            router=_text(said["router"]),
            broker_url=_text(said["broker_url"]),
            manager_keys=tuple(_text(key) for key in said["manager_keys"]),
            ca=None if said.get("ca") is None else _text(said["ca"]),
        )
        signing.trusted(found.manager_keys)
    except (KeyError, TypeError, AttributeError, signing.UnusableKey) as error:
        raise RouterError(f"{path} is not as it should be ({error}): {again}") from error
    if not NAME.fullmatch(found.router):
        raise RouterError(f"{path} names no router ({found.router!r}): {again}")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def write(path: Path, content: WorkerFile, serial: int = 0) -> None:
    """Puts it there in one step (0600; folder 0700), and has the worker take what is newer than serial.

    serial: the manager's number when the router was enrolled (`lvs.machines.serials.next_serial`), so that
    nothing older can be played to it. RouterError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    serials.begin(serials_of(path), serial)
    document = {
        "router": content.router,
        "broker_url": content.broker_url,
        "manager_keys": list(content.manager_keys),
        "ca": content.ca,
    }
    write_private(path, json.dumps(document, indent=1) + "\n", owner=path.parent)
