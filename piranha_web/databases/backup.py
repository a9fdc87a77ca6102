"""`piranha backup`: everything of the manager that is not to be lost, in one file.

A tar archive, compressed: `manifest.json` first, with the size and SHA-256 of each of the others;
`rows.jsonl`, the database (`piranha_web.databases.rows`); `files/NAME`, the files of the manager's folder
(PIRANHA_VAR) and those that the environment names elsewhere (`NAMED`). In it are the keys of everything:
whoever has it can become this manager. So it is 0600, and can be sealed with a passphrase
(`piranha_web.databases.seal`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from django.db import connections

from piranha_web import installed
from piranha_web.databases import rows
from piranha_web.databases.seal import Sealing
from piranha_web.databases.url import URL_FILE, described
from piranha_web.databases.ways import one_look
from piranha_web.tls import authority

FORM = 1
MANIFEST, ROWS, FILES = "manifest.json", "rows.jsonl", "files/"
AUTHORITY = "broker-authority.pem"  # who signed the certificate of a Redis that others look after
# Files that may lie elsewhere, by the variable that names them; in the backup they have the name before it.
NAMED = {
    "allow": "PIRANHA_ALLOW_FILE",
    AUTHORITY: "PIRANHA_BROKER_CA",
    "broker.url": "PIRANHA_BROKER_URL_FILE",
    "oidc.json": "PIRANHA_OIDC_FILE",
    "piranha.passwd": "PIRANHA_PASSWORD_FILE",
    "secret.key": "PIRANHA_SECRET_KEY_FILE",
    "site.pem": "PIRANHA_TLS_CERT",
    "site.key": "PIRANHA_TLS_KEY",
}
SETTINGS = "web.env"  # an installed site's settings: for whoever sets up the next machine, never put in place
# What of the folder is made anew at each start, or is the database itself.
MADE_ANEW = (
    "*.lock",
    ".*",
    "*.sqlite3",
    "*.sqlite3-*",
    "*.log",
    "*.pid",
    "*.sock",
    "*.piranha",
    "serving.json",
)
LARGEST = 8 << 20  # a file of the folder that is larger is none of ours


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup has. left_out: files that were not taken, each with the reason."""

    tables: int
    rows: int
    files: tuple[str, ...]
    left_out: tuple[str, ...]


def backup(out: IO[bytes], var: Path, environment: Mapping[str, str], now: datetime, passphrase: str) -> Made:
    """Writes a backup into out; the site may be in use meanwhile. passphrase "": it is not sealed."""
    files, left_out = collected(var, environment)
    # In the manager's own folder: what is in there on its way is in there anyway.
    with tempfile.TemporaryFile(dir=var) as spool:
        with one_look() as alias:
            text = io.TextIOWrapper(spool, encoding="utf-8", write_through=True)
            sums = rows.dump(alias, text)
            text.detach()
        manifest = {
            "piranha backup": FORM,
            "version": version("piranha-web"),
            "made_at": now.isoformat(),
            "host": socket.gethostname(),
            "database": described(connections.settings["default"]),
            "tables": sums,
            "contents": {ROWS: hash_of(spool)}
            | {FILES + name: hash_of(io.BytesIO(files[name])) for name in files},
        }
        sealing = Sealing(out, passphrase) if passphrase else None
        target: Any = sealing or out
        with tarfile.open(fileobj=target, mode="w|gz", format=tarfile.PAX_FORMAT) as archive:
            for name, content in members(manifest, spool, files):
                add(archive, name, content, now)
        if sealing:
            sealing.close()
    return Made(len(sums), sum(words[0] for words in sums.values()), tuple(files), left_out)


def members(
    manifest: Mapping[str, Any], spool: IO[bytes], files: Mapping[str, bytes]
) -> Iterator[tuple[str, IO[bytes]]]:
    """What is in the archive, in its order."""
    yield MANIFEST, io.BytesIO(json.dumps(manifest, indent=1).encode())
    yield ROWS, spool
    for name, content in files.items():
        yield FILES + name, io.BytesIO(content)


def add(archive: tarfile.TarFile, name: str, content: IO[bytes], now: datetime) -> None:
    """Puts one file into the archive, readable by its owner alone."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = content.seek(0, os.SEEK_END), 0o600, int(now.timestamp())
    content.seek(0)
    archive.addfile(entry, content)


def hash_of(content: IO[bytes]) -> list[Any]:
    """Size and SHA-256, from the beginning."""
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type]  # it reads, which is all
    return [content.seek(0, os.SEEK_END), digest.hexdigest()]


def collected(var: Path, environment: Mapping[str, str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files by the names that they have in a backup; those that were left out, and why."""
    found: dict[str, bytes] = {}
    left_out: list[str] = []
    settings = installed.file_in(dict(environment))
    wanted = places(var, environment) | ({SETTINGS: settings} if settings else {})
    for name, path in sorted(wanted.items()):
        try:
            if path.stat().st_size > LARGEST:
                left_out.append(f"{path}: it has more than {LARGEST >> 20} MiB")
                continue
            found[name] = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            left_out.append(f"{path}: {error.strerror}")
    return found, tuple(left_out)


def places(var: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Where each file is, or would be. How the database is reached is no part of what is in it."""
    named = {name: Path(environment[key]).absolute() for name, key in NAMED.items() if environment.get(key)}
    # Our own authority belongs to its key, and routers believe nobody else: it goes along under its own name.
    if named.get(AUTHORITY) == (var / authority.CERTIFICATE).absolute():
        del named[AUTHORITY]
    elsewhere = {path.resolve() for path in named.values()}
    if environment.get(URL_FILE):
        elsewhere.add(Path(environment[URL_FILE]).resolve())
    beside = sorted(var.iterdir()) if var.exists() else []
    own = {one.name: one for one in beside if is_kept(one) and one.resolve() not in elsewhere}
    return own | named


def is_kept(path: Path) -> bool:
    """Whether a thing of the folder is a file that a backup has."""
    is_plain = path.is_file() and not path.is_symlink()
    return is_plain and not any(fnmatch(path.name, pattern) for pattern in MADE_ANEW)
