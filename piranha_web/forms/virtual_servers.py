"""VIRTUAL SERVER: one service of the cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any

from django import forms

from lvs.config.model import (
    Forwarding,
    HealthCheck,
    LvsConfig,
    Protocol,
    Scheduler,
    SchedulerFlag,
    VirtualServer,
)
from piranha_web.forms.fields import (
    AddressField,
    DeviceField,
    MaskField,
    NameField,
    PortsField,
    SuggestingInput,
    TextOrNothing,
    WholeField,
)
from piranha_web.forms.global_settings import FORWARDING, floating
from piranha_web.forms.layout import Group, More, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm
from piranha_web.forms.ports import Presets, mark_of, mark_warnings

# What Piranha's panel gave a new virtual server; its daemon's own defaults are in lvs.config.model.
NEW = VirtualServer(
    name="",
    timeout=6,
    reentry=15,
    port=80,
    check=HealthCheck(send=r"GET / HTTP/1.0\r\n\r\n", expect="HTTP"),
)
NEW_DEVICE = "eth0:1"

SCHEDULERS = [
    (Scheduler.RR.value, "Round robin (rr)"),
    (Scheduler.WRR.value, "Weighted round robin (wrr)"),
    (Scheduler.LC.value, "Least-connection (lc)"),
    (Scheduler.WLC.value, "Weighted least-connection (wlc)"),
    (Scheduler.LBLC.value, "Locality-based least-connection (lblc)"),
    (Scheduler.LBLCR.value, "Locality-based least-connection with replication (lblcr)"),
    (Scheduler.DH.value, "Destination hash (dh)"),
    (Scheduler.SH.value, "Source hash (sh)"),
    (Scheduler.SED.value, "Shortest expected delay (sed)"),
    (Scheduler.NQ.value, "Never queue (nq)"),
    (Scheduler.FO.value, "Weighted failover (fo)"),
    (Scheduler.OVF.value, "Weighted overflow (ovf)"),
    (Scheduler.MH.value, "Maglev hash (mh)"),
]
LOAD_MONITORS = [("none", "none"), ("agent", "a weight agent on each"), ("uptime", "load average over ssh")]


class VirtualServerForm(PanelForm):
    """Everything of a virtual server but its real servers and its monitoring script."""

    name = NameField(label="Name", help_text="A label of your own; blanks are kept.")
    active = forms.BooleanField(
        required=False,
        label="Active",
        help_text="Only active virtual servers run; an inactive one is kept, and its address is not raised.",
    )
    address = AddressField(
        label="Virtual IP address",
        help_text="The floating address that clients use; the active router holds it.",
    )
    address_mask = MaskField(
        label="Virtual IP network mask", help_text="Blank for a single address, else /24 or 255.255.255.0."
    )
    device = DeviceField(
        label="Device",
        help_text="The public interface, with a label of its own for each address: eth0:1, eth0:2.",
    )
    port = WholeField(
        min_value=1, max_value=65535, label="Application port", help_text="The port that clients connect to."
    )
    protocol = forms.ChoiceField(
        label="Protocol",
        choices=[(protocol.value, protocol.value.upper()) for protocol in Protocol],
        help_text="Of the application port; a service of two protocols is one virtual server, the other in "
        "Further ports.",
    )
    scheduler = forms.ChoiceField(
        label="Scheduling",
        choices=SCHEDULERS,
        help_text="Who gets the next connection. All but rr, lc and dh look at the weights.",
    )
    forwarding = forms.ChoiceField(
        required=False,
        label="Network type",
        choices=[("", "as in GLOBAL SETTINGS"), *FORWARDING],
        help_text="How its requests reach the real servers.",
    )
    persistence = WholeField(
        min_value=0,
        required=False,
        label="Persistence",
        help_text="A client stays with its real server until this long after its last connection; blank: "
        "off.",
    )
    persistence_mask = MaskField(
        label="Persistence network mask",
        help_text="Clients of one such network count as one client; blank: each by itself.",
    )
    timeout = WholeField(
        label="Service timeout",
        help_text="Time between two checks of a real server, and the longest that one check may take.",
    )
    reentry = WholeField(
        label="Re-entry time",
        help_text="How long a real server that failed must answer well before it is used again.",
    )
    failures = WholeField(
        label="Failed checks in a row",
        help_text="So many take a real server out; 1, as in Piranha: the first.",
    )
    quiesce = forms.BooleanField(
        required=False,
        label="Quiesce server",
        help_text="A failed real server keeps its connections at weight 0 in place of losing them.",
    )
    sorry_server = AddressField(
        label="Sorry server", help_text="Serves while no real server can; a machine beside the real servers."
    )
    sorry_port = WholeField(
        required=False,
        min_value=1,
        max_value=65535,
        label="Sorry server port",
        help_text="Blank: the application port.",
    )
    fwmark = WholeField(
        required=False,
        min_value=0,
        label="Firewall mark",
        help_text="The number by which the routers gather several ports into one service; they set it "
        "themselves. Blank: none, or a free one when there are further ports.",
    )
    ports = PortsField(
        label="Further ports",
        help_text="What else belongs to the same service: 443, 10000-20000; of another protocol with its "
        "name in front: udp/443.",
    )
    scheduler_flags = forms.MultipleChoiceField(
        required=False,
        label="Hash options",
        choices=[(flag.value, flag.value) for flag in SchedulerFlag],
        widget=forms.CheckboxSelectMultiple,
        help_text="For source hash and Maglev hash: hash the port too; go on to the next server when one "
        "is full.",
    )
    one_packet = forms.BooleanField(
        required=False,
        label="One-packet scheduling",
        help_text="UDP only: every datagram is scheduled by itself.",
    )
    load_monitor = forms.CharField(
        label="Load monitoring tool",
        widget=SuggestingInput(LOAD_MONITORS),
        help_text="What weights follow: none; agent, which each real server answers for itself; or a program "
        "of the folder checks beside lvs.cf that prints a load average.",
    )
    agent_port = WholeField(
        required=False,
        min_value=1,
        max_value=65535,
        label="Agent port",
        help_text="Where each real server's weight agent listens.",
    )
    agent_send = TextOrNothing(
        label="Agent send", help_text=r"What the agent is sent first; \n is translated. Blank: nothing."
    )
    weight_floor = WholeField(
        required=False,
        min_value=0,
        max_value=100,
        label="Least weight",
        help_text="Of the weight, whatever the load; blank: 0 by an agent, 100 by a program.",
    )
    weight_ceiling = WholeField(
        min_value=100,
        max_value=1000,
        label="Greatest weight",
        help_text="Of the weight, however idle it is.",
    )
    slow_start = WholeField(
        min_value=0,
        label="Slow start",
        help_text="A real server that returns reaches its weight in this time, from a 32nd; 0: at once.",
    )
    protection = WholeField(
        min_value=0,
        max_value=100,
        label="Pool protection",
        help_text="Checks alone never leave fewer of the real servers in, whatever they say; 0: off.",
    )
    drain_time = WholeField(
        min_value=0,
        label="Drain time",
        help_text="A real server that you delete or deactivate keeps its connections for so long at most; 0: "
        "they end at once.",
    )

    helper = helper(
        Group(
            "Service",
            Row(column("name"), column("active")),
            Row(column("address"), column("address_mask"), column("device")),
            Row(column("port"), column("protocol"), column("forwarding")),
            Row(column("ports"), column("fwmark")),
            Presets(),
        ),
        Group(
            "Balancing",
            Row(column("scheduler")),
            Row(column(unit("persistence", "s")), column("persistence_mask")),
            Row(column("sorry_server"), column("sorry_port")),
        ),
        Group(
            "Checks",
            Row(column(unit("timeout", "s")), column(unit("reentry", "s")), column("quiesce")),
        ),
        More("More: hashing", Row(column("scheduler_flags"), column("one_packet"))),
        More(
            "More: what checks do, weights by load",
            Row(
                column(unit("failures", "checks")),
                column(unit("slow_start", "s")),
                column(unit("protection", "%")),
            ),
            Row(column(unit("drain_time", "s")), column("load_monitor"), column("agent_port")),
            Row(
                column("agent_send"),
                column(unit("weight_floor", "%")),
                column(unit("weight_ceiling", "%")),
            ),
        ),
    )

    def initial_of(self, value: Any) -> dict[str, Any]:
        initial = super().initial_of(value)
        is_new = not value.name
        return initial | {
            "address": value.address.address if value.address else None,
            "device": value.address.device if value.address else free_device(self.config) if is_new else "",
            "persistence": value.persistence or None,
            "fwmark": value.fwmark or None,
        }

    def watched(self, value: Any) -> Any:
        return replace(value, check=HealthCheck(), real_servers=())

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        own = {name: cleaned[name] for name in cleaned if name not in ("seen", "device")}
        value = replace(
            self.old,
            **own
            | {
                "address": floating(self, "address", cleaned, "device"),
                "protocol": Protocol(cleaned["protocol"]),
                "scheduler": Scheduler(cleaned["scheduler"]),
                "forwarding": Forwarding(cleaned["forwarding"]) if cleaned["forwarding"] else None,
                "scheduler_flags": tuple(map(SchedulerFlag, cleaned["scheduler_flags"])),
                "persistence": cleaned["persistence"] or 0,
                "fwmark": cleaned["fwmark"] or 0,
            },
        )
        return replace(value, fwmark=mark_of(self.config, self.old, value))

    def judge(self) -> None:
        super().judge()
        self.warnings += mark_warnings(self.old, self.value)

    @property
    def allotted(self) -> str:
        """What is said of a mark that nobody typed."""
        if self.value.fwmark == (self.cleaned_data["fwmark"] or 0):
            return ""
        return f" Firewall mark {self.value.fwmark} gathers its ports."

    def place(self) -> tuple[str, ...]:
        return ("virtual", self.value.name)

    def config_with(self, value: Any) -> LvsConfig:
        if not self.old.name:
            return replace(self.config, virtual_servers=(*self.config.virtual_servers, value))
        return with_virtual_server(self.config, self.old, value)

    def config_before(self) -> LvsConfig:
        # A new name alone makes no old problem a new one.
        return self.config_with(replace(self.old, name=self.value.name)) if self.old.name else self.config


def free_device(config: LvsConfig) -> str:
    """The interface that most virtual addresses are on, with its first label that is free: eth0:2."""
    floating = [one.address for one in config.virtual_servers if one.address]
    if not floating:
        return NEW_DEVICE
    interface, _count = Counter(one.interface for one in floating).most_common(1)[0]
    floating += [
        one for one in (config.global_settings.nat_router, config.global_settings.nat_router6) if one
    ]
    taken = {one.device for one in floating}
    return next(device for n in count(1) if (device := f"{interface}:{n}") not in taken)


def with_virtual_server(config: LvsConfig, old: VirtualServer, new: VirtualServer | None) -> LvsConfig:
    """The configuration with new in old's place; None: without old."""
    return replace(
        config,
        virtual_servers=tuple(
            one
            for one in (new if each is old else each for each in config.virtual_servers)
            if one is not None
        ),
    )
