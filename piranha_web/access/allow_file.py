"""The file that says which networks may reach the site at all. It needs neither Django nor the database.

Theory. One network a line, and behind # who added it, when, and a note. Whoever asks looks (stat) whether it
is another file than the last time, so a change counts for every process at its next request. It is replaced
whole; it can as well be written by hand. A file with one line that is not understood counts for nothing:
what whoever wrote it meant to keep out must not come in because of a slip on the line before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from lvs.errors import LvsError
from piranha_web.access.networks import Network, NetworkRefused, network_of
from piranha_web.access.whole_file import locked, replace

LARGEST = 256 * 1024  # bytes; 500 networks with long notes have a quarter of it
HEAD = (
    "# Networks that may reach Piranha Web, one a line; # and what follows is a note. Loopback always may.",
    "# Kept by the page Access and by `piranha allow`. With a line that is not understood only loopback may.",
)
_KNOWN = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<by>[^:]+)(?:: ?(?P<note>.*))?")
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class AllowRefused(LvsError):
    """The list was not changed; why, and what to do."""


class Broken(LvsError):
    """The file cannot be understood; the text names it and the line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One network. by, note: "", at: None where the file does not say."""

    network: Network
    note: str = ""
    by: str = ""
    at: datetime | None = None

    @property
    def line(self) -> str:
        """As the file has it."""
        if not (self.by and self.at):
            return f"{self.network}  # {self.note}" if self.note else str(self.network)
        note = f": {self.note}" if self.note else ""
        return f"{self.network}  # {self.at.astimezone(UTC).strftime(_FORMAT)} {self.by}{note}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; entry: None in one that is blank or a comment."""

    text: str
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What the file says. problem: why it cannot be used, naming it; there are no lines then. "": it can."""

    lines: tuple[Line, ...] = ()
    problem: str = ""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Its networks."""
        return entries_of(self.lines)


def entries_of(lines: Sequence[Line]) -> tuple[Entry, ...]:
    """The networks of some lines."""
    return tuple(line.entry for line in lines if line.entry is not None)


def read(path: Path) -> Listing | None:
    """What the file says now; None: there is none."""
    try:
        status = path.stat()
        return parsed(path, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Listing(problem=f"{path} cannot be read: {error.strerror or error}.")


@lru_cache(maxsize=4)
def parsed(path: Path, _written: int, _changed: int, _inode: int, size: int) -> Listing:
    """The file as it was at that moment. Every request asks; it changes a few times a year."""
    if size > LARGEST:
        return Listing(problem=f"{path} has more than {LARGEST // 1024} KiB, so it is no list of networks.")
    try:
        return Listing(lines_of(path.read_bytes(), path))
    except Broken as error:
        return Listing(problem=str(error))


def lines_of(content: bytes, path: Path) -> tuple[Line, ...]:
    """The lines of a file's content; Broken for the first that is none."""
    found = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            found.append(line_of(raw.decode()))
        except UnicodeDecodeError as error:
            raise Broken(f"{path}, line {number}: this is no text in UTF-8.") from error
        except NetworkRefused as error:
            raise Broken(f"{path}, line {number}: {error}") from error
    while found and not found[-1].text:
        found.pop()
    return tuple(found)


def line_of(text: str) -> Line:
    """One line; NetworkRefused."""
    text = text.rstrip()
    network, _, note = text.partition("#")
    if not network.strip():
        return Line(text)
    return Line(text, entry_of(network_of(network), note.strip()))


def entry_of(network: Network, note: str) -> Entry:
    """A network with what is behind it. Whatever a hand has written there is a note."""
    known = _KNOWN.fullmatch(note)
    if known is None:
        return Entry(network, note)
    try:
        at = datetime.strptime(known["at"], _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return Entry(network, note)
    return Entry(network, known["note"] or "", known["by"], at)


def change(
    path: Path, default: Sequence[Network], edit: Callable[[tuple[Line, ...]], Sequence[Line]]
) -> tuple[Entry, ...]:
    """Replaces the file by what edit makes of its lines, while nobody else may; its networks then.

    default: those of a file that is not there. AllowRefused (also from edit), OSError: nothing was changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        try:
            lines = lines_of(path.read_bytes(), path) if path.exists() else begun(default)
        except Broken as error:
            raise AllowRefused(
                f"{error} Mend that line, or begin anew with `piranha allow reset`. Until then only this "
                "machine itself may reach the site."
            ) from error
        made = tuple(edit(lines))
        replace(path, "".join(f"{line.text}\n" for line in made).encode())
    return entries_of(made)


def begun(default: Sequence[Network]) -> tuple[Line, ...]:
    """The lines of a new file."""
    entries = (Entry(network) for network in default)
    return (*map(Line, HEAD), *(Line(entry.line, entry) for entry in entries))


def reset(path: Path) -> Path | None:
    """Takes the file out of use; where it is kept now, None: there was none. OSError: nothing was changed."""
    kept = path.with_name(f"{path.name}.old")
    if not path.exists():
        return None
    with locked(path):
        path.replace(kept)
    return kept
