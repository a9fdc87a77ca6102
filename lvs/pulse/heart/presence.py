"""Whether pulse is there: it runs and speaks, it hangs, or it is gone. Pure."""

from __future__ import annotations

from enum import StrEnum

from lvs.pulse.heart.messages import HANGS


class Absence(StrEnum):
    """Why pulse cannot carry anything out, in words for an administrator."""

    NONE = ""
    GONE = "pulse does not run on this router: start it, and look into its log"
    HANGS = "pulse hangs on this router: look into its log, and restart it"


class Presence:
    """What the heart knows of pulse; now: seconds of the heart's clock."""

    def __init__(self, now: float) -> None:
        self.connected = False
        self.left_at = now  # since when there is no connection
        self._said_at = now

    def came(self, now: float) -> None:
        """pulse connected, and said so by its settings."""
        self.connected, self._said_at = True, now

    def said(self, now: float) -> None:
        """Any message came."""
        self._said_at = now

    def left(self, now: float) -> None:
        """The connection ended."""
        self.connected, self.left_at = False, now

    def forgive(self, now: float) -> None:
        """The heart itself slept, perhaps with the whole machine: waiting starts anew."""
        self._said_at = self.left_at = now

    def absence(self, now: float) -> Absence:
        if not self.connected:
            return Absence.GONE
        return Absence.HANGS if now - self._said_at >= HANGS else Absence.NONE

    def given_up(self, now: float, patience: float) -> bool:
        """Whether it is time to act in its place; patience: what a pulse that is gone has to come back."""
        if not self.connected:
            return now - self.left_at >= patience
        return self.absence(now) is Absence.HANGS

    def next_at(self, patience: float) -> float:
        """When given_up becomes true if nothing happens."""
        return self._said_at + HANGS if self.connected else self.left_at + patience
