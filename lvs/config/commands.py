"""`piranha check` and `piranha format`: of lvs.config, only this module reads files and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lvs.config.check import check_bytes
from lvs.config.document import to_document
from lvs.config.model import Problem
from lvs.config.reader import Reading
from lvs.config.writer import write

VALID, INVALID, UNREADABLE = 0, 1, 2  # exit codes


def check_command(path: str, as_json: bool) -> int:
    """Print every problem of the file ("-": standard input).

    One line a problem, FILE:LINE: severity: message; as JSON an object of ok, problems and config, which is
    null when the file could not be read as lvs.cf. Gives the exit code.
    """
    try:
        reading = check_bytes(_contents(path))
    except OSError as error:
        problem = Problem(message=_unreadable(path, error))
        if as_json:
            _print_json(False, (problem,), None)
        else:
            sys.stderr.write(f"{problem.message}\n")
        return UNREADABLE
    if as_json:
        _print_json(reading.ok, reading.problems, to_document(reading.config) if reading.complete else None)
    else:
        sys.stdout.write(_listed(path, reading))
    return VALID if reading.ok else INVALID


def format_command(path: str) -> int:
    """Print the file ("-": standard input) as the writer would write it; problems go to standard error."""
    try:
        reading = check_bytes(_contents(path))
    except OSError as error:
        sys.stderr.write(f"{_unreadable(path, error)}\n")
        return UNREADABLE
    sys.stderr.write(_listed(path, reading))
    if not reading.ok:
        return INVALID
    sys.stdout.write(write(reading.config))
    return VALID


def _contents(path: str) -> bytes:
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()


def _unreadable(path: str, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}. Give the path of an lvs.cf that you may read"


def _listed(path: str, reading: Reading) -> str:
    name = "<stdin>" if path == "-" else path
    return "".join(f"{name}:{p.line or 1}: {p.severity}: {p.message}\n" for p in reading.problems)


def _print_json(ok: bool, problems: tuple[Problem, ...], config: dict[str, Any] | None) -> None:
    listed = [{"line": p.line, "severity": str(p.severity), "message": p.message} for p in problems]
    sys.stdout.write(json.dumps({"ok": ok, "problems": listed, "config": config}, indent=2) + "\n")
