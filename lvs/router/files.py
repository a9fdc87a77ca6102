"""pulse's files on a router: the installed lvs.cf, the ledger of what is pulse's in the kernel, the lock.

Files are replaced, never rewritten: a crash at any moment leaves the whole old or the whole new one (write
beside it, fsync, rename, fsync of the folder; rename(2), fsync(2)).
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lvs.config.model import Protocol
from lvs.errors import RouterError
from lvs.router.state import Family, InterfaceAddress, Owned, ServiceKey, SyncState

# Where they are by default, lvs.cf apart: root's alone. In /var/lib/piranha the site's own user could
# put another ledger, or other rules for the next boot, in the place of pulse's.
STATE = Path("/var/lib/piranha-router")
MODE = 0o640  # of a file that is new; it may name hosts and programs that are not for everyone
VERSION = 1  # of the ledger's form


class Installation:
    """The lvs.cf that this router runs, in its folder, with the one before it beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lvs.cf"
        self.previous_path = folder / "lvs.cf.previous"

    def read(self) -> str | None:
        """The installed text; None before the first. Bytes that are not UTF-8 survive as surrogates."""
        return _text(self.path)

    def previous(self) -> str | None:
        """The text that was installed before this one; None if there was none."""
        return _text(self.previous_path)

    def install(self, text: str) -> None:
        """Puts a new text in place, owner and mode kept; the same text again changes nothing."""
        content = _encoded(text, self.path)
        installed = _content(self.path)
        if installed == content:
            return
        if installed is not None:
            _replace(self.previous_path, installed, like=self.path)
        _replace(self.path, content, like=self.path)


class Ledger:
    """What pulse has put into the kernel, as it wrote it down before doing so (JSON).

    A ledger that cannot be understood is no reason to stop balancing, and guessing what was pulse's could
    take away what is not. So it counts as empty: everything wanted is taken over again, everything else is
    foreign and stays. `problem` then says so, and the file is kept aside by the next save.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None  # a sentence for the administrator; None: the ledger was understood
        self._known: tuple[str, Owned] | None = None  # a text and what it says: mostly it did not change

    def load(self) -> Owned:
        """What is pulse's; nothing before the first save."""
        self.problem = None
        text = _text(self.path)
        if text is None:
            return Owned()
        try:
            if self._known is None or self._known[0] != text:
                self._known = text, _owned(json.loads(text))
            return self._known[1]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.problem = (
                f"{self.path} cannot be understood ({error}), so nothing in the kernel counts as pulse's but "
                "what lvs.cf wants now: look for floating addresses and virtual servers of older "
                f"configurations and remove them by hand. The file is kept as {self._aside.name}."
            )
            return Owned()

    def save(self, owned: Owned) -> None:
        """Writes it down; returns when it is on the disk."""
        text = json.dumps(_document(owned), indent=1) + "\n"
        content, self._known = text.encode(), (text, owned)
        before = _content(self.path)
        if before == content:
            return
        if self.problem and before is not None:
            _replace(self._aside, before, like=self.path)
            self.problem = None
        _replace(self.path, content, like=self.path)

    @property
    def _aside(self) -> Path:
        return self.path.with_name(self.path.name + ".unreadable")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps every other pulse off a folder while inside (flock(2), which ends with the process)."""
    path = folder / "pulse.lock"
    with _refusing(f"lock {folder}"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        with _refusing(f"lock {folder}"):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
                raise RouterError(
                    f"another pulse (process {holder}) works with {folder}: stop it first, or "
                    "give this one a folder of its own"
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str, owner: Path | None = None) -> None:
    """Puts a text at path in one step, for nobody's eyes but the owner's (0600).

    owner: a folder to whose owner it is to belong, should root write it.
    """
    _replace(path, text.encode(), like=None, owner=owner)


def give(descriptor: int, folder: Path) -> None:
    """Gives an open file to the owner of the folder, if we are root, who is to lock nobody out."""
    if os.geteuid() == 0:
        found = folder.stat()
        os.fchown(descriptor, found.st_uid, found.st_gid)


def write_text(path: Path, text: str) -> None:
    """Puts a text at path in one step, owner and mode kept; it may have the surrogates of `read_text`."""
    _replace(path, _encoded(text, path), like=path)


def read_text(path: Path) -> str | None:
    """The text at path, bytes that are not UTF-8 as surrogates; None if there is no such file."""
    return _text(path)


def _content(path: Path) -> bytes | None:
    with _refusing(f"read {path}"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _text(path: Path) -> str | None:
    content = _content(path)
    return None if content is None else content.decode(errors="surrogateescape")


def _encoded(text: str, path: Path) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        reason = "the text has characters that UTF-8 has not; remove them"
        raise RouterError(f"cannot write {path}: {reason}") from error


def _replace(path: Path, content: bytes, *, like: Path | None, owner: Path | None = None) -> None:
    """Puts content at path in one step, with the owner and mode of `like` if that exists; None: 0600."""
    # A fixed name: what a crash left is written over; the lock keeps a second writer away.
    beside = path.with_name(f".{path.name}.new")
    with _refusing(f"write {path}"):
        descriptor = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            with open(descriptor, "wb") as file:
                if like is None:
                    os.fchmod(file.fileno(), 0o600)  # what a crash left there may be open to others
                    if owner is not None:
                        give(file.fileno(), owner)
                else:
                    _resemble(file.fileno(), like)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(beside, path)
        except OSError:
            # On a full disk half a file would take the room that a smaller one needs.
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _resemble(descriptor: int, like: Path) -> None:
    try:
        model = like.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, MODE)
        return
    # Only root may give a file away, and others only to a group of theirs: then the mode must do.
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, -1, model.st_gid)
        os.fchown(descriptor, model.st_uid, -1)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode))


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turns the system's refusal into a RouterError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise RouterError(f"cannot {what}: its folder is missing; create it for pulse's user") from error
    except PermissionError as error:
        raise RouterError(f"cannot {what}: permission denied; give the folder to pulse's user") from error
    except OSError as error:
        raise RouterError(f"cannot {what}: {error.strerror}; check the disk and the folder") from error


def _document(owned: Owned) -> dict[str, Any]:
    """Sorted, so that the same ownership is the same file."""
    return {
        "version": VERSION,
        "services": sorted((_fields(key) for key in owned.services), key=str),
        "addresses": sorted((address.document() for address in owned.addresses), key=str),
        "sync": sorted(owned.sync),
    }


def _fields(value: ServiceKey) -> dict[str, Any]:
    fields = dataclasses.asdict(value)
    if fields["address"] is not None:
        fields["address"] = str(fields["address"])
    return fields


def _owned(document: dict[str, Any]) -> Owned:
    if document["version"] != VERSION:
        raise ValueError(f"its version is {document['version']}, this pulse writes {VERSION}")
    return Owned(
        services=frozenset(_service_key(fields) for fields in document["services"]),
        addresses=frozenset(InterfaceAddress.of(fields) for fields in document["addresses"]),
        # A pulse before redundancy wrote none, and reads past it.
        sync=frozenset(SyncState(state) for state in document.get("sync", ())),
    )


def _service_key(fields: dict[str, Any]) -> ServiceKey:
    family, protocol, address = fields["family"], fields["protocol"], fields["address"]
    return ServiceKey(
        family=Family(family),
        protocol=None if protocol is None else Protocol(protocol),
        address=None if address is None else ip_address(address),
        port=int(fields["port"]),
        fwmark=int(fields["fwmark"]),
    )
