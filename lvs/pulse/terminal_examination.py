"""`piranha server check VIRTUAL/REAL`: the mistakes in a real server's set-up, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import attempted, remark_lines, say, say_document
from lvs.pulse.terminal_servers import the_one
from lvs.router.seen import Level

SECONDS = 12  # one examination, and another one before it

MARKS = {True: "good", False: "BAD", None: "?"}


def check_command(socket: Path, name: str, *, as_json: bool) -> int:
    """Has a real server examined and prints what was found; 1 also where any of it is an error."""
    is_right = True

    def work() -> None:
        nonlocal is_right
        client = PulseClient(socket, SECONDS)
        found = client.examine(*the_one(client, name))
        is_right = not any(remark["level"] == Level.ERROR for remark in found["remarks"])
        if as_json:
            say_document(found)
        else:
            say(described(found))

    return attempted(work) or int(not is_right)


def described(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `examine` in lines: what was tried, then what is to be said of it."""
    for tried in found["tried"]:
        yield f"{MARKS[tried['good']]:>4}  {tried['what']}: {tried['said']}"
    yield from remark_lines(found["remarks"])
    if not found["remarks"]:
        yield "Nothing is wrong with its set-up, as far as can be told from this router."
