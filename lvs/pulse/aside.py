"""Whether an administrator has set this router aside: it takes no part in the pair until it is told to.

For work on the machine: somebody who has its network card in their hands does not want it to take over. It is
said to the election as one more reason why this router is not fit, so that what holds of any router that is
not fit holds of it: it never takes over, and hands over to a fit one. pulse runs on, so that it can be told
again; the table and the checks stay as they are.

`aside.json` beside the ledger has it, so that neither a restart of pulse nor of the machine ends it. A file
that cannot be understood sets nothing aside: a router that serves by mistake is better than one that does
not, and it is said.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvs.errors import RouterError
from lvs.pulse.events import Events
from lvs.pulse.kernel_work import KernelWork
from lvs.router import files

NAME = "aside.json"
VERSION = 1  # of the file's form
LONGEST_WORDS = 200  # of a reason, and of a name


@dataclass(frozen=True, slots=True)
class Entry:
    """Who has set it aside, why, and when; until: when that ends by itself, None: it does not. Epoch."""

    by: str
    reason: str
    at: float
    until: float | None = None

    @property
    def sentence(self) -> str:
        """Why the router is not fit."""
        return f"it is set aside by {self.by}{f': {self.reason}' if self.reason else ''}"


class Aside:
    """Keeps the entry. clock: seconds since the epoch."""

    def __init__(
        self, folder: Path, work: KernelWork, events: Events, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / NAME
        self._work = work
        self._events = events
        self._clock = clock
        self._entry: Entry | None = None
        self.problem: str | None = None  # of the file, in a sentence

    @property
    def entry(self) -> Entry | None:
        """What is in force now; that it has ended by itself is said once."""
        entry = self._entry
        if entry is not None and entry.until is not None and entry.until <= self._clock():
            self._entry = None
            self._events.info(f"takes part again: the time is over for which {entry.by} has set it aside")
        return self._entry

    async def load(self) -> None:
        """Take up the file."""
        try:
            text = await self._work.run(lambda: files.read_text(self._path))
            self._entry = None if text is None else _read(text)
        except (RouterError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.problem = (
                f"Whether this router is set aside cannot be read from {self._path} ({error}), so it takes "
                "part. Say it anew: piranha aside, or piranha aside --end."
            )
            self._events.error(self.problem)

    async def replace(self, entry: Entry | None) -> None:
        """Have this one from now on. RouterError: the disk does not take it, and all is as it was."""
        document = {"version": VERSION, "aside": None if entry is None else asdict(entry)}
        text = json.dumps(document, indent=1) + "\n"
        await self._work.run(lambda: files.write_private(self._path, text))
        self._entry, self.problem = entry, None

    def unfit(self) -> Iterator[str]:
        """Why this router could not serve."""
        if entry := self.entry:
            yield entry.sentence

    def document(self) -> dict[str, Any] | None:
        """For the status document."""
        entry = self.entry
        return None if entry is None else asdict(entry)


def entry_of(by: str, reason: str, at: float, until: float | None) -> Entry:
    """An entry as it is asked for; RouterError: it makes no sense."""
    if len(by) > LONGEST_WORDS or len(reason) > LONGEST_WORDS:
        raise RouterError(f"A name and a reason have at most {LONGEST_WORDS} signs: say it shorter.")
    if not (by + reason).isprintable():
        raise RouterError("A name and a reason are one line of signs that can be seen: write it so.")
    if until is not None and until <= at:
        raise RouterError("The time until which this router is to be aside is over: give a later one.")
    return Entry(by, reason, at, until)


def _read(text: str) -> Entry | None:
    document = json.loads(text)
    if document["version"] != VERSION:
        raise ValueError(f"its version is {document['version']}, this pulse writes {VERSION}")
    found = document["aside"]
    if found is None:
        return None
    until = found["until"]
    return Entry(
        _text(found["by"]),
        _text(found["reason"]),
        _time(found["at"]),
        None if until is None else _time(until),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is none")
    return value


def _time(value: object) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise TypeError("a time is none")
    return float(value)  # type: ignore[arg-type]
