"""Accounts of others: a new one, its roles, another password."""

from __future__ import annotations

from typing import Any

from django import forms

from lvs import models
from piranha_web.access import passwords
from piranha_web.forms.account import bare_helper

ROLE_HELP = "For all clusters. A viewer sees everything and changes nothing."
EMPTY_HELP = "Empty: one is made and shown once. It has to be changed at the first login either way."
AS_EVERYWHERE = "as for all clusters"


class GivenPassword(forms.Form):
    """A password typed twice, or none, for which one is made."""

    password = forms.CharField(
        label="Password",
        strip=False,
        required=False,
        help_text=EMPTY_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password, again",
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    helper = bare_helper()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given, again = cleaned.get("password", ""), cleaned.get("again", "")
        if given != again:
            self.add_error("again", "The two passwords differ: type the same one twice, or none.")
        elif given and (fault := passwords.fault_of(given)):
            self.add_error("password", fault)
        return cleaned


class AccountForm(GivenPassword):
    """A new account."""

    name = forms.CharField(
        max_length=150,
        label="Name",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off"}),
    )
    role = forms.TypedChoiceField(
        label="Role",
        choices=models.UserRole.choices,
        coerce=lambda text: models.UserRole(int(text)),
        help_text=ROLE_HELP,
    )

    field_order = ("name", "role", "password", "again")

    def clean_name(self) -> str:
        """The name, if the password file can hold it."""
        name = str(self.cleaned_data["name"])
        if not passwords.can_be_account(name):
            raise forms.ValidationError(passwords.BAD_NAME)
        return name


class FactorRuleForm(forms.Form):
    """From which role on every account must have a second factor."""

    least_role = forms.TypedChoiceField(
        label="Who must have a second factor",
        choices=[
            ("", "nobody, unless the account itself says so"),
            (models.UserRole.ADMINISTRATOR, "administrators, of whatever cluster"),
            (models.UserRole.OPERATOR, "operators and administrators"),
            (models.UserRole.VIEWER, "everybody"),
        ],
        coerce=lambda text: models.UserRole(int(text)),
        empty_value=None,
        required=False,
        help_text="Who has none can only set one up then. It is about those with a password of this site.",
    )

    helper = bare_helper()


class RolesForm(forms.Form):
    """The role of an account for all clusters, and for each of them one more."""

    role = forms.TypedChoiceField(
        label="For all clusters",
        choices=models.UserRole.choices,
        coerce=lambda text: models.UserRole(int(text)),
    )

    helper = bare_helper()

    def __init__(self, data: Any, *, account: models.Account | None) -> None:
        super().__init__(data)
        self.clusters = {f"cluster-{one.pk}": one for one in models.Cluster.objects.order_by("name")}
        self.initial = {"role": account.role if account else models.UserRole.VIEWER}
        for name, cluster in self.clusters.items():
            self.fields[name] = forms.TypedChoiceField(
                label=f"In {cluster.name}",
                choices=[("", AS_EVERYWHERE), *models.UserRole.choices],
                coerce=lambda text: models.UserRole(int(text)),
                empty_value=None,
                required=False,
            )
        for one in account.cluster_roles.all() if account else ():
            self.initial[f"cluster-{one.cluster_id}"] = one.role

    def cluster_roles(self) -> dict[models.Cluster, models.UserRole | None]:
        """The role in each cluster; None: as everywhere."""
        return {cluster: self.cleaned_data[name] for name, cluster in self.clusters.items()}
