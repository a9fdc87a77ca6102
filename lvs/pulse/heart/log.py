"""The heart's lines for the log, on the standard error that pulse left it. Writing never waits."""

from __future__ import annotations

import json
import os
import select
import sys
import time

from lvs.log_form import is_journal, is_json

LONGEST = 2000  # bytes: a pipe that says it is writable takes PIPE_BUF, 4096, at once (pipe(7))
CUT = " …"  # the end of a message that was too long
_LEVELS = {"info": 6, "warning": 4, "error": 3}  # of the journal (sd-daemon(3))


def log(level: str, text: str) -> None:
    """Writes a line, unless nobody reads: a heart that waited for a full pipe would miss its beat."""
    line = _fitting(level, text)
    writable = select.poll()
    writable.register(sys.stderr.fileno(), select.POLLOUT)
    try:
        if any(event & select.POLLOUT for _, event in writable.poll(0)):
            os.write(sys.stderr.fileno(), line)
    except OSError:  # nobody reads any more, which is no reason to stop
        return


def _fitting(level: str, text: str) -> bytes:
    """The line, with its end; where it is too long the message is cut, so that JSON stays JSON."""
    line = _bytes(level, text)
    if len(line) > LONGEST:
        text = text[:LONGEST]
        while len(line := _bytes(level, text + CUT)) > LONGEST:
            # A sign takes six bytes in JSON at the most: so many signs less are never too many.
            text = text[: -max(1, (len(line) - LONGEST) // 6)]
    return line


def _bytes(level: str, text: str) -> bytes:
    return (_line(level, text) + "\n").encode(errors="replace")


def _line(level: str, text: str) -> str:
    """As `lvs.logs` has it, which is for logging's records."""
    prefix = f"<{_LEVELS.get(level, 6)}>" if is_journal(os.environ) else ""
    if is_json(os.environ):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        said = {"time": at, "level": level, "logger": "heart", "message": text, "process": os.getpid()}
        return prefix + json.dumps(said, ensure_ascii=False)
    if prefix:
        return f"{prefix}heart: {text}"
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} heart[{os.getpid()}] {level.upper()}: {text}"
