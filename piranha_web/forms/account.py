"""Logging in, changing one's password, and the second factor."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from piranha_web.access import lockout, passwords
from piranha_web.access.failures import Lock

WRONG = (
    "Name and password do not belong together. Try again; on this machine `piranha passwd` sets a new one."
)


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
        self.lock: Lock | None = None  # why whoever asks has to wait

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        name = cleaned["username"]
        self.refuse_locked(name)
        self.is_judged = True
        user = authenticate(self.request, username=name, password=cleaned["password"])
        if not isinstance(user, User):
            self.refuse_locked(name)  # this failure may have been the last one too many
            raise forms.ValidationError(WRONG)
        self.user = user
        return cleaned

    def refuse_locked(self, name: str) -> None:
        """Says how long to wait, if so."""
        self.lock = lockout.lock_of(self.request, name)
        if self.lock is not None:
            raise forms.ValidationError(lockout.refusal(self.lock, timezone.now()))


def code_field(help_text: str) -> forms.CharField:
    """Where a code of the second factor is typed."""
    attributes = {"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}
    return forms.CharField(
        label="Code", max_length=32, help_text=help_text, widget=forms.TextInput(attrs=attributes)
    )


class CodeForm(forms.Form):
    """A code of the second factor."""

    code = code_field("Six digits of your authenticator app, or one of your recovery codes.")

    helper = bare_helper()


class FirstCodeForm(forms.Form):
    """The code by which an app shows that it has the key."""

    code = code_field("The six digits that the app shows now.")

    helper = bare_helper()


class PresentPasswordForm(forms.Form):
    """The password that somebody has, where they have one: a session that was left open is not enough."""

    old = forms.CharField(
        label="Present password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    helper = bare_helper()

    def __init__(self, data: Any, *, request: HttpRequest, prefix: str | None = None) -> None:
        super().__init__(data, prefix=prefix)
        self.request = request
        self.name = request.user.get_username()
        if passwords.hash_of(self.name, settings.PIRANHA_PASSWORD_FILE) is None:
            del self.fields["old"]  # of an issuer's account

    def clean_old(self) -> str:
        """The password, if it is right; a wrong one counts as a failed login does."""
        old = str(self.cleaned_data["old"])
        if why := lockout.wrong_password(self.request, self.name, old):
            raise forms.ValidationError(why)
        return old


class SwitchOffForm(PresentPasswordForm):
    """Password and code: all that it takes to log in."""

    code = code_field("Six digits of your authenticator app, or one of your recovery codes.")


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

    def __init__(self, data: Any, *, request: HttpRequest) -> None:
        super().__init__(data)
        self.request = request
        self.user = request.user.get_username()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if why := lockout.wrong_password(self.request, self.user, cleaned["old"]):
            self.add_error("old", why)
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
