"""An order for real servers: why, and when it ends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Layout
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from piranha_web.forms.fields import SuggestingInput, WordsField
from piranha_web.forms.layout import Row, column
from piranha_web.hands import LONGEST_REASON, Verb

LENGTHS = [("30 min", "half an hour"), ("2 h", "two hours"), ("8 h", "a working day"), ("1 d", "a day")]
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
LONGEST = timedelta(days=366)
_LENGTH = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)")
_TOMORROW = "tomorrow %H:%M"
_NEVER = "Write a length of time (30 min, 2 h, 1 d), a time (14:30, tomorrow 08:00), or a date and time."


class EndField(WordsField):
    """When something ends: a length of time from now, a time of day, or a date and time; blank: None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=SuggestingInput(LENGTHS), **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip().lower()
        if not text:
            return None
        end = end_of(text, timezone.localtime(timezone.now()))
        if not timedelta(0) < end - timezone.now() <= LONGEST:
            raise ValidationError("It must end after now, and within a year.")
        return end


def end_of(text: str, now: datetime) -> datetime:
    """The moment that text stands for, in now's time zone; ValidationError for other words."""
    if length := _LENGTH.fullmatch(text):
        try:
            return now + timedelta(seconds=int(length[1]) * UNITS[length[2]])
        except OverflowError as error:
            raise ValidationError("It must end after now, and within a year.") from error
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dt%H:%M", _TOMORROW, "%H:%M"):
        try:
            read = datetime.strptime(text, form)
        except ValueError:
            continue
        if form.startswith("%Y"):
            return read.replace(tzinfo=now.tzinfo)
        end = now.replace(hour=read.hour, minute=read.minute, second=0, microsecond=0)
        return end if end > now and form != _TOMORROW else end + timedelta(days=1)
    raise ValidationError(_NEVER)


class OrderForm(forms.Form):
    """What a verb asks for besides the real servers."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Why",
        help_text="Stands beside the real server on every page and in the routers' logs.",
    )
    until = EndField()

    def __init__(self, data: Any, *, verb: Verb) -> None:
        super().__init__(data)
        self.fields["reason"].required = verb.needs_reason
        names = ["reason"]
        if verb.end_label:
            self.fields["until"].label = verb.end_label
            self.fields["until"].help_text = verb.end_help
            names.append("until")
        else:
            del self.fields["until"]
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.disable_csrf = True
        self.helper.layout = Layout(Row(*(column(name) for name in names)))

    @property
    def end(self) -> float | None:
        """Seconds since the epoch; None: not by itself."""
        until: datetime | None = self.cleaned_data.get("until")
        return until.timestamp() if until else None
