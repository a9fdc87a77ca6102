"""What is sought in the audit log."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms

from lvs import models
from lvs.rows.audit import LONGEST_NAME, AuditQuerySet

_MOMENTS = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]


class MomentField(forms.DateTimeField):
    """A date and a time, as browsers send them or as somebody types them."""

    def __init__(self, label: str) -> None:
        widget = forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "form-control"}
        )
        super().__init__(
            label=label,
            required=False,
            input_formats=_MOMENTS,
            widget=widget,
            error_messages={"invalid": "Write a date and a time: 2030-01-31 08:00."},
        )


def text_field(label: str, **attributes: str) -> forms.CharField:
    """One line of text that may stay empty."""
    widget = forms.TextInput(attrs={"class": "form-control", **attributes})
    return forms.CharField(label=label, required=False, max_length=LONGEST_NAME, widget=widget)


class AuditForm(forms.Form):
    """The fields above the log; each that is filled in leaves less."""

    q = text_field("Words", placeholder="web1, revision 7, …", type="search")
    user = text_field("User", autocapitalize="off")
    address = text_field("Address begins with")
    action = forms.ChoiceField(
        label="Action",
        required=False,
        choices=[("", "any"), *models.AuditEntry.Action.choices],
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    since = MomentField("From")
    until = MomentField("Before")

    def entries(self) -> AuditQuerySet:
        """What is found, newest first; nothing while a field cannot be read."""
        if not self.is_valid():
            return models.AuditEntry.objects.none()
        given = self.cleaned_data
        return models.AuditEntry.objects.matching(
            words=given["q"],
            user=given["user"],
            address=given["address"],
            action=given["action"],
            since=given["since"],
            until=given["until"],
        )

    @property
    def query(self) -> str:
        """The filled-in fields, for the addresses of other pages."""
        given: dict[str, Any] = {name: self.data.get(name, "") for name in self.fields}
        return urlencode({name: value for name, value in given.items() if value})
