"""The ports of a virtual server in its form: usual sets to fill in, the firewall mark, and FTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crispy_forms.layout import LayoutObject
from django.http import QueryDict
from django.template.loader import render_to_string

from lvs.config.marks import free_mark
from lvs.config.model import Forwarding, LvsConfig, VirtualServer
from lvs.config.ports import needs_ftp_helper, passive_ports, serves_ftp
from piranha_web.forms.conflicts import OPENED
from piranha_web.forms.panel import PanelForm

PERSISTENCE = "300"  # seconds, where a set of ports is of use only to clients that stay with one real server


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A usual set of ports. fields: what it fills in, as typed; blank: fields filled in only where empty."""

    name: str
    label: str
    fields: dict[str, str]
    blank: dict[str, str]
    meaning: str


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="web",
            label="HTTP + HTTPS",
            fields={"port": "80", "protocol": "tcp", "ports": "443"},
            blank={"persistence": PERSISTENCE},
            meaning="Ports 80 and 443 are one service; persistence keeps a client's two ports together.",
        ),
        Preset(
            name="web3",
            label="HTTP + HTTPS + HTTP/3",
            fields={"port": "80", "protocol": "tcp", "ports": "443, udp/443"},
            blank={"persistence": PERSISTENCE},
            meaning="Ports 80, 443 and UDP 443 are one service; persistence keeps a client's ports together.",
        ),
        Preset(
            name="ftp",
            label="FTP, active and passive",
            fields={"port": "21", "protocol": "tcp", "ports": "10000:20000"},
            blank={"persistence": PERSISTENCE},
            meaning="Port 21 and the ports 10000:20000 of passive data connections are one service; "
            "persistence brings a client's data to the real server that it logged in to. The FTP servers "
            "must use the same passive range: their set-up has the lines.",
        ),
        Preset(
            name="all",
            label="All TCP ports",
            fields={"protocol": "tcp", "ports": "1:65535"},
            blank={"persistence": PERSISTENCE},
            meaning="Everything that clients send to the address by TCP is one service; the application port "
            "is the one that is checked.",
        ),
    )
}


class Presets(LayoutObject):  # type: ignore[misc]  # crispy has no types
    """The buttons that fill a set of ports in; they save nothing."""

    def render(self, form: Any, context: Any, template_pack: Any = "bootstrap5", **kwargs: Any) -> Any:
        return render_to_string("forms/presets.html", {"presets": PRESETS.values()})


def fill_in(form: PanelForm, posted: QueryDict, preset: Preset) -> None:
    """Has a form that is not bound show what was typed, with the preset's ports in it."""
    form.opened = posted.get(OPENED, form.opened)
    for name in form.fields:
        several = isinstance(form.initial.get(name), tuple | list) and name != "ports"
        form.initial[name] = posted.getlist(name) if several else posted.get(name, "")
    form.initial.update(preset.fields)
    for name, text in preset.blank.items():
        if form.initial[name] in ("", "0"):
            form.initial[name] = text


def mark_of(config: LvsConfig, old: VirtualServer, new: VirtualServer) -> int:
    """The firewall mark that new is to have: with several ports it needs one, and one that it had stays."""
    if new.fwmark or not new.ports:
        return new.fwmark
    return old.fwmark or free_mark(config, new.port)


def mark_warnings(old: VirtualServer, new: VirtualServer) -> Iterator[str]:
    """What another mark does to a service that runs."""
    if not old.name or not old.active or old.fwmark == new.fwmark:
        return
    before, after = (f"firewall mark {mark}" if mark else "its own port" for mark in (old.fwmark, new.fwmark))
    yield (
        f"{new.name} goes from {before} to {after}: to the kernel that is another service, so the "
        "connections that clients have now are cut when this is applied. Apply it when few are connected."
    )


def ftp_hint(config: LvsConfig, virtual_server: VirtualServer) -> str:
    """What to know of a virtual server that has FTP's port; "": nothing."""
    if not serves_ftp(virtual_server):
        return ""
    passive = passive_ports(virtual_server)
    if passive:
        known = f"Passive data connections use ports {passive}: give the FTP servers the same range."
    else:
        known = "No passive range is among its ports: fill in FTP's ports below."
    forwarding = config.forwarding_of(virtual_server)
    if needs_ftp_helper(virtual_server, forwarding):
        return (
            "The routers load the kernel's FTP helper (ip_vs_ftp), which follows what client and server "
            "agree on; the FTP servers must not name the virtual address by themselves (vsftpd: no "
            f"pasv_address). It cannot read what TLS hides: for that a passive range is needed too. {known}"
        )
    if not passive:
        return f"Without a passive range clients can only use active FTP. {known}"
    if forwarding is Forwarding.NAT:
        known += " They must also name the virtual address (pasv_address): their set-up has the lines."
    if not virtual_server.persistence:
        known += " Set a persistence, so that data reaches the real server that a client logged in to."
    return known
