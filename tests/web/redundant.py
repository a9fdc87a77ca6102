"""What two routers with a heartbeat would report."""

from __future__ import annotations

import time
from typing import Any

from tests.web.reports import status

KEY = "1f8b08c4"


def link(name: str = "public", **changes: Any) -> dict[str, Any]:
    """One way between the routers."""
    return {
        "name": name,
        "own": "192.168.26.9",
        "peer": "192.168.26.8",
        "alive": True,
        "heard_at": time.time() - 0.05,
        "sent": 4000,
        "received": 3990,
        "lost": 10,
        **changes,
    }


def peer(role: str = "standby", **changes: Any) -> dict[str, Any]:
    """The other router, by its heartbeat."""
    return {
        "node": "backup",
        "role": role,
        "fit": True,
        "yielding": False,
        "hears": True,
        "heard_at": time.time() - 0.05,
        "alive": True,
        "serial": 1,
        "sha256": "0" * 64,
        "healthy": 1,
        "total": 2,
        **changes,
    }


def part(role: str = "active", **changes: Any) -> dict[str, Any]:
    """The status document's `redundancy`."""
    now = time.time()
    return {
        "stage": role,
        "role": role,
        "since": now - 7200,
        "reason": "partner dead: activating lvs" if role == "active" else "partner active",
        "fit": True,
        "unfit": [],
        "peer": peer("standby" if role == "active" else "active"),
        "links": [link(), link("private", own="10.11.12.9", peer="10.11.12.8")],
        "refused": {"malformed": 0, "forged": 0, "foreign": 0, "replayed": 0, "unverified": 0},
        "transitions": [{"at": now - 7200, "role": role, "reason": "partner dead: activating lvs"}],
        "peer_holds": False,
        "strangers": [],
        "keys": {"newest": KEY, "peer_has_newest": True},
        "hand_over_refused": [],
        "alarms": [],
        "heart": {"pid": 2, "alive": True},
        **changes,
    }


def redundant(role: str = "active", *, of: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """pulse's status document of a router with a heart. of: changes of `redundancy`; changes: of the rest."""
    state = "master" if role == "active" else "backup"
    here = {"address": "192.168.26.10", "interface": "eth0", "label": "eth0:1", "present": role == "active"}
    return status(
        role,
        **{
            "name": "r1" if role == "active" else "r2",
            "node": "primary" if role == "active" else "backup",
            "addresses": [here],
            "redundancy": part(role, **(of or {})),
            "sync": [{"state": state, "interface": "eth1", "id": 7}],
            "unconfirmed": None,
            **changes,
        },
    )
