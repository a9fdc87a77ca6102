"""The words on pulse's control socket: how problems and errors are written as JSON, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lvs import errors
from lvs.config.model import Problem, Severity

MAX_LINE = 16 * 1024 * 1024  # bytes of one request
MAX_ANSWER = 128 * 1024 * 1024  # of one answer: the whole status of 50,000 real servers has 25 MB

_KINDS: dict[str, type[errors.LvsError]] = {
    kind.__name__: kind
    for kind in (
        errors.LvsError,
        errors.ConfigError,
        errors.ParseError,
        errors.InvalidConfig,
        errors.RouterError,
        errors.KernelError,
        errors.StaleSerial,
        errors.PulseUnreachable,
        errors.HeartbeatError,
    )
}


def encoded(answer: Mapping[str, Any]) -> bytes:
    """An answer as its line, made in pieces.

    json's encoder lets no other thread run before it is done: for the status of ten thousand real servers
    that would hold up a takeover.
    """
    return _in_pieces(answer, 4).encode() + b"\n"


def _in_pieces(value: Any, depth: int) -> str:
    if depth and isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(name)}:{_in_pieces(each, depth - 1)}" for name, each in value.items())
            + "}"
        )
    if depth and isinstance(value, list):
        return "[" + ",".join(_in_pieces(each, depth - 1) for each in value) + "]"
    return json.dumps(value, separators=(",", ":"))


def problems_to_wire(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "line": problem.line,
            "severity": problem.severity.value,
            "message": problem.message,
            "place": list(problem.place),
            "field": problem.field,
        }
        for problem in problems
    ]


def problems_from_wire(written: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            message=str(one.get("message", "")),
            severity=Severity(one.get("severity", Severity.ERROR)),
            line=one.get("line"),
            place=tuple(one.get("place") or ()),
            field=one.get("field"),
        )
        for one in written
    )


def error_to_wire(error: errors.LvsError) -> dict[str, Any]:
    written: dict[str, Any] = {"kind": type(error).__name__, "message": str(error), "problems": []}
    if isinstance(error, errors.ConfigError):
        written["problems"] = problems_to_wire(error.problems)
    if isinstance(error, errors.KernelError):
        written |= {"change": error.change, "reason": error.reason}
    return written


def error_from_wire(written: Mapping[str, Any]) -> errors.LvsError:
    """The error that was written; a kind that this version does not know becomes a RouterError."""
    kind = _KINDS.get(str(written.get("kind")), errors.RouterError)
    message = str(written.get("message", "pulse refused without a reason"))
    if issubclass(kind, errors.ConfigError):
        problems = problems_from_wire(written.get("problems") or ())
        return kind(problems or (Problem(message=message),))
    if issubclass(kind, errors.KernelError):
        return kind(str(written.get("change", "")), str(written.get("reason", message)))
    return kind(message)
