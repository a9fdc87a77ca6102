"""What is typed on ALERTS: a target, what is told, and until when it is quiet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms

from lvs import models
from piranha_web.alerts.rules import KINDS
from piranha_web.alerts.targets import LONGEST, LONGEST_NOTE
from piranha_web.forms.account import bare_helper
from piranha_web.forms.hands import EndField

LONGEST_REASON = 200


class TargetForm(forms.Form):
    """One more target. Its address is never shown again, so a page that refuses it comes back without."""

    url = forms.CharField(
        max_length=LONGEST,
        label="Address",
        help_text="In the words of apprise: mailtos://user:password@smtp.example.org?to=me@example.org, "
        "jsons://hooks.example.org/path, slack://… It has a password or a key in it, and is not shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        required=False,
        label="Note",
        help_text="Who is at the other end.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    helper = bare_helper()


class ChoiceForm(forms.Form):
    """What is told, and how often."""

    told = forms.MultipleChoiceField(
        choices=[(name, kind.says) for name, kind in KINDS.items()],
        required=False,
        label="Tell when",
        widget=forms.CheckboxSelectMultiple(),
    )
    remind_hours = forms.IntegerField(
        min_value=1,
        max_value=168,
        label="Reminder after hours",
        help_text="While something goes on, it is told again that often.",
    )
    servers_after = forms.IntegerField(
        min_value=0,
        max_value=86_400,
        label="Real servers out for seconds",
        help_text="A real server that is back sooner is told of only if it comes and goes again and again.",
    )
    helper = bare_helper()

    def __init__(self, data: Any, *, instance: models.AlertChoice) -> None:
        told = [name for name in KINDS if name not in instance.off]
        kept = {"remind_hours": instance.remind_hours, "servers_after": instance.servers_after}
        super().__init__(data, initial={"told": told, **kept})
        self.instance = instance

    def save(self) -> models.AlertChoice:
        """Keeps what was chosen."""
        made, said = self.instance, self.cleaned_data
        made.off = [name for name in KINDS if name not in said["told"]]
        made.remind_hours, made.servers_after = said["remind_hours"], said["servers_after"]
        made.save()
        return made


class QuietForm(forms.Form):
    """Nothing is told until then."""

    until = EndField(label="Until", help_text="90m, 2h, 14:30 or 2030-01-31 08:00.")
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Why",
        help_text="For whoever wonders why it is quiet.",
    )
    everywhere = forms.BooleanField(required=False, label="All clusters, and the manager itself")
    helper = bare_helper()

    def clean_until(self) -> datetime:
        """There is an end: who forgets it would never be told of anything again."""
        until: datetime | None = self.cleaned_data["until"]
        if until is None:
            raise forms.ValidationError("Say until when: 2h, or 14:30.")
        return until

    @property
    def end(self) -> datetime:
        """The moment."""
        until: datetime = self.cleaned_data["until"]
        return until
