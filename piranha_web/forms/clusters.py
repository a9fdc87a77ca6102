"""The first step: a cluster and its routers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.db.models import QuerySet

from lvs import models
from piranha_web.forms.account import bare_helper

WORD = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "Write letters, digits, dots, dashes and underlines, without blanks."
)


class ClusterForm(forms.Form):
    """Names; everything else is said in the panels."""

    name = forms.CharField(max_length=64, label="Name of the cluster", help_text="Such as shop.")
    primary = forms.CharField(
        max_length=64,
        validators=[WORD],
        label="Primary router",
        help_text="The name that its worker is started with: piranha worker --router NAME.",
    )
    backup = forms.CharField(
        max_length=64,
        required=False,
        validators=[WORD],
        label="Backup router",
        help_text="Blank: there is none, the primary runs alone.",
    )

    helper = bare_helper()

    def other_clusters(self) -> QuerySet[models.Cluster]:
        """Those whose names are taken."""
        return models.Cluster.objects.all()

    def other_routers(self) -> QuerySet[models.Router]:
        """The same of routers."""
        return models.Router.objects.all()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        if self.other_clusters().filter(name=cleaned["name"]).exists():
            self.add_error("name", "There is a cluster of this name: choose another one.")
        if cleaned["primary"] == cleaned["backup"]:
            self.add_error("backup", "The backup router is another machine: give it its own name.")
        for field in ("primary", "backup"):
            if self.other_routers().filter(name=cleaned.get(field, "")).exists():
                self.add_error(
                    field, "A router of this name belongs to a cluster already: choose another one."
                )
        return cleaned
