"""`piranha restore`: a backup becomes this machine's manager, once all of it was looked at.

Theory. The backup is unpacked into a folder of its own within PIRANHA_VAR, and every byte compared with its
manifest. Then the rows go into a database beside the one in use: a new SQLite file, or, on PostgreSQL, an
empty schema within one transaction, the one before being renamed. Then what was there is kept in the folder
`before-restore-TIME`, and the new takes its place: files by rename, the database last. So whatever fails
leaves either what was there, or what was there in that folder.

What leads from this machine to others stays as it is here, where it is: the way to Redis and the certificate
of the pages by a name of this machine (`OURS`).
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from django.db import connections

from lvs.errors import LvsError
from piranha_web.access import whole_file
from piranha_web.databases.backup import AUTHORITY, FILES, FORM, MANIFEST, ROWS, SETTINGS, hash_of, places
from piranha_web.databases.seal import MAGIC, unseal
from piranha_web.databases.target import Target

log = logging.getLogger("piranha.database")

OURS = frozenset({AUTHORITY, "broker.url", "redis.key", "redis.pem", "site.key", "site.pem"})
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}")
LARGEST_MANIFEST = 8 << 20
UNPACKED = ".restore-"  # a folder's name begins so
DEAD_AFTER = 24 * 3600.0  # seconds: no restore takes as long


class RestoreRefused(LvsError):
    """A backup that is not restored; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup whose every byte is as it was made."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def files(self) -> dict[str, Path]:
        """The manager's files by their names in the backup."""
        kept = (name for name in self.manifest["contents"] if name.startswith(FILES))
        return {name.removeprefix(FILES): self.folder / name for name in kept}

    @property
    def rows(self) -> int:
        """How many rows its database has."""
        return sum(int(words[0]) for words in self.manifest["tables"].values())


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of it. kept: the folder with what was there before; None: nothing was. ours: files of this
    machine that were left as they are."""

    rows: int
    files: tuple[str, ...]
    ours: tuple[str, ...]
    kept: Path | None
    remarks: tuple[str, ...]


def sweep(var: Path) -> None:
    """Removes what a restore that was killed has left unpacked: there are keys in it."""
    for folder in var.glob(f"{UNPACKED}*"):
        if time.time() - folder.lstat().st_mtime > DEAD_AFTER and not folder.is_symlink():
            log.warning("removed %s, which a restore that was killed had left", folder)
            shutil.rmtree(folder)


@contextmanager
def unpacked(source: IO[bytes], var: Path, passphrase: str) -> Iterator[Unpacked]:
    """The backup in a folder that is gone afterwards. RestoreRefused: it is not whole, or none of ours."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(var)
    folder = Path(tempfile.mkdtemp(prefix=UNPACKED, dir=var))
    try:
        with tempfile.TemporaryFile(dir=folder) as spool:
            shutil.copyfileobj(source, spool)
            spool.seek(0)
            sealed = spool.read(len(MAGIC)) == MAGIC
            spool.seek(0)
            if not sealed:
                yield Unpacked(folder, extract(spool, folder))
                return
            if not passphrase:
                raise RestoreRefused("this backup is sealed: name its passphrase by --passphrase-file FILE")
            with tempfile.TemporaryFile(dir=folder) as opened:
                unseal(spool, passphrase, opened)
                opened.seek(0)
                yield Unpacked(folder, extract(opened, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def extract(spool: IO[bytes], folder: Path) -> dict[str, Any]:
    """Unpacks into the folder what the manifest names, and compares; the manifest."""
    (folder / FILES).mkdir(mode=0o700)
    try:
        with tarfile.open(fileobj=spool, mode="r|gz") as archive:
            manifest = read_manifest(archive)
            wanted: dict[str, list[Any]] = manifest["contents"]
            while (entry := archive.next()) is not None:
                content = archive.extractfile(entry)
                if entry.name not in wanted or content is None:
                    raise RestoreRefused(f"the backup has {entry.name!r}, which its manifest does not name")
                if not entry.isreg() or wanted[entry.name][:1] != [entry.size]:  # before a byte is written
                    raise RestoreRefused(f"the backup is damaged: {entry.name} is not what it was")
                with (folder / entry.name).open("xb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, OSError, LookupError, TypeError, ValueError) as error:
        raise RestoreRefused(f"this is no backup of a manager, or it was cut off ({error})") from error
    for name, words in wanted.items():
        path = folder / name
        if not path.exists():
            raise RestoreRefused(f"the backup is damaged: {name} is missing")
        with path.open("rb") as file:
            if hash_of(file) != words:
                raise RestoreRefused(f"the backup is damaged: {name} is not what it was")
    return manifest


def read_manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    """The first file of the archive. RestoreRefused: of another form; KeyError, ValueError: it is none."""
    entry = archive.next()
    if entry is None or entry.name != MANIFEST or entry.size > LARGEST_MANIFEST:
        raise ValueError("it does not begin with a manifest")
    content = archive.extractfile(entry)
    manifest: dict[str, Any] = json.load(content) if content else {}
    if manifest["piranha backup"] != FORM:
        raise RestoreRefused(
            f"the backup was made by version {manifest['version']}, which is newer than this one "
            f"({version('piranha-web')}): install that one first"
        )
    if ROWS not in manifest["contents"] or not all(map(is_sound, manifest["contents"])):
        raise ValueError("its manifest names what no backup has")
    return manifest


def is_sound(name: str) -> bool:
    """Whether a backup may have a file of that name: none leads anywhere else."""
    inner = name.removeprefix(FILES)
    return name == ROWS or (inner != name and NAME.fullmatch(inner) is not None)


def restore(
    found: Unpacked, var: Path, environment: Mapping[str, str], now: datetime, *, force: bool
) -> Restored:
    """Makes this machine the manager of the backup. force: also where there is one already."""
    target = Target(connections.settings["default"], now)
    here = places(var, environment)
    in_the_way = [
        path for name, path in here.items() if name in found.files and name not in OURS and path.exists()
    ]
    if not force and (in_the_way or not target.is_new()):
        what = str(in_the_way[0]) if in_the_way else target.name
        raise RestoreRefused(
            f"there is a manager here already ({what}). Nothing was changed. To put the backup in its place, "
            "which keeps what is there in a folder of its own: piranha restore --force FILE"
        )
    kept = var / f"before-restore-{now:%Y%m%d-%H%M%S}"
    with (found.folder / ROWS).open(encoding="utf-8") as rows, target.filled(rows):
        kept_rows = target.make_way(kept)
        put, ours = put_files(found, var, here, kept)
        target.take_its_place()
    return Restored(
        found.rows,
        tuple(put),
        tuple(ours),
        kept if kept.exists() else None,
        tuple(remarks(found, now, kept_rows)),
    )


def put_files(
    found: Unpacked, var: Path, here: Mapping[str, Path], kept: Path
) -> tuple[list[str], list[str]]:
    """Puts the files where this machine has them; those that it put, and those that it left."""
    put, ours = [], []
    for name, source in found.files.items():
        path = here.get(name, var / name)
        if name == SETTINGS:
            continue
        if name in OURS and path.exists():
            ours.append(name)
            continue
        if path.exists():
            keep(path, kept, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole_file.replace(path, source.read_bytes())
        put.append(str(path))
    return put, ours


def keep(path: Path, kept: Path, name: str) -> None:
    """A copy of what is going to be replaced."""
    kept.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(kept / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(path.read_bytes())


def remarks(found: Unpacked, now: datetime, kept_rows: str) -> Iterator[str]:
    """What should be known afterwards."""
    if kept_rows:
        yield kept_rows
    made_at = datetime.fromisoformat(found.manifest["made_at"])
    if made_at > now:
        yield (
            "This machine's clock is behind that of the backup: routers refuse tasks with numbers older than "
            "those that they have seen. Set the clock before the manager's worker starts."
        )
    serial = found.files.get("signing.serial")
    if serial is None:
        yield "The backup has no signing key: every router must be enrolled anew (piranha enrol ROUTER)."
