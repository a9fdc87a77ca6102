"""Importing an lvs.cf file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from piranha_web.forms.account import bare_helper

MOST_BYTES = 8 * 1024 * 1024


class ImportForm(forms.Form):
    """A file, or its text."""

    file = forms.FileField(
        required=False, label="lvs.cf file", help_text="The file of a Piranha installation, or of this tool."
    )
    text = forms.CharField(
        required=False,
        strip=False,
        label="or its text",
        help_text="Paste it here.",
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "font-monospace"}),
    )

    helper = bare_helper()

    def clean_file(self) -> UploadedFile[Any] | None:
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        if file is not None and (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError(
                f"This file is larger than {MOST_BYTES // 1024 // 1024} MB: no lvs.cf is. Choose another one."
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned["file"] and not cleaned["text"].strip():
            raise forms.ValidationError("There is nothing to import: choose a file, or paste its text.")
        return cleaned
