"""What the address of a list asks for: search, filters, order and page, so that it can be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode

from piranha_web.searching import cut

MOST_SIGNS = 40  # of a filter


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a filter. count: how many rows it would leave; None: nobody counted."""

    value: str
    label: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a list: its name in the address, what it is called, what can be chosen."""

    name: str
    label: str
    choices: Sequence[Choice]
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column. order: ascending, descending or ""; address: of the list in its order."""

    label: str
    order: str
    address: str
    is_number: bool = False
    is_spare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One address of a list. sort: a column's name, - before it: the other way round; "": as in lvs.cf."""

    q: str = ""
    filters: Mapping[str, str]
    sort: str = ""
    page: str = "1"

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.q) or self.is_filtered

    @property
    def is_filtered(self) -> bool:
        """Whether a filter leaves anything out."""
        return any(self.filters.values())

    @property
    def fields(self) -> dict[str, str]:
        """What a form sends so that the same rows are meant, whatever the page."""
        given = {"q": self.q, **self.filters, "sort": self.sort}
        return {name: value for name, value in given.items() if value}

    def query(self, **changes: Any) -> str:
        """The address' query with changes; a page only where it is not the first."""
        given = {**self.fields, **{name: str(value) for name, value in changes.items()}}
        return urlencode({name: value for name, value in given.items() if value})

    def here(self) -> str:
        """The query of this very page."""
        return self.query(page=self.page if self.page != "1" else "")

    def columns(self, known: Mapping[str, tuple[str, str]]) -> list[Column]:
        """The heads of the columns: label, and in which way numbers and spare ones are shown.

        A click sorts, a second one the other way round, a third as in lvs.cf. What is busy has the busiest
        first.
        """
        found = []
        for name, (label, kind) in known.items():
            order = {name: "ascending", f"-{name}": "descending"}.get(self.sort, "")
            ways = [f"-{name}", name] if kind == "busy" else [name, f"-{name}"]
            after = [*ways, ""][ways.index(self.sort) + 1 if order else 0]
            found.append(
                Column(
                    label,
                    order,
                    f"?{self.query(sort=after)}",
                    is_number=kind in ("number", "busy"),
                    is_spare=kind == "spare",
                )
            )
        return found


def asked(given: Mapping[str, str], filters: Sequence[str], columns: Mapping[str, Any]) -> Asked:
    """What a query asks for; an order that no column has is none."""
    sort = given.get("sort", "")
    page = given.get("page", "1")
    return Asked(
        q=cut(given.get("q", "")),
        filters={name: given.get(name, "")[:MOST_SIGNS] for name in filters},
        sort=sort if sort.removeprefix("-") in columns else "",
        page=page if page.isascii() and page.isdecimal() and len(page) < 8 else "1",
    )


def sorted_by(rows: Sequence[Any], sort: str, keys: Mapping[str, Any]) -> list[Any]:
    """The rows in the order that is asked for; equal ones stay in that of lvs.cf."""
    key = keys.get(sort.removeprefix("-"))
    return sorted(rows, key=key, reverse=sort.startswith("-")) if key else list(rows)


def is_part(request: HttpRequest, name: str) -> bool:
    """Whether htmx asks only for the part of the page with that id, and not for a page to go back to."""
    return request.headers.get("HX-Target") == name and "HX-History-Restore-Request" not in request.headers
