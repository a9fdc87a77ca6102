"""When another administrator saved first: what they changed, field by field, beside what was typed here.

A page keeps with its form what the fields said when it was opened, in the words that a browser sends. When it
comes back and the value is another one by now, what was typed is laid over what is there: a field that only
they changed takes theirs, one that only the sender changed keeps the sender's, and of one that both changed
the sender's stays in the field and a choice stands above it. Nothing typed is lost, nothing is overwritten
unseen, and the next Accept saves what the page then shows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import QueryDict

OPENED = "opened"  # the hidden field with what the page said
CHOSEN = "take-"  # before a field's name: THEIRS, or its own
THEIRS = "theirs"
BLANK = "blank"
LONGEST_SHOWN = 200

Sent = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that somebody else changed. typed: what the sender wants there; "": the same or nothing."""

    name: str
    label: str
    was: str
    now: str
    typed: str

    @property
    def choice(self) -> str:
        """The name of the field that decides."""
        return CHOSEN + self.name


@dataclass(frozen=True, slots=True)
class Conflict:
    """What came between opening a page and saving it."""

    since: datetime
    clashes: tuple[Clash, ...]

    @property
    def open(self) -> tuple[Clash, ...]:
        """Those that somebody must decide."""
        return tuple(one for one in self.clashes if one.typed)


def opened(form: forms.Form, now: float | None = None) -> str:
    """What goes into the hidden field: the fields as they are shown, and when (seconds)."""
    at = time.time() if now is None else now
    return json.dumps({"at": int(at), "values": sent(form)}, separators=(",", ":"), ensure_ascii=False)


def sent(form: forms.Form) -> Sent:
    """What a browser would send of the form's initial values."""
    return {name: sent_of(form, name) for name in form.fields if name != "seen"}


def sent_of(form: forms.Form, name: str) -> list[str]:
    """The same of one field."""
    field = form.fields[name]
    value = form.get_initial_for_field(field, name)
    if isinstance(field.widget, forms.CheckboxInput):
        return ["on"] if value else []
    made = field.widget.format_value(field.prepare_value(value))
    found = [str(one) for one in made] if isinstance(made, list | tuple) else [str(made or "")]
    return meant(found)


def meant(values: list[str]) -> list[str]:
    """What was sent, whichever line ends a browser uses; an empty field is as good as none."""
    return [one.replace("\r\n", "\n") for one in values if one]


def read(text: str) -> tuple[datetime, Sent] | None:
    """The hidden field's content; None: it is none that a page of ours had."""
    try:
        found = json.loads(text)
        values = {str(name): [str(one) for one in value] for name, value in found["values"].items()}
        return datetime.fromtimestamp(found["at"], UTC), values
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return None


def merged(form: forms.Form, data: QueryDict, *, is_stale: bool) -> tuple[QueryDict, Conflict | None]:
    """What was sent, laid over what is there now; and what came between, if something did."""
    was = read(data.get(OPENED, ""))
    if was is None:
        return data, None
    since, before = was
    data, clashes = data.copy(), []
    for name, now in sent(form).items():
        old, takes_theirs = before.get(name, now), data.get(CHOSEN + name) == THEIRS
        typed = old if takes_theirs else meant(data.getlist(name))
        # What nobody overtook stays as it was sent: a page also proposes what the routers told it, and by now
        # nobody asks them again.
        if takes_theirs or (is_stale and typed == old):
            data.setlist(name, now)
        if now != old:
            own = typed not in (old, now)
            clashes.append(clash(form, name, {"was": old, "now": now, "typed": typed if own else None}))
    return data, Conflict(since, tuple(clashes)) if is_stale else None


def clash(form: forms.Form, name: str, values: Mapping[str, list[str] | None]) -> Clash:
    """A field that changed, in words."""
    words = {key: "" if value is None else shown(form.fields[name], value) for key, value in values.items()}
    return Clash(name=name, label=str(form.fields[name].label or name), **words)


def shown(field: forms.Field, values: list[str]) -> str:
    """What a field holds, as somebody reads it."""
    if isinstance(field.widget, forms.CheckboxInput):
        return "yes" if values else "no"
    choices: Any = getattr(field, "choices", ())
    names = {str(value): str(label) for value, label in choices}
    text = ", ".join(names.get(one, one) for one in values) or names.get("", BLANK)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
