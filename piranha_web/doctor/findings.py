"""What was looked at, and how it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from lvs.pulse.terminal import harmless


class Level(StrEnum):
    """How something is."""

    WELL = "well"
    NOTE = "note"  # it works; somebody should know, or will have to do something
    FAULT = "fault"  # something does not work, or will not after the next start


SIGNS = {Level.WELL: "✔", Level.NOTE: "·", Level.FAULT: "✘"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. about: what was looked at; what: how it is; remedy: what to run or do, "": nothing."""

    about: str
    level: Level
    what: str
    remedy: str = ""


def well(about: str, what: str) -> Finding:
    """All is as it should be."""
    return Finding(about, Level.WELL, what)


def note(about: str, what: str, remedy: str = "") -> Finding:
    """It works."""
    return Finding(about, Level.NOTE, what, remedy)


def fault(about: str, what: str, remedy: str) -> Finding:
    """It does not."""
    return Finding(about, Level.FAULT, what, remedy)


def is_sound(findings: Iterable[Finding]) -> bool:
    """Whether there is no fault."""
    return all(one.level is not Level.FAULT for one in findings)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """For a terminal; nothing of it can turn a line around."""
    for one in findings:
        yield harmless(f"{SIGNS[one.level]} {one.level:<5}  {one.about}: {one.what}")
        if one.remedy:
            yield harmless(f"           {one.remedy}")


def document(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """For --json."""
    return [asdict(one) for one in findings]


def from_document(said: Mapping[str, str]) -> Finding:
    """The other way round."""
    return Finding(said["about"], Level(said["level"]), said["what"], said["remedy"])


def summary(findings: Iterable[Finding]) -> str:
    """All of it in a line."""
    found = list(findings)
    faults = sum(one.level is Level.FAULT for one in found)
    notes = sum(one.level is Level.NOTE for one in found)
    counted = [counts(len(found), "thing"), counts(faults, "fault"), counts(notes, "note")]
    return "Looked at {}: {}, {}.".format(*counted)


def counts(number: int, what: str) -> str:
    """How many, in words."""
    return f"{number or 'no'} {what}{'s' if number != 1 else ''}"
