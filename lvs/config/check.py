"""Reader and rules together: what a file says, and whether it may be installed."""

from __future__ import annotations

from dataclasses import replace

from lvs.config.model import LvsConfig, Problem, Severity
from lvs.config.reader import Reading, decode, read
from lvs.config.rules import problems
from lvs.errors import InvalidConfig, ParseError


def check(text: str) -> Reading:
    """The configuration and everything that is wrong with it, each problem with its line, in their order.

    What the rules say about a field that could not even be read is left out: the field has its default then.
    """
    reading = read(text)
    unread = {(p.place, p.field) for p in reading.problems if p.severity is Severity.ERROR}
    if ((), None) in unread and not reading.lines:
        return reading
    found = [
        _with_line(problem, reading)
        for problem in problems(reading.config)
        if (problem.place, problem.field) not in unread
    ]
    ordered = sorted((*reading.problems, *found), key=lambda problem: problem.line or 0)
    return replace(reading, problems=tuple(ordered))


def check_bytes(raw: bytes) -> Reading:
    """The same for a file's bytes, which may be old ones in Latin-1."""
    text, notes = decode(raw)
    reading = check(text)
    return replace(reading, problems=(*notes, *reading.problems))


def load(text: str) -> LvsConfig:
    """The configuration, if it may be installed; else ParseError or InvalidConfig with every error."""
    reading = check(text)
    errors = [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    if not errors:
        return reading.config
    if reading.complete:
        raise InvalidConfig(errors)
    raise ParseError(errors)


def _with_line(problem: Problem, reading: Reading) -> Problem:
    """The line of the field, else of its block, else of the block around that, else the first."""
    places = [(problem.place, problem.field), (problem.place, None), (problem.place[:2], None)]
    line = next((reading.lines[place] for place in places if place in reading.lines), 1)
    return replace(problem, line=line)
