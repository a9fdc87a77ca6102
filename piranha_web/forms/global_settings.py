"""GLOBAL SETTINGS."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from django import forms

from lvs.config.model import FloatingAddress, Forwarding, LvsConfig, Service
from piranha_web.forms.fields import AddressField, DeviceField, MaskField, WholeField
from piranha_web.forms.layout import Group, More, Row, column, helper, unit
from piranha_web.forms.panel import PanelForm

FORWARDING = [
    (Forwarding.NAT.value, "NAT"),
    (Forwarding.DIRECT.value, "Direct routing"),
    (Forwarding.TUNNEL.value, "Tunneling"),
]
KERNEL_TIMEOUT = "0 leaves the kernel's own value."


def floating(form: forms.Form, name: str, cleaned: dict[str, Any], device: str) -> FloatingAddress | None:
    """The address and the device that two fields describe; a missing device is an error at its field."""
    if cleaned[name] is None:
        return None
    if not cleaned[device]:
        form.add_error(
            device, "An address needs a device: write the interface that carries it, such as eth0:1."
        )
        return None
    return FloatingAddress(address=cleaned[name], device=cleaned[device])


class GlobalSettingsForm(PanelForm):
    """The routers' own addresses, the forwarding method, the gateway of NAT, the kernel's timeouts."""

    primary = AddressField(
        label="Primary server public IP",
        help_text="The primary router's own address on the public network, not a virtual one; a router "
        "that has "
        "it knows that it is the primary.",
    )
    primary_private = AddressField(
        label="Primary server private IP",
        help_text="Its own address on a second link: heartbeats take both ways, so that one broken link "
        "is no "
        "failover. Worth having with every forwarding method.",
    )
    forwarding = forms.ChoiceField(
        label="Use network type",
        choices=FORWARDING,
        widget=forms.RadioSelect,
        help_text="How requests reach the real servers, unless a virtual server says otherwise: NAT "
        "through this "
        "router both ways, direct routing on one segment, tunneling across networks (answers go straight "
        "back).",
    )
    nat_router = AddressField(
        label="NAT router IP",
        help_text="The floating address that NAT real servers use as their default gateway; it moves on "
        "failover. Needed as soon as one virtual server uses NAT, kept while none does.",
    )
    nat_mask = MaskField(
        label="NAT router netmask", help_text="Its netmask: /24 or 255.255.255.0; blank: /32."
    )
    nat_router_device = DeviceField(
        label="NAT router device",
        help_text="The interface to the real servers' network, with a label: eth1:1.",
    )
    tcp_timeout = WholeField(
        label="TCP timeout", help_text=f"How long an idle TCP connection is remembered. {KERNEL_TIMEOUT}"
    )
    tcpfin_timeout = WholeField(
        label="TCP FIN timeout", help_text=f"The same after one side has closed it. {KERNEL_TIMEOUT}"
    )
    udp_timeout = WholeField(
        label="UDP timeout", help_text=f"How long a UDP exchange is remembered. {KERNEL_TIMEOUT}"
    )
    nat_router6 = AddressField(
        label="NAT router IPv6", help_text="The gateway of NAT real servers that have IPv6 addresses."
    )
    nat_router6_device = DeviceField(
        label="NAT router IPv6 device", help_text="The interface to their network, such as eth1."
    )
    service = forms.ChoiceField(
        label="Service",
        choices=[
            (Service.LVS.value, "Virtual servers (lvs)"),
            (Service.FOS.value, "Failover services (fos)"),
        ],
        help_text="Which blocks of lvs.cf run. Failover services are kept in the file but never run.",
    )

    helper = helper(
        Group("Primary router", Row(column("primary"), column("primary_private"))),
        Group("Network type", "forwarding"),
        Group("NAT", Row(column("nat_router"), column("nat_mask"), column("nat_router_device"))),
        Group(
            "Connection timeouts",
            Row(
                column(unit("tcp_timeout", "s")),
                column(unit("tcpfin_timeout", "s")),
                column(unit("udp_timeout", "s")),
            ),
        ),
        More(
            "More: IPv6 gateway, kind of service",
            Row(column("nat_router6"), column("nat_router6_device")),
            "service",
        ),
    )

    def initial_of(self, value: Any) -> dict[str, Any]:
        initial = super().initial_of(value)
        for name in ("nat_router", "nat_router6"):
            address: FloatingAddress | None = getattr(value, name)
            initial[name] = address.address if address else None
            initial[f"{name}_device"] = address.device if address else ""
        return initial

    def value_of(self, cleaned: dict[str, Any]) -> Any:
        plain = {f.name: cleaned[f.name] for f in fields(self.old) if f.name in cleaned}
        return replace(
            self.old,
            **plain
            | {
                "forwarding": Forwarding(cleaned["forwarding"]),
                "service": Service(cleaned["service"]),
                "nat_router": floating(self, "nat_router", cleaned, "nat_router_device"),
                "nat_router6": floating(self, "nat_router6", cleaned, "nat_router6_device"),
            },
        )

    def watched(self, value: Any) -> Any:
        return replace(value, serial_no=0)

    def config_with(self, value: Any) -> LvsConfig:
        return replace(self.config, global_settings=value)
