"""The IPVS table as `ipvsadm -Ln` prints it, from a router's status document. Pure; nothing runs ipvsadm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lvs.config.address import host

METHOD = {"nat": "Masq", "direct": "Route", "tunnel": "Tunnel"}
HEAD = (
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
)


def table(status: Mapping[str, Any]) -> str:
    """Both pulse's own services and the foreign ones, in the columns of ipvsadm(8)."""
    lines = list(HEAD)
    for service in [*status["virtual_servers"], *status["foreign"]]:
        if service["in_kernel"]:
            lines.append(service_line(service))
            servers = [*service["real_servers"], *filter(None, [service.get("sorry_server")])]
            lines += [
                destination_line(server, service["forwarding"])
                for server in servers
                if server["weight"] is not None
            ]
    return "\n".join(lines)


def service_line(service: Mapping[str, Any]) -> str:
    """TCP  192.168.26.10:80 wlc persistent 300, or FWM  80 wlc."""
    kind, _, rest = str(service["key"]).partition(" ")
    kind = "FWM" if kind == "fwmark" else kind.upper()
    persistent = f" persistent {service['persistence']}" if service["persistence"] else ""
    return f"{kind:<4} {rest} {service['scheduler']}{persistent}"


def destination_line(server: Mapping[str, Any], forwarding: str | None) -> str:
    """-> 10.11.12.1:80  Masq  1  0  0, in ipvsadm's widths. forwarding: None where pulse does not say."""
    counters = server["counters"] or {"active": "?", "inactive": "?"}
    place = f"{host(server['address'])}:{server['port']}"
    return (
        f"  -> {place:<28} {METHOD.get(forwarding or '', forwarding) or '?':<7} "
        f"{server['weight']:<6} {counters['active']:<10} {counters['inactive']}"
    )
