"""The forms of the first set-up: few fields of the panels' own, with proposals that suit most clusters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.db.models import QuerySet

from lvs import models
from lvs.config.model import Forwarding, LvsConfig, Redundancy
from lvs.router.state import Node
from piranha_web.first import Machine
from piranha_web.forms.clusters import ClusterForm
from piranha_web.forms.fields import TECHNICAL, AddressField, DeviceField, MaskField, SuggestingInput
from piranha_web.forms.global_settings import floating
from piranha_web.forms.layout import Group, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm
from piranha_web.forms.redundancy import RedundancyForm, as_typed

METHODS = [
    (
        Forwarding.NAT.value,
        "NAT: requests and answers pass the router. Real servers run any system; the router becomes their "
        "default gateway.",
    ),
    (
        Forwarding.DIRECT.value,
        "Direct routing: answers go straight to the client. Real servers stand in the router's own network "
        "segment and get the virtual address, about which they keep silent (a script does it).",
    ),
    (
        Forwarding.TUNNEL.value,
        "Tunneling: as direct routing, for real servers in other networks. They get a tunnel device and the "
        "virtual address (a script does it).",
    ),
]
CALM = Redundancy(keepalive=1, deadtime=3, monitor_links=True, syncdaemon=True)  # proposals for a new pair
LEFT = (
    "backup",
    "backup_private",
    "heartbeat_port",
    "failback",
    "syncd_id",
    "syncd_group",
    "syncd_port",
    "syncd_ttl",
    "syncd_maxlen",
)


class NamesForm(ClusterForm):
    """The names of a cluster that was not applied yet; its own names are free to it."""

    def __init__(self, data: Any, *, cluster: models.Cluster) -> None:
        names = {router.node: router.name for router in cluster.routers.all()}
        initial = {
            "name": cluster.name,
            "primary": names.get(Node.PRIMARY, ""),
            "backup": names.get(Node.BACKUP, ""),
        }
        super().__init__(data, initial=initial)
        self.cluster = cluster

    def other_clusters(self) -> QuerySet[models.Cluster]:
        return models.Cluster.objects.exclude(pk=self.cluster.pk)

    def other_routers(self) -> QuerySet[models.Router]:
        return models.Router.objects.exclude(cluster=self.cluster)

    def save(self) -> None:
        """Renames cluster and routers; a second router comes or goes."""
        names = self.cleaned_data
        models.Cluster.objects.filter(pk=self.cluster.pk).update(name=names["name"])
        for node in (Node.PRIMARY, Node.BACKUP):
            rows = self.cluster.routers.filter(node=node)
            if not names[node.value]:
                rows.delete()
            elif not rows.update(name=names[node.value]):
                models.Router.objects.create(cluster=self.cluster, name=names[node.value], node=node)
        second = self.cluster.redundancy
        if not names["backup"] and second.backup_active:
            second.take(replace(second.value(), backup_active=False, backup=None, backup_private=None))


def suggest(field: forms.Field, found: Iterable[tuple[str, str]]) -> None:
    """Has a field offer values, each with where it comes from."""
    field.widget = SuggestingInput(list(dict.fromkeys(found)), attrs=dict(TECHNICAL))


class NetworkForm(PanelForm):
    """The routers' addresses, the forwarding method, the gateway of NAT. Its value is the configuration."""

    primary = AddressField(
        label="Primary router, public address",
        help_text="Its own address, not a virtual one; it knows by it that it is the primary.",
    )
    primary_private = AddressField(
        label="Primary router, private address",
        help_text="Its own address on a second network, for heartbeats by two ways; blank: there is none.",
    )
    backup = AddressField(
        label="Backup router, public address", help_text="The same of the other machine, in the same network."
    )
    backup_private = AddressField(
        label="Backup router, private address", help_text="Where the primary has one, in the same network."
    )
    forwarding = forms.ChoiceField(
        label="How requests reach the real servers", choices=METHODS, widget=forms.RadioSelect
    )
    nat_router = AddressField(
        label="NAT router address",
        help_text="A free address in the real servers' network: their gateway from now on. It moves with "
        "the service.",
    )
    nat_mask = MaskField(label="Its netmask", help_text="/24 or 255.255.255.0.")
    nat_router_device = DeviceField(
        label="Its interface", help_text="To the real servers' network, with a label: eth1:1."
    )

    def __init__(
        self, data: Any, *, config: LvsConfig, machines: Sequence[Machine], is_pair: bool = True
    ) -> None:
        self.machines = machines
        super().__init__(data, config=config, value=config)
        if not is_pair:
            for name in ("backup", "backup_private"):
                del self.fields[name]
        self.helper = helper(
            Group("Addresses", *(Row(*map(column, names)) for names in pairs(self.fields))),
            Group("Network type", "forwarding"),
            Group(
                "With NAT only",
                Row(column("nat_router"), column("nat_mask"), column("nat_router_device")),
            ),
        )
        self.offer()

    def offer(self) -> None:
        """The addresses that the routers found, for their own fields."""
        for machine in self.machines:
            for name in (machine.router.node, f"{machine.router.node}_private"):
                if name in self.fields:
                    suggest(
                        self.fields[name],
                        (
                            (str(address.ip), f"{card.name} of {machine.router.name}")
                            for card in machine.cards
                            for address in card.addresses
                        ),
                    )
        devices = [(f"{card.name}:1", card.name) for machine in self.machines for card in machine.cards]
        suggest(self.fields["nat_router_device"], devices)

    def initial_of(self, value: Any) -> dict[str, Any]:
        own, second = value.global_settings, value.redundancy
        initial: dict[str, Any] = {
            "primary": own.primary,
            "primary_private": own.primary_private,
            "backup": second.backup,
            "backup_private": second.backup_private,
            "forwarding": own.forwarding.value,
            "nat_router": own.nat_router.address if own.nat_router else None,
            "nat_router_device": own.nat_router.device if own.nat_router else "",
            "nat_mask": own.nat_mask,
        }
        proposed = self.proposed()
        return initial | {name: proposed[name] for name in proposed if not initial[name]}

    def proposed(self) -> dict[str, Any]:
        """What goes into fields that are still empty: the machines' own first addresses."""
        made: dict[str, Any] = {}
        for machine in self.machines:
            node, public, private = machine.router.node, machine.public, machine.private
            if public:
                made[node] = str(public.addresses[0].ip)
            if private:
                made[f"{node}_private"] = str(private.addresses[0].ip)
                if node == Node.PRIMARY:
                    made["nat_router_device"] = f"{private.name}:1"
                    made["nat_mask"] = private.addresses[0].network.prefixlen
        return made

    def watched(self, value: Any) -> Any:
        return replace(value.global_settings, serial_no=0), value.redundancy

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        cleaned = dict(cleaned)  # a field in error leaves the form's own
        method = Forwarding(cleaned["forwarding"])
        nat: dict[str, Any] = {"nat_router": None, "nat_mask": None}
        if method is Forwarding.NAT:
            nat = {
                "nat_router": floating(self, "nat_router", cleaned, "nat_router_device"),
                "nat_mask": cleaned["nat_mask"],
            }
            if cleaned["nat_router"] is None:
                self.add_error(
                    "nat_router", "NAT needs it: write a free address of the real servers' network."
                )
        if cleaned["primary"] is None:
            self.add_error("primary", "Write the address by which the primary router is known.")
        if "backup" in self.fields and cleaned["backup"] is None:
            self.add_error("backup", "Write the address by which the backup router is known.")
        second = {name: cleaned[name] for name in ("backup", "backup_private") if name in self.fields}
        own = {name: cleaned[name] for name in ("primary", "primary_private")}
        return replace(
            self.old,
            global_settings=replace(self.old.global_settings, forwarding=method, **own, **nat),
            redundancy=replace(self.old.redundancy, **second),
        )

    def config_with(self, value: Any) -> LvsConfig:
        made: LvsConfig = value
        return made


