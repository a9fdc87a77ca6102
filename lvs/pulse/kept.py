"""A file beside the ledger in which pulse keeps something over its own restarts: JSON, its version within."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lvs.pulse.events import Events
from lvs.pulse.kernel_work import KernelWork
from lvs.router import files


class Kept:
    """One such file. version: of its form. problem: what is wrong with it, in a sentence; None: nothing."""

    def __init__(self, path: Path, version: int, work: KernelWork, events: Events) -> None:
        self.path = path
        self.problem: str | None = None
        self._version = version
        self._work = work
        self._events = events

    async def text(self) -> str | None:
        """What it says; None: there is no such file. RouterError: it cannot be read."""
        return await self._work.run(lambda: files.read_text(self.path))

    def document(self, text: str) -> Any:
        """What a text of it says. ValueError, KeyError, TypeError, RecursionError: it is not of this form."""
        found = json.loads(text)
        if found["version"] != self._version:
            raise ValueError(f"its version is {found['version']}, this pulse writes {self._version}")
        return found

    async def write(self, **said: object) -> None:
        """Have it say this. RouterError: the disk does not take it, and the file is as it was."""
        text = json.dumps({"version": self._version, **said}, indent=1) + "\n"
        await self._work.run(lambda: files.write_private(self.path, text))
        self.problem = None

    def complain(self, problem: str) -> None:
        """Notes what is wrong, and says it where it was not said last."""
        if problem != self.problem:
            self._events.error(problem)
        self.problem = problem
