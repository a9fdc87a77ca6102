"""A copy of a virtual server: what must be its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.marks import free_mark
from lvs.config.model import LvsConfig
from piranha_web.forms.fields import AddressField, DeviceField
from piranha_web.forms.global_settings import floating
from piranha_web.forms.layout import Group, Row, column, helper
from piranha_web.forms.panel import PanelForm

LONGEST_NAME = 100


class DuplicateForm(PanelForm):
    """Name, address and port of the copy; everything else is as in the virtual server that is copied."""

    name = forms.CharField(
        max_length=LONGEST_NAME, label="Name", help_text="A label of your own; blanks are kept."
    )
    active = forms.BooleanField(
        required=False,
        label="Active",
        help_text="Only active virtual servers run; leave it off to look first.",
    )
    address = AddressField(
        label="Virtual IP address", help_text="The same address is possible with another port."
    )
    device = DeviceField(
        label="Device", help_text="The public interface, with a label of its own for each address: eth0:2."
    )
    port = forms.IntegerField(
        min_value=1, max_value=65535, label="Application port", help_text="The port that clients connect to."
    )

    helper = helper(
        Group(
            "The copy",
            Row(column("name"), column("active")),
            Row(column("address"), column("device"), column("port")),
        )
    )

    def initial_of(self, value: Any) -> dict[str, Any]:
        return super().initial_of(value) | {
            "active": False,
            "address": value.address.address if value.address else None,
            "device": value.address.device if value.address else "",
        }

    def __init__(self, data: Any, *, config: LvsConfig, value: Any) -> None:
        super().__init__(data, config=config, value=value)
        self.initial["name"] = free_name(value.name, {one.name for one in config.virtual_servers})

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        value = replace(
            self.old,
            name=cleaned["name"],
            active=cleaned["active"],
            address=floating(self, "address", cleaned, "device"),
            port=cleaned["port"],
        )
        if self.old.address and (value.address, value.port) == (self.old.address, self.old.port):
            self.add_error(
                "address", f"{self.old.name} has this address and port: give the copy another of either."
            )
        # A mark names one service: the copy has its own.
        return replace(value, fwmark=free_mark(self.config, value.port)) if value.fwmark else value

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.value.name)

    def config_with(self, value: Any) -> LvsConfig:
        return replace(self.config, virtual_servers=(*self.config.virtual_servers, value))


def free_name(name: str, taken: set[str]) -> str:
    """A name for the copy that no other has."""
    stem = name[: LONGEST_NAME - 10]
    wanted, number = f"{stem} copy", 2
    while wanted in taken:
        wanted, number = f"{stem} copy {number}", number + 1
    return wanted
