"""Logging in, and changing one's password."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest

from piranha_web.access import passwords, throttle
from piranha_web.access.addresses import client_address

WRONG = (
    "Name and password do not belong together. Try again; on this machine `piranha passwd` sets a new one."
)
TOO_MANY = "Too many attempts from your address. Wait five minutes, then try again."


def bare_helper() -> FormHelper:
    """Fields without the form tag."""
    made = FormHelper()
    made.form_tag = False
    return made


class LoginForm(forms.Form):
    """Name and password; what is right about a wrong pair is not said."""

    username = forms.CharField(
        max_length=150,
        label="User name",
        initial="piranha",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "off"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    helper = bare_helper()

    def __init__(self, data: Any, *, request: HttpRequest) -> None:
        super().__init__(data)
        self.request = request
        self.user: User | None = None
        self.is_judged = False  # whether the password was looked at

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        address = client_address(self.request)
        if throttle.is_waiting(address):
            raise forms.ValidationError(TOO_MANY)
        self.is_judged = True
        user = authenticate(self.request, username=cleaned["username"], password=cleaned["password"])
        if not isinstance(user, User):
            throttle.record_failure(address)
            raise forms.ValidationError(WRONG)
        throttle.forgive(address)
        self.user = user
        return cleaned


class PasswordForm(forms.Form):
    """The old password, and the new one twice."""

    old = forms.CharField(
        label="Present password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        help_text=f"At least {passwords.LEAST_LENGTH} characters; longer is better than odder.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="New password, again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    helper = bare_helper()

    def __init__(self, data: Any, *, user: str) -> None:
        super().__init__(data)
        self.user = user

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if not passwords.check_password(self.user, cleaned["old"], settings.PIRANHA_PASSWORD_FILE):
            self.add_error("old", "This is not your present password.")
        elif cleaned["new"] != cleaned["again"]:
            self.add_error("again", "The two new passwords differ: type the same one twice.")
        elif cleaned["new"] == cleaned["old"]:
            self.add_error("new", "This is the same as your present password: choose another.")
        elif fault := passwords.fault_of(cleaned["new"]):
            self.add_error("new", fault)
        return cleaned

    def save(self) -> None:
        """Writes the new password to the file."""
        passwords.set_password(self.user, self.cleaned_data["new"], settings.PIRANHA_PASSWORD_FILE)
