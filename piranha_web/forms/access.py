"""One more network that may reach the site."""

from __future__ import annotations

from django import forms

from piranha_web.access.allowed import LONGEST_NOTE
from piranha_web.access.networks import LONGEST
from piranha_web.forms.account import bare_helper

NETWORK_HELP = "192.0.2.0/24 or 2001:db8::/32, or one address: 192.0.2.7."


class NetworkForm(forms.Form):
    """A network and what it is. everybody: shown only where somebody typed a network of all addresses."""

    network = forms.CharField(
        max_length=LONGEST,
        label="Network",
        help_text=NETWORK_HELP,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        max_length=LONGEST_NOTE,
        required=False,
        label="Note",
        help_text="What it is, for whoever reads this list next year.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    everybody = forms.BooleanField(
        required=False,
        label="I mean it: every address may reach this site",
        widget=forms.HiddenInput(),
    )

    helper = bare_helper()

    def ask_whether_everybody_is_meant(self) -> None:
        """Shows the box that says so; it was not ticked."""
        self.fields["everybody"].widget = forms.CheckboxInput()
