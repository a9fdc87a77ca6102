"""`piranha preflight [FILE]`: what stands against an lvs.cf on this router, before it is applied.

It asks pulse, which knows what is its own; where none runs yet, it looks by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lvs.config.check import load
from lvs.config.model import LvsConfig
from lvs.errors import ConfigError, PulseUnreachable
from lvs.pulse.client import PulseClient
from lvs.pulse.preflight import looked_at
from lvs.pulse.terminal import DONE, REFUSED, attempted, remark_lines, say, say_document
from lvs.router.files import STATE, Ledger
from lvs.router.seen import Level
from lvs.router.state import Role

SECONDS = 10
LEDGER = STATE / "ledger.json"
INSTALLED = Path("/etc/piranha/lvs.cf")

Document = Mapping[str, Any]


def preflight_command(socket: Path, file: str | None, *, as_json: bool, parameters: bool) -> int:
    """Prints what is remarked; 1 also where any of it is an error.

    file: lvs.cf, "-" for standard input; None: what is in force. parameters: the table of kernel parameters
    as well.
    """
    is_clear = True

    def work() -> None:
        nonlocal is_clear
        try:
            found = _found(socket, _text(file))
        except ConfigError as error:
            lines = [
                f"{file or INSTALLED}:{one.line or 1}: {one.severity}: {one.message}"
                for one in error.problems
            ]
            say(lines, sys.stderr)
            is_clear = False
            return
        is_clear = not any(remark["level"] == Level.ERROR for remark in found["remarks"])
        if as_json:
            say_document(found)
        else:
            say(described(found, parameters=parameters))

    return attempted(work) or (DONE if is_clear else REFUSED)


def _text(file: str | None) -> str | None:
    if file is None:
        return None
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8", errors="replace")


def _found(socket: Path, text: str | None) -> Document:
    try:
        return PulseClient(socket, SECONDS).preflight(text)
    except PulseUnreachable:
        if text is None and INSTALLED.exists():
            text = INSTALLED.read_text(encoding="utf-8", errors="replace")
        sys.stderr.write(f"No pulse answers at {socket}; this is what piranha sees by itself.\n")
        return looked_at(load(text) if text is not None else LvsConfig(), Role.ACTIVE, Ledger(LEDGER).load())


def described(found: Document, *, parameters: bool) -> Iterator[str]:
    """The answer of `preflight` in lines."""
    yield from remark_lines(found["remarks"])
    if not found["remarks"]:
        yield "Nothing stands against it."
    if parameters:
        yield ""
        yield from _rows(found)


def _rows(found: Document) -> Iterator[str]:
    for row in found["parameters"]:
        value = "not there" if row["found"] is None else row["found"] or '""'
        wanted = "" if row["wanted"] is None else f", pulse sets {row['wanted']} ({row['when']})"
        saved = row["persisted"]
        at_boot = f", {saved['place']} sets {saved['value']}" if saved else ""
        yield f"{row['path']} = {value}{wanted}{at_boot}"
        yield f"    {row['why']}"
