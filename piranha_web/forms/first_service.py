"""The first virtual server and its real servers on one page, for the first set-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django import forms
from django.forms import BoundField

from lvs.config.model import CheckKind, HealthCheck, LvsConfig, Problem, RealServer, Severity, VirtualServer
from lvs.config.rules import problems
from piranha_web.forms.fields import AddressField, DeviceField
from piranha_web.forms.global_settings import floating
from piranha_web.forms.layout import Group, Row, column, helper
from piranha_web.forms.panel import PanelForm, sentence
from piranha_web.forms.virtual_servers import with_virtual_server

KEPT = ""  # the check as it is
CHECKS = [
    (CheckKind.HTTP.value, "HTTP: the page below answers with a good status"),
    (CheckKind.HTTPS.value, "HTTPS: the same with TLS"),
    (CheckKind.CONNECT.value, "Connect: the port takes a connection"),
]
FEWEST, MORE, MOST = 3, 3, 48  # rows for real servers: at first, with More rows, at all


class ServiceForm(PanelForm):
    """A virtual server and its real servers on one page. Of what it does not show, nothing changes."""

    name = forms.CharField(max_length=100, label="Name", help_text="A label of your own, such as shop.")
    address = AddressField(
        label="Virtual address",
        help_text="A free address that clients will use; the active router raises it.",
    )
    device = DeviceField(label="Its interface", help_text="The public one, with a label: eth0:1.")
    port = forms.IntegerField(min_value=1, max_value=65535, label="Port", help_text="Of TCP.")
    kind = forms.ChoiceField(label="How a real server is checked", choices=CHECKS)
    path = forms.CharField(
        required=False, max_length=1000, label="Page that is asked for", help_text="Of HTTP and HTTPS."
    )

    helper = helper(
        Group(
            "Service",
            Row(column("name"), column("port")),
            Row(column("address"), column("device")),
            Row(column("kind"), column("path")),
        )
    )

    def __init__(self, data: Any, *, config: LvsConfig, value: VirtualServer, device: str, rows: int) -> None:
        self.proposed_device = device
        self.count = min(max(rows, FEWEST, len(value.real_servers)), MOST)
        super().__init__(data, config=config, value=value)
        for number in range(1, self.count + 1):
            self.fields.update(row_fields(number))
        if value.name and value.check.kind.value not in dict(CHECKS):
            self.fields["kind"] = forms.ChoiceField(
                required=False,
                label=self.fields["kind"].label,
                choices=[(KEPT, "As it is in MONITORING SCRIPTS"), *CHECKS],
            )

    def initial_of(self, value: Any) -> dict[str, Any]:
        check = value.check if value.name else HealthCheck(kind=CheckKind.HTTP)
        kind = check.kind.value if check.kind.value in dict(CHECKS) else KEPT
        initial: dict[str, Any] = {
            "name": value.name,
            "address": value.address.address if value.address else None,
            "device": value.address.device if value.address else self.proposed_device,
            "port": value.port,
            "kind": kind,
            "path": check.http_path or "/",
        }
        for number, server in enumerate(value.real_servers[: self.count], 1):
            initial |= {f"name{number}": server.name, f"address{number}": server.address}
            initial[f"weight{number}"] = server.weight
        return initial

    def rows(self) -> list[tuple[int, BoundField, BoundField, BoundField]]:
        """The fields of each real server."""
        return [
            (number, self[f"name{number}"], self[f"address{number}"], self[f"weight{number}"])
            for number in range(1, self.count + 1)
        ]

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        cleaned = dict(cleaned)  # a field in error leaves the form's own
        if cleaned["address"] is None:
            self.add_error("address", "Write a free address that clients are to use.")
        servers = tuple(self.servers_of(cleaned))
        if not servers:
            self.add_error("address1", "Write the address of at least one real server.")
        return replace(
            self.old,
            name=cleaned["name"],
            active=True,
            address=floating(self, "address", cleaned, "device"),
            port=cleaned["port"],
            check=self.check_of(cleaned),
            real_servers=servers,
        )

    def check_of(self, cleaned: dict[str, Any]) -> HealthCheck:
        """The check that was chosen."""
        old: HealthCheck = self.old.check
        if cleaned["kind"] == KEPT:
            return old
        kind = CheckKind(cleaned["kind"])
        if kind is CheckKind.CONNECT:
            return HealthCheck(kind=kind)
        kept = old if old.kind is kind else HealthCheck(kind=kind)
        path = cleaned["path"] if cleaned["path"] not in ("", "/") else None
        return replace(kept, http_path=path)

    def servers_of(self, cleaned: dict[str, Any]) -> Iterable[RealServer]:
        """The real servers of the rows with an address; a name that nobody typed is made up."""
        old = dict(enumerate(self.old.real_servers, 1))
        for number in range(1, self.count + 1):
            address, weight = cleaned[f"address{number}"], cleaned[f"weight{number}"]
            name = cleaned[f"name{number}"] or f"web{number}"
            if address is not None:
                yield replace(
                    old.get(number, RealServer(name=name)),
                    name=name,
                    address=address,
                    active=True,
                    weight=1 if weight is None else weight,
                )
            elif cleaned[f"name{number}"]:
                self.add_error(f"address{number}", "Write its address, or take its name out as well.")

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.value.name)

    def config_with(self, value: Any) -> LvsConfig:
        if not self.old.name:
            return replace(self.config, virtual_servers=(*self.config.virtual_servers, value))
        return with_virtual_server(self.config, self.old, value)

    def config_before(self) -> LvsConfig:
        return self.config_with(replace(self.old, name=self.value.name)) if self.old.name else self.config

    def judge(self) -> None:
        """As for every panel; what is wrong with a real server stands in its row."""
        known = set(problems(self.config_before()))
        for problem in problems(self.config_with(self.value)):
            field = self.shown_at(problem)
            if field is None and problem in known:
                continue
            if problem.severity is Severity.WARNING:
                self.warnings.append(sentence(problem))
            else:
                self.add_error(field, sentence(problem, with_place=field is None))

    def shown_at(self, problem: Problem) -> str | None:
        """The field that shows a problem; None: none does."""
        if problem.place == self.place():
            return problem.field if problem.field in self.fields else None
        rows = [*self.place(), "server"]
        if list(problem.place[:3]) != rows or problem.field not in ("name", "address", "weight"):
            return None
        names = {self.cleaned_data[f"name{n}"] or f"web{n}": n for n in range(1, self.count + 1)}
        number = names.get(problem.place[3])
        return f"{problem.field}{number}" if number else None


def row_fields(number: int) -> dict[str, forms.Field]:
    """The fields of one real server, named aloud by its number."""
    fields: dict[str, forms.Field] = {
        f"name{number}": forms.CharField(
            required=False, max_length=100, label=f"Name of real server {number}"
        ),
        f"address{number}": AddressField(label=f"Address of real server {number}"),
        f"weight{number}": forms.IntegerField(
            required=False, min_value=0, max_value=65535, label=f"Weight of real server {number}"
        ),
    }
    for field in fields.values():
        field.widget.attrs |= {"class": "form-control form-control-sm", "aria-label": str(field.label)}
    fields[f"name{number}"].widget.attrs["placeholder"] = f"web{number}"
    fields[f"weight{number}"].widget.attrs["placeholder"] = "1"
    return fields