def pairs(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The fields of each router beside each other."""
    both = (("primary", "primary_private"), ("backup", "backup_private"))
    return [pair for pair in both if pair[0] in names]


class PairForm(RedundancyForm):
    """What decides of the second router: times, links, copies of connections. Saving switches it on."""

    def __init__(self, data: Any, *, config: LvsConfig, machines: Sequence[Machine]) -> None:
        self.machines = machines
        super().__init__(data, config=config, value=config.redundancy, verb="enable")
        for name in LEFT:
            del self.fields[name]
        gateways = [(one.gateway, f"gateway of {one.router.name}") for one in machines if one.gateway]
        suggest(self.fields["check_gateway"], gateways)
        cards = [(card.name, machine.router.name) for machine in machines for card in machine.cards]
        suggest(self.fields["syncd_iface"], cards)

    helper = helper(
        Group("Heartbeat", Row(column(unit("keepalive", "s")), column(unit("deadtime", "s")))),
        Group("Takeover", "monitor_links", Row(column("check_gateway"), column())),
        Group("Connections", "syncdaemon", Row(column("syncd_iface"), column())),
    )

    def initial_of(self, value: Any) -> dict[str, Any]:
        initial = super().initial_of(value)
        if value.backup_active:
            return initial
        proposed: dict[str, Any] = {
            "keepalive": as_typed(CALM.keepalive),
            "deadtime": as_typed(CALM.deadtime),
            "monitor_links": CALM.monitor_links,
            "syncdaemon": CALM.syncdaemon,
        }
        for machine in self.machines[:1]:
            proposed["check_gateway"] = machine.gateway
            if card := machine.private or machine.public:
                proposed["syncd_iface"] = card.name
        return initial | proposed
