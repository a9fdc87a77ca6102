"""REAL SERVER: a machine behind a virtual server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.model import LvsConfig, RealServer, VirtualServer
from piranha_web.forms.fields import AddressField, NameField, WholeField
from piranha_web.forms.layout import Group, More, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm, fingerprint
from piranha_web.forms.virtual_servers import with_virtual_server

NEW = RealServer(name="")


class RealServerForm(PanelForm):
    """Name, address, port and weight of a real server of `owner`."""

    name = NameField(label="Name", help_text="A label of your own; blanks are kept.")
    active = forms.BooleanField(
        required=False, label="Active", help_text="Only active real servers are checked and get requests."
    )
    address = AddressField(label="Address", help_text="Its own address, without a port.")
    port = WholeField(
        required=False,
        min_value=1,
        max_value=65535,
        label="Port",
        help_text="Blank: the virtual server's. Only NAT can change it.",
    )
    weight = WholeField(
        min_value=0,
        max_value=65535,
        label="Weight",
        help_text="Its share beside the others, as a ratio; 0: no new connections.",
    )
    upper_threshold = WholeField(
        min_value=0,
        label="Upper threshold",
        help_text="With this many connections it gets no further ones; 0: no limit.",
    )
    lower_threshold = WholeField(
        min_value=0,
        label="Lower threshold",
        help_text="Below this many it gets connections again; 0: at three quarters of the upper one.",
    )

    helper = helper(
        Group(
            "Real server",
            Row(column("name"), column("active")),
            Row(column("address"), column("port"), column("weight")),
        ),
        More(
            "More: connection limits",
            Row(
                column(unit("upper_threshold", "connections")), column(unit("lower_threshold", "connections"))
            ),
        ),
    )

    def __init__(self, data: Any, *, config: LvsConfig, owner: VirtualServer, value: RealServer) -> None:
        super().__init__(data, config=config, value=value)
        self.owner = owner

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        return replace(self.old, **{name: cleaned[name] for name in cleaned if name != "seen"})

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.owner.name, "server", self.value.name)

    def config_with(self, value: Any) -> LvsConfig:
        if not self.old.name:
            return with_virtual_server(
                self.config, self.owner, replace(self.owner, real_servers=(*self.owner.real_servers, value))
            )
        return with_real_server(self.config, self.owner, self.old, value)

    def config_before(self) -> LvsConfig:
        return self.config_with(replace(self.old, name=self.value.name)) if self.old.name else self.config


class WeightForm(RealServerForm):
    """The weight alone, in a row of a list: stale only when somebody else changed the weight."""

    def __init__(self, data: Any, *, config: LvsConfig, owner: VirtualServer, value: RealServer) -> None:
        super().__init__(data, config=config, owner=owner, value=value)
        for name in [one for one in self.fields if one not in ("weight", "seen")]:
            del self.fields[name]

    def watched(self, value: Any) -> Any:
        return (value.weight,)


def seen_of(weight: int) -> str:
    """The field `seen` of that form, for a row."""
    return fingerprint((weight,))


def with_real_server(
    config: LvsConfig, owner: VirtualServer, old: RealServer, new: RealServer | None
) -> LvsConfig:
    """The configuration with new in old's place; None: without old."""
    servers = tuple(
        one for one in (new if each is old else each for each in owner.real_servers) if one is not None
    )
    return with_virtual_server(config, owner, replace(owner, real_servers=servers))
