"""What a router's worker would have reported, put into a real Redis for the pages to read."""

from __future__ import annotations

import time
from typing import Any

from lvs import dispatch
from lvs.reported import reports

COUNTERS = {
    "connections": 12,
    "packets_in": 120,
    "packets_out": 110,
    "bytes_in": 4096,
    "bytes_out": 8192,
    "active": 3,
    "inactive": 1,
    "persistent": 0,
}


def real_server(
    name: str, address: str, health: str = "healthy", reason: str = "connected", **changes: Any
) -> dict[str, Any]:
    """A real server as pulse's status document has it; one that is out is not in the table."""
    weight = changes.get("weight", 1 if health == "healthy" else None)
    return {
        "name": name,
        "address": address,
        "port": 80,
        "weight": weight,
        "configured_weight": 1,
        "health": health,
        "reason": reason,
        "since": time.time() - 610,
        "checked_at": time.time(),
        "counters": None if weight is None else COUNTERS,
        "hand": None,
        "why": "",
        "protected": False,
        "flapping": False,
        "warning": "",
        "check": "connect to port 80",
        **changes,
    }


def hand(order: str, **changes: Any) -> dict[str, Any]:
    """An entry of the administrator's hand on web1 of shop."""
    return {
        "virtual_server": "shop",
        "real_server": "web1",
        "order": order,
        "at": time.time() - 300,
        "by": "anna",
        "reason": "",
        "until": None,
        **changes,
    }


def shop_with(*real_servers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The status document of an active router whose shop has these real servers."""
    document = status()
    document["virtual_servers"][0] |= {"real_servers": list(real_servers), **changes}
    return document


def status(role: str = "active", **changes: Any) -> dict[str, Any]:
    """pulse's status document (ARCHITECTURE.md) of a router with the virtual server shop."""
    now = time.time()
    return {
        "name": "r1",
        "node": "primary",
        "role": role,
        "mode": "kernel",
        "version": "0.1.0",
        "pid": 1,
        "started_at": now - 7200,
        "now": now,
        "serial": 1,
        "sha256": "0" * 64,
        "installed_at": now,
        "problems": [],
        "last_change": None,
        "events": [{"at": now, "level": "warning", "text": "[inactive] shutting down 10.11.12.2:80"}],
        "addresses": [{"address": "192.168.26.10", "interface": "eth0", "label": "eth0:1", "present": True}],
        "virtual_servers": [
            {
                "name": "shop",
                "key": "tcp 192.168.26.10:80",
                "scheduler": "wlc",
                "forwarding": "nat",
                "persistence": 0,
                "in_kernel": True,
                "counters": COUNTERS,
                "real_servers": [
                    real_server("web1", "10.11.12.1"),
                    real_server("web2", "10.11.12.2", "failed", "connect: refused"),
                ],
                "sorry_server": None,
                "protected": 0,
                "departing": [],
            }
        ],
        "foreign": [],
        **changes,
    }


def report(name: str, pulse: dict[str, Any] | None, problem: str | None = None) -> None:
    """Publishes a router's report, as its worker does."""
    reports.publish(dispatch.broker(), name, pulse, problem)
