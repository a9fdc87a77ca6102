"""What is asked before a router is set aside."""

from __future__ import annotations

from django import forms

from piranha_web.forms.account import bare_helper
from piranha_web.forms.hands import EndField
from piranha_web.hands import LONGEST_REASON


class AsideForm(forms.Form):
    """Why, and for how long."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        label="Why",
        help_text="Stands beside the router on every page and in its log.",
    )
    until = EndField(
        label="Until",
        help_text="A length of time (2 h, 1 d), or a time. Then it takes part again by itself; blank: not "
        "before somebody says so.",
    )
    helper = bare_helper()

    @property
    def end(self) -> float | None:
        """Seconds since the epoch; None: not by itself."""
        until = self.cleaned_data.get("until")
        return until.timestamp() if until else None

    @property
    def length(self) -> str:
        """The same in words."""
        until = self.cleaned_data.get("until")
        return f"until {until:%Y-%m-%d %H:%M}" if until else "until it is told to take part"
