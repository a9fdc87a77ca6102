"""REDUNDANCY."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from lvs.config.model import LvsConfig, Redundancy
from lvs.config.values import Context, Seconds
from piranha_web.forms.fields import AddressField, DeviceField, SecondsField, WholeField
from piranha_web.forms.layout import Group, More, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm

KEEPALIVE, DEADTIME = 6, 18  # what Piranha's panel offered; its daemon's own defaults are 2 and 5
TIMES = ("keepalive", "deadtime", "failback")


def fresh(value: Redundancy) -> Redundancy:
    """The value as RESET leaves it: no backup, the panel's own times."""
    return Redundancy(keepalive=KEEPALIVE, deadtime=DEADTIME, syncd_iface=value.syncd_iface)


def as_typed(seconds: float) -> str:
    """A length of time as it stands in lvs.cf: 6, 0.25; nothing is rounded."""
    return Seconds().format(seconds, Context())


class RedundancyForm(PanelForm):
    """The backup router and the heartbeat. verb: "enable", "disable" or "" (leave that as it is)."""

    backup = AddressField(
        label="Redundant server public IP",
        help_text="The backup router's own address on the public network; blank: there is none.",
    )
    backup_private = AddressField(
        label="Redundant server private IP",
        help_text="Its address on the second heartbeat link; needs the primary's private address in "
        "GLOBAL SETTINGS. With two links, one may break and nothing moves.",
    )
    keepalive = SecondsField(
        label="Heartbeat interval",
        help_text="Time between two heartbeats; fractions of a second are allowed (0.1).",
    )
    deadtime = SecondsField(
        label="Assume dead after",
        help_text="Silence on every link for this long makes the standby take over: at least three "
        "intervals. It is also how long clients wait when a router dies.",
    )
    heartbeat_port = WholeField(
        label="Heartbeat runs on port", help_text="UDP port of the heartbeats, 539 unless it is taken."
    )
    monitor_links = forms.BooleanField(
        required=False,
        label="Monitor NIC links for failures",
        help_text="An active router that loses the link of one of its interfaces gives the service to the "
        "other one, and a standby without link does not take over.",
    )
    check_gateway = AddressField(
        label="Gateway to check",
        help_text="A router on the public network that both can reach. One that cannot reach it does not "
        "take over, and one that hears neither it nor the other router stands down; blank: none is asked.",
    )
    failback = SecondsField(
        label="Give the role back after",
        help_text="How long the primary must have been well again before it is active again by itself; 0: it "
        "stays standby until somebody switches.",
    )
    syncdaemon = forms.BooleanField(
        required=False,
        label="Use sync daemon",
        help_text="Copies the active router's connections to the standby, so that they survive a failover. "
        "Needs multicast between the two on the interface below.",
    )
    syncd_iface = DeviceField(
        required=True,
        label="Sync daemon interface",
        help_text="The interface that carries those copies, of the same name on both routers. They are "
        "neither signed nor encrypted: take the private link.",
    )
    syncd_id = WholeField(
        label="Sync daemon ID",
        help_text="0 to 255; both routers use the same, and no other pair on that network may.",
    )
    syncd_group = AddressField(
        label="Multicast group", help_text="Where the copies are sent to; blank: 224.0.0.81."
    )
    syncd_port = WholeField(label="UDP port", help_text="Of the copies; 0: 8848.")
    syncd_ttl = WholeField(
        label="Time to live",
        help_text="How many routers the copies may pass; 0: 1, they stay on the segment.",
    )
    syncd_maxlen = WholeField(
        label="Longest message", help_text="Of the copies; 0: one connection in each. Busy clusters: 1472."
    )

    helper = helper(
        Group("Backup router", Row(column("backup"), column("backup_private"))),
        Group(
            "Heartbeat",
            Row(column(unit("keepalive", "s")), column(unit("deadtime", "s")), column("heartbeat_port")),
        ),
        Group(
            "Takeover",
            "monitor_links",
            Row(column("check_gateway"), column(unit("failback", "s"))),
        ),
        Group("Connections", "syncdaemon", Row(column("syncd_iface"), column("syncd_id"))),
        More(
            "More: how the sync daemon sends",
            Row(
                column("syncd_group"),
                column("syncd_port"),
                column("syncd_ttl"),
                column(unit("syncd_maxlen", "bytes")),
            ),
        ),
    )

    def __init__(self, data: Any, *, config: LvsConfig, value: Redundancy, verb: str = "") -> None:
        super().__init__(data, config=config, value=value)
        self.verb = verb

    def initial_of(self, value: Any) -> dict[str, Any]:
        shown = fresh(value) if value == Redundancy() else value
        return super().initial_of(shown) | {name: as_typed(getattr(shown, name)) for name in TIMES}

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        active = {"enable": True, "disable": False}.get(self.verb, self.old.backup_active)
        own = {name: cleaned[name] for name in cleaned if name != "seen"}
        return replace(self.old, heartbeat=True, backup_active=active, **own)

    def config_with(self, value: Any) -> LvsConfig:
        return replace(self.config, redundancy=value)
