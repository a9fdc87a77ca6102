"""What a probe reports, what it keeps of an exchange for those who ask, and the words for network errors."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from enum import StrEnum

from lvs.nanny.loads import Load

# What this router lacks: it says nothing of the real server, and all of them would fail of it at once.
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset by the real server",
    errno.EPIPE: "closed by the real server",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EMFILE: "this router has no file descriptor left; raise LimitNOFILE",
    errno.ENFILE: "this router has no file descriptor left; raise fs.file-max",
    errno.ENOBUFS: "this router has no buffer left for the network; look at its memory and interfaces",
    errno.ENOMEM: "this router has no memory left",
    errno.EPROTONOSUPPORT: "this router's kernel does not speak the protocol; load its module (sctp)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the real server answered as it should, and the reason in a few words.

    warning: what is well now and will not stay so ("certificate ends in 9 days"). load: what it said of its
    load (checks of kind AGENT and LOAD). ours: this router could not make the check, which so says nothing of
    the real server; the reason has what it lacks.
    """

    ok: bool
    reason: str
    warning: str = ""
    load: Load | None = None
    ours: bool = False


class What(StrEnum):
    """One side of an exchange; NOTE: what was done besides ("connected", "TLSv1.3, certificate of …")."""

    SENT = "sent"
    RECEIVED = "received"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Entry:
    """at: seconds since the check began. data: the bytes; of a note its UTF-8."""

    at: float
    what: What
    data: bytes


class Record:
    """Keeps an exchange byte for byte, for *Test this check now*; up to LIMIT bytes."""

    LIMIT = 64 * 1024

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._begun = time.monotonic()
        self._left = self.LIMIT

    def begin(self) -> None:
        """The check begins now: what is kept from here on has its time since this."""
        self._begun = time.monotonic()

    def sent(self, data: bytes) -> None:
        self._add(What.SENT, data)

    def received(self, data: bytes) -> None:
        self._add(What.RECEIVED, data)

    def note(self, text: str) -> None:
        self._add(What.NOTE, text.encode("utf-8", "backslashreplace"))

    def _add(self, what: What, data: bytes) -> None:
        kept = bytes(data[: self._left])
        self._left -= len(kept)
        self.entries.append(Entry(time.monotonic() - self._begun, what, kept))


class NoRecord(Record):
    """Keeps nothing: what the checks of every day are given."""

    def begin(self) -> None:
        pass

    def _add(self, what: What, data: bytes) -> None:
        pass


NOTHING_KEPT = NoRecord()


def explain(step: str, error: OSError) -> Finding:
    """The finding for an operating system error at this step of the check (connect, send, read)."""
    number = error.errno or 0
    words = _WORDS.get(number) or (os.strerror(number).lower() if number > 0 else str(error) or "failed")
    return Finding(False, f"{step}: {words}", ours=number in OURS)
