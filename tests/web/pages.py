"""What tests do with pages."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client


class _Fields(HTMLParser):
    """The fields of a page's forms, as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, Any] = {}
        self.select = ""
        self.area = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name = given.get("name") or ""
        if tag == "select":
            self.select = name
        elif tag == "textarea":
            self.area = name
            self.fields[name] = ""
        elif tag == "option" and self.select and "selected" in given:
            self.fields[self.select] = given.get("value")
        elif tag == "input" and name:
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in given:
                return
            self.fields[name] = given.get("value", "on" if kind == "checkbox" else "") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        if tag == "textarea":
            self.area = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area] += data


def fields_of(client: Client, address: str) -> dict[str, Any]:
    """The form of a page as it would be sent unchanged."""
    response = client.get(address)
    assert response.status_code == 200, response
    return fields_in(response.content.decode())


def fields_in(page: str) -> dict[str, Any]:
    """The same of a page's text."""
    parser = _Fields()
    parser.feed(page)
    parser.fields.pop("csrfmiddlewaretoken", None)
    return parser.fields


def text_of(response: Any) -> str:
    return str(response.content.decode())
