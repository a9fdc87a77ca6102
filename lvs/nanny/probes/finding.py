"""What a probe reports, and the words for what the network did to it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset by the real server",
    errno.EPIPE: "closed by the real server",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EMFILE: "this router has no file descriptor left; raise LimitNOFILE",
    errno.ENFILE: "this router has no file descriptor left",
    errno.EPROTONOSUPPORT: "this router's kernel does not speak the protocol; load its module (sctp)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the real server answered as it should, and the reason in a few words."""

    ok: bool
    reason: str


def explain(step: str, error: OSError) -> Finding:
    """The finding for an operating system error at this step of the check (connect, send, read)."""
    number = error.errno or 0
    words = _WORDS.get(number) or (os.strerror(number).lower() if number > 0 else str(error) or "failed")
    return Finding(False, f"{step}: {words}")
