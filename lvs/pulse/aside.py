"""Whether an administrator has set this router aside: it takes no part in the pair until it is told to.

For work on the machine: somebody who has its network card in their hands does not want it to take over. It is
said to the election as one more reason why this router is not fit, so that what holds of any router that is
not fit holds of it: it never takes over, and hands over to a fit one. pulse runs on, so that it can be told
again; the table and the checks stay as they are.

`aside.json` beside the ledger has it, so that neither a restart of pulse nor of the machine ends it. A file
that cannot be understood sets nothing aside: a router that serves by mistake is better than one that does
not, and it is said. What is said here is in force at once, and the file follows: a disk that takes nothing
keeps nobody from having this router take part again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvs.errors import RouterError
from lvs.nanny.hand import fitting
from lvs.pulse.events import Events
from lvs.pulse.kept import Kept
from lvs.pulse.kernel_work import KernelWork

NAME = "aside.json"
VERSION = 1  # of the file's form
LONGEST_WORDS = 200  # of a reason
AGAIN_SECONDS = 30.0  # until a disk that did not take the file is asked again


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
        why = f" ({self.reason})" if self.reason else ""
        return f"it is set aside by {self.by}{why}; piranha aside --end has it take part again"


class Aside:
    """Keeps the entry. clock: seconds since the epoch."""

    def __init__(
        self, folder: Path, work: KernelWork, events: Events, clock: Callable[[], float] = time.time
    ) -> None:
        self._file = Kept(folder / NAME, VERSION, work, events)
        self._events = events
        self._clock = clock
        self._entry: Entry | None = None
        self._unsaved = asyncio.Event()

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, in a sentence."""
        return self._file.problem

    @property
    def entry(self) -> Entry | None:
        """What is in force now; that it has ended by itself is said once."""
        entry = self._entry
        if entry is not None and entry.until is not None and entry.until <= self._clock():
            self._entry = None
            self._unsaved.set()  # else it would hold again by a clock that is behind
            self._events.info(f"takes part again: the time is over for which {entry.by} has set it aside")
        return self._entry

    async def load(self) -> None:
        """Take up the file."""
        try:
            text = await self._file.text()
            self._entry = None if text is None else _read(self._file.document(text))
        except (RouterError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            self._file.complain(
                f"Whether this router is set aside cannot be read from {self._file.path} ({error}), so it "
                "takes part. Say it anew: piranha aside, or piranha aside --end."
            )

    async def replace(self, entry: Entry | None) -> str:
        """Have this one from now on. What the disk said against keeping it over a restart; "": nothing."""
        self._entry = entry
        await self._save()
        return self.problem or ""

    async def run(self) -> None:
        """Keep the file as it is said, until cancelled."""
        while True:
            await self._unsaved.wait()
            await self._save()
            if self.problem is not None:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _save(self) -> None:
        """Write the file. What the disk refuses is a problem in the status, and tried again."""
        self._unsaved.clear()
        entry = self._entry
        try:
            await self._file.write(aside=None if entry is None else asdict(entry))
        except RouterError as error:
            what = "takes part" if self._entry is None else "is set aside"
            self._file.complain(
                f"This router {what} now, which is not written down for pulse's next start: {error}."
            )
            self._unsaved.set()

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
    if len(reason) > LONGEST_WORDS:
        raise RouterError(f"A reason has at most {LONGEST_WORDS} signs: say it shorter.")
    if until is not None and until <= at:
        raise RouterError("The time until which this router is to be aside is over: give a later one.")
    return Entry(fitting(by), fitting(reason), at, until)


def _read(document: Any) -> Entry | None:
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
