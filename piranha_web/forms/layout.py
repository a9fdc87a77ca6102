"""How the panels' forms are laid out: groups with a heading, and what is seldom changed folded under More."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crispy_forms.bootstrap import AppendedText
from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Field, Layout
from django.template.loader import render_to_string


class Group(Div):  # type: ignore[misc]  # crispy has no types
    """Fields that belong together, under a heading."""

    template = "forms/group.html"

    def __init__(self, title: str, *fields: Any) -> None:
        super().__init__(*fields)
        self.title = title


class More(Div):  # type: ignore[misc]
    """Fields that few clusters need; open when one of them is in error."""

    template = "forms/more.html"

    def __init__(self, title: str, *fields: Any) -> None:
        super().__init__(*fields)
        self.title = title

    def render(self, form: Any, context: Any, template_pack: Any = "bootstrap5", **kwargs: Any) -> Any:
        names = {pointer.name for pointer in self.get_field_names()}
        self.is_open = bool(names & set(form.errors))
        return super().render(form, context, template_pack, **kwargs)


class Kinds(Div):  # type: ignore[misc]
    """Fields of some kinds of check only: open for the chosen kind and for one with an error in it.

    static/js/kinds.js hides those of the other kinds.
    """

    template = "forms/kinds.html"

    def __init__(self, title: str, kinds: Iterable[str], *fields: Any) -> None:
        super().__init__(*fields)
        self.title = title
        self.kinds = [str(kind) for kind in kinds]

    def render(self, form: Any, context: Any, template_pack: Any = "bootstrap5", **kwargs: Any) -> Any:
        names = {pointer.name for pointer in self.get_field_names()}
        shown = form["kind"].value() in self.kinds or bool(names & set(form.errors))
        fields = self.get_rendered_fields(form, context, template_pack, **kwargs)
        return render_to_string(self.template, {"div": self, "is_open": shown, "fields": fields})


class Row(Div):  # type: ignore[misc]
    """Short fields beside each other where there is room."""

    css_class = "form-row"


def unit(name: str, word: str) -> AppendedText:
    """A number with its unit behind it."""
    return AppendedText(name, word)


def column(*fields: Any, css_class: str = "") -> Div:
    """One place in a row."""
    return Div(*fields, css_class=css_class)


def helper(*groups: Any) -> FormHelper:
    """A form's fields without the form tag, which the page writes together with its buttons."""
    made = FormHelper()
    made.form_tag = False
    made.layout = Layout(Field("seen"), *groups)
    return made
