"""An install that undoes itself unless somebody confirms it: for changes that may cut off who made them.

The router keeps the time, not the web server. What is waited for is on the disk before the new lvs.cf is, so
that a pulse that dies meanwhile goes on waiting when it is back. The time runs on the monotonic clock; after
a restart what is left of it is taken from the wall clock, which may have been set, but never for longer than
was asked for at first.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvs.errors import RouterError
from lvs.pulse.running import Running
from lvs.router import files

LONGEST = 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """serial, sha256: of what is to be confirmed. until: seconds since the epoch. within: as asked for.

    back_to: the serial of the confirmed lvs.cf; None: there was none, and there will be none.
    """

    serial: int
    sha256: str
    until: float
    within: float
    back_to: int | None


class Confirmation:
    """What is waited for, in the folders of lvs.cf and of pulse's state; the methods do blocking work on
    files.

    wall, clock: the time of day, and the clock that does not step.
    """

    def __init__(
        self,
        config_folder: Path,
        state: Path,
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = state / "unconfirmed.json"
        self._kept = config_folder / "lvs.cf.confirmed"
        self._wall = wall
        self._clock = clock
        self._deadline = 0.0
        self.waiting: Waiting | None = None
        self.changed = asyncio.Event()

    def load(self, sha256: str | None) -> None:
        """Take up what a pulse before this one waited for, if it is what is installed (its sha256)."""
        text = files.read_text(self._path)
        if text is None:
            return
        try:
            found = Waiting(**json.loads(text))
            left = min(max(found.until - self._wall(), 0.0), found.within)
        except (ValueError, TypeError) as error:
            self.forget()
            raise RouterError(
                f"{self._path} cannot be understood ({error}), so nothing waits for a confirmation any more: "
                "look whether the right lvs.cf is installed."
            ) from error
        if found.sha256 != sha256:  # it never came into force, or somebody replaced it
            self.forget()
            return
        self.waiting, self._deadline = found, self._clock() + left
        self.changed.set()

    def begin(self, new: Running, before: Running | None, within: float) -> None:
        """Wait for new to be confirmed; before: what is in force until now.

        Where something waits already, what it would go back to stays what it was.
        """
        back_to = before.serial if before else None
        if self.waiting is not None:
            back_to = self.waiting.back_to
        elif before is not None:
            files.write_text(self._kept, before.text)
        else:
            self._kept.unlink(missing_ok=True)
        self._note(Waiting(new.serial, new.sha256, self._wall() + within, within, back_to), within)

    def resume(self, waiting: Waiting | None, left: float) -> None:
        """Wait again for what was waited for before `begin`: the install of what came then has failed."""
        if waiting is None:
            self.forget()
        else:
            self._take_up(waiting, left)  # also if the disk does not take the note
            self._note(waiting, left)

    def forget(self) -> None:
        """Wait no longer."""
        self.waiting = None
        self._path.unlink(missing_ok=True)
        self._kept.unlink(missing_ok=True)
        self.changed.set()

    def confirmed_text(self) -> str | None:
        """What to go back to; None: there was no lvs.cf."""
        if self.waiting is None or self.waiting.back_to is None:
            return None
        text = files.read_text(self._kept)
        if text is None:
            raise RouterError(f"{self._kept} is gone: what was confirmed before cannot be put back.")
        return text

    def left(self) -> float:
        """Seconds until it is too late; 0 from then on, and when nothing waits."""
        return max(self._deadline - self._clock(), 0.0) if self.waiting else 0.0

    def postpone(self, seconds: float) -> None:
        """Going back did not succeed: try again then."""
        self._deadline = self._clock() + seconds

    def document(self) -> dict[str, Any] | None:
        """The part `unconfirmed` of the status document."""
        if self.waiting is None:
            return None
        left = round(self.left(), 1)
        return {"serial": self.waiting.serial, "seconds_left": left, "back_to": self.waiting.back_to}

    async def expired(self) -> Waiting:
        """What was not confirmed in time, as soon as there is such a thing."""
        while True:
            self.changed.clear()
            if self.waiting is not None and self.left() <= 0:
                return self.waiting
            try:
                async with asyncio.timeout(self.left() if self.waiting else None):
                    await self.changed.wait()
            except TimeoutError:
                continue

    def _note(self, waiting: Waiting, left: float) -> None:
        files.write_text(self._path, json.dumps(asdict(waiting)) + "\n")
        self._take_up(waiting, left)

    def _take_up(self, waiting: Waiting, left: float) -> None:
        self.waiting, self._deadline = waiting, self._clock() + left
        self.changed.set()
