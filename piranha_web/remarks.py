"""Remarks of routers (ARCHITECTURE.md: `preflight`), gathered by level for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Remarks:
    """What was remarked, by level: mappings with level, about, what, why, remedy and evidence."""

    errors: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()

    @property
    def all(self) -> tuple[Mapping[str, Any], ...]:
        return (*self.errors, *self.warnings, *self.notes)


NONE = Remarks()


def gathered(remarks: Sequence[Mapping[str, Any]]) -> Remarks:
    """The remarks of an answer; what has a level that is not known here counts as a note."""
    errors = tuple(one for one in remarks if one["level"] == "error")
    warnings = tuple(one for one in remarks if one["level"] == "warning")
    notes = tuple(one for one in remarks if one["level"] not in ("error", "warning"))
    return Remarks(errors, warnings, notes)
