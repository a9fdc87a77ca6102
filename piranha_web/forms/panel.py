"""What all panels' forms do: show a value, refuse stale and senseless changes, warn of odd ones.

A change is judged in its cluster: the rules of `lvs.config.rules` look at the whole configuration with the
change in it. An error at one of the form's own fields, or one that was not there before the change, keeps it
from being saved; an old error elsewhere does not.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.http import QueryDict

from lvs.config.keywords import KEYWORDS
from lvs.config.model import LvsConfig, Problem, Severity
from lvs.config.rules import problems
from lvs.config.sentences import place_name
from piranha_web.forms.conflicts import Conflict, merged, opened
from piranha_web.guide.links import with_help

DIRECTIVES = frozenset(name for words in KEYWORDS.values() for name in words)

STALE = (
    "Somebody changed this after you opened it. Nothing was saved and nothing was overwritten. Open the page "
    "again to see what it says now; what you typed is still below."
)
OVERTAKEN = (
    "Somebody changed this after you opened it. Nothing was saved yet, nothing was overwritten, and what you "
    "typed is below: look at what they changed, then accept again."
)
JUDGE = "judge"  # sent beside the fields by a page that wants to know what is wrong, and to save nothing


class Judged(Exception):
    """Ends a request that asked what the form says: `verdict` is the answer, and nothing is saved."""

    def __init__(self, verdict: dict[str, Any]) -> None:
        super().__init__("asked only")
        self.verdict = verdict


def fingerprint(value: object) -> str:
    """What tells one state of a value from every other."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:20]


def sentence(problem: Problem, *, with_place: bool = True) -> str:
    """A problem as a page shows it; at its own field its place need not be said again."""
    text = problem.message
    if not with_place:
        text = text.removeprefix(f"{place_name(problem.place)}: ")
    if text.split()[0] not in DIRECTIVES:  # those are written as they stand in lvs.cf
        text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def added(before: LvsConfig, after: LvsConfig) -> list[Problem]:
    """The problems that after has and before has not."""
    known = set(problems(before))
    return [problem for problem in problems(after) if problem not in known]


class PanelForm(forms.Form):
    """A form over one value of a configuration.

    A subclass says how a value becomes initial text (`initial_of`), how cleaned data becomes a value
    (`value_of`), and which configuration has that value in it (`config_with`).
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: Any, *, config: LvsConfig, value: Any) -> None:
        super().__init__(data)
        with_help(self.fields)
        self.config = config
        self.initial = {**self.initial_of(value), "seen": fingerprint(self.watched(value))}
        self.old = value
        self.value: Any = None
        self.warnings: list[str] = []
        self.opened = opened(self)
        self.conflict: Conflict | None = None
        if isinstance(self.data, QueryDict):
            self.lay_over(self.data)

    def lay_over(self, sent: QueryDict) -> None:
        """Lays what was sent over what somebody else may have saved meanwhile."""
        self.data, self.conflict = merged(self, sent, is_stale=sent.get("seen") != self.initial["seen"])
        if self.conflict:
            self.data["seen"] = self.initial["seen"]

    def is_valid(self) -> bool:
        """Whether it can be saved; for a page that only asks, the answer is the end of the request."""
        if JUDGE in self.data:
            raise Judged(self.verdict())
        return super().is_valid()

    def verdict(self) -> dict[str, Any]:
        """What is wrong, by field, and what concerns the whole."""
        errors = {name: list(map(str, found)) for name, found in self.errors.items()}
        return {"whole": errors.pop("__all__", []), "errors": errors, "warnings": self.warnings}

    def initial_of(self, value: Any) -> dict[str, Any]:
        """What the fields show."""
        return {name: getattr(value, name) for name in self.fields if hasattr(value, name)}

    def watched(self, value: Any) -> Any:
        """The part of the value that this form overwrites."""
        return value

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        """The value that the fields describe."""
        raise NotImplementedError

    def config_with(self, value: Any) -> LvsConfig:
        """The configuration with value in the old one's place."""
        raise NotImplementedError

    def config_before(self) -> LvsConfig:
        """What the change is compared with."""
        return self.config

    def place(self) -> tuple[str, ...]:
        """Where the rules report problems of the new value."""
        return ()

    def field_of(self, problem: Problem) -> str | None:
        """The form's field that shows a problem of the new value; None: none of them does."""
        return problem.field if problem.field in self.fields else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.conflict:
            self.add_error(None, OVERTAKEN)
        if self.errors:
            return cleaned
        if cleaned["seen"] != fingerprint(self.watched(self.old)):
            self.add_error(None, STALE)
            return cleaned
        self.value = self.value_of(cleaned)
        if not self.errors:
            self.judge()
        return cleaned

    def judge(self) -> None:
        """Sorts what the rules say into errors at a field, errors of the whole, and warnings."""
        known = set(problems(self.config_before()))
        for problem in problems(self.config_with(self.value)):
            field = self.field_of(problem) if problem.place == self.place() else None
            if field is None and problem in known:
                continue
            if problem.severity is Severity.WARNING:
                self.warnings.append(sentence(problem))
            elif field is not None:
                self.add_error(field, sentence(problem, with_place=False))
            else:
                self.add_error(None, sentence(problem))
