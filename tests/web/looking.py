"""What a router answers to `preflight` and `rules` (ARCHITECTURE.md)."""

from __future__ import annotations

import time
from typing import Any


def remark(level: str = "warning", **changes: str) -> dict[str, str]:
    """Something that a router remarks."""
    return {
        "level": level,
        "about": "firewall",
        "what": "The rules of firewalld drop TCP port 80.",
        "why": "Clients of shop would not reach it.",
        "remedy": "Open it: `firewall-cmd --add-port=80/tcp`.",
        "evidence": "chain filter_IN_public of table inet firewalld",
        **changes,
    }


def parameter(path: str, wanted: str | None, found: str | None, saved: str | None = None) -> dict[str, Any]:
    """A row of the table of kernel parameters."""
    place = {"value": saved, "place": "/etc/sysctl.conf"} if saved is not None else None
    return {
        "path": path,
        "wanted": wanted,
        "found": found,
        "why": f"why of {path}",
        "when": "always",
        "persisted": place,
    }


PARAMETERS = (
    parameter("net/ipv4/vs/conntrack", "1", "1"),
    parameter("net/ipv4/ip_forward", "1", "0", saved="0"),
    parameter("net/ipv4/vs/absent", "1", None),
    parameter("net/ipv4/conf/all/rp_filter", None, "2"),
)


def preflight(*remarks: dict[str, str]) -> dict[str, Any]:
    """What stands against a configuration."""
    return {"remarks": list(remarks), "parameters": list(PARAMETERS), "seconds": 0.31}


def mark(name: str, address: str, ports: str, fwmark: int, **changes: Any) -> dict[str, Any]:
    """A rule of the marks."""
    return {
        "virtual_server": name,
        "address": address,
        "protocol": "tcp",
        "ports": ports,
        "fwmark": fwmark,
        "packets": 12,
        "bytes": 4096,
        **changes,
    }


def rules(**changes: Any) -> dict[str, Any]:
    """The rule set of a router that serves shop by mark 80 to NAT real servers, and guards the panel."""
    return {
        "nft": "table inet piranha {\n\tchain prerouting {\n\t}\n}\n",
        "iptables": "*mangle\n-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 80\nCOMMIT\n",
        "saved": {"path": "/var/lib/piranha/piranha.nft", "at": time.time()},
        "drift": [],
        "marks": [
            mark("shop", "192.168.26.10", "80", 80),
            mark("shop", "192.168.26.10", "443", 80, packets=77, bytes=1048576),
        ],
        "masquerade": {"real_servers": ["10.11.12.1", "10.11.12.2"], "packets": 5, "bytes": 300},
        "guard": {"port": 3636, "networks": ["192.0.2.0/24"], "packets": 9, "bytes": 540},
        "modules": [{"name": "ip_vs_ftp", "loaded": False, "why": "shop serves FTP by NAT"}],
        "remarks": [remark("note", what="Mark 81 is set by no rule.", about="firewall")],
        **changes,
    }
