"""REDUNDANCY."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.model import LvsConfig, Redundancy
from piranha_web.forms.fields import AddressField, DeviceField
from piranha_web.forms.layout import Group, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm

KEEPALIVE, DEADTIME = 6, 18  # what Piranha's panel offered; its daemon's own defaults are 2 and 5


def fresh(value: Redundancy) -> Redundancy:
    """The value as RESET leaves it: no backup, the panel's own times."""
    return Redundancy(keepalive=KEEPALIVE, deadtime=DEADTIME, syncd_iface=value.syncd_iface)


class RedundancyForm(PanelForm):
    """The backup router and the heartbeat. verb: "enable", "disable" or "" (leave that as it is)."""

    backup = AddressField(
        label="Redundant server public IP",
        help_text="The backup router's own address on the public network; blank: there is none.",
    )
    backup_private = AddressField(
        label="Redundant server private IP",
        help_text="Its address on the second heartbeat link; needs the primary's private address in "
        "GLOBAL SETTINGS.",
    )
    keepalive = forms.FloatField(
        label="Heartbeat interval",
        help_text="Time between two heartbeats; fractions of a second are allowed.",
    )
    deadtime = forms.FloatField(
        label="Assume dead after",
        help_text="Silence on every link for this long makes the standby take over: at least three "
        "intervals.",
    )
    heartbeat_port = forms.IntegerField(
        label="Heartbeat runs on port", help_text="UDP port of the heartbeats, 539 unless it is taken."
    )
    monitor_links = forms.BooleanField(
        required=False,
        label="Monitor NIC links for failures",
        help_text="A router that loses the link of one of its interfaces stands down, so that the other "
        "takes over.",
    )
    syncdaemon = forms.BooleanField(
        required=False,
        label="Use sync daemon",
        help_text="Copies the active router's connections to the standby, so that they survive a failover.",
    )
    syncd_iface = DeviceField(
        required=True, label="Sync daemon interface", help_text="The interface that carries those copies."
    )
    syncd_id = forms.IntegerField(
        label="Sync daemon ID",
        help_text="0 to 255; both routers use the same, and no other pair on that network may.",
    )

    helper = helper(
        Group("Backup router", Row(column("backup"), column("backup_private"))),
        Group(
            "Heartbeat",
            Row(column(unit("keepalive", "s")), column(unit("deadtime", "s")), column("heartbeat_port")),
            "monitor_links",
        ),
        Group("Connections", "syncdaemon", Row(column("syncd_iface"), column("syncd_id"))),
    )

    def __init__(self, data: Any, *, config: LvsConfig, value: Redundancy, verb: str = "") -> None:
        super().__init__(data, config=config, value=value)
        self.verb = verb

    def initial_of(self, value: Any) -> dict[str, Any]:
        shown = fresh(value) if value == Redundancy() else value
        times = {name: f"{getattr(shown, name):g}" for name in ("keepalive", "deadtime")}
        return super().initial_of(shown) | times

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        active = {"enable": True, "disable": False}.get(self.verb, self.old.backup_active)
        own = {name: cleaned[name] for name in cleaned if name != "seen"}
        return replace(self.old, heartbeat=True, backup_active=active, **own)

    def config_with(self, value: Any) -> LvsConfig:
        return replace(self.config, redundancy=value)
