"""What the templates of the help pages show besides their text."""

from __future__ import annotations

from typing import Any

from lvs.config.model import Scheduler
from piranha_web.forms.virtual_servers import SCHEDULERS
from piranha_web.guide.fields import PANELS, blocks, rows
from piranha_web.guide.pages import Page


def context_of(page: Page) -> dict[str, Any]:
    """The reference tables that a page has; nothing of it depends on who looks."""
    context: dict[str, Any] = {"topic": page}
    if page.name in PANELS:
        context["fields"] = list(rows(page.name))
    if page.name == "lvs-cf":
        context["blocks"] = blocks()
    if page.name == "schedulers":
        context["labels"] = {Scheduler(value).value: label for value, label in SCHEDULERS}
    return context
