"""What a router answers to `explain` (ARCHITECTURE.md)."""

from __future__ import annotations

import time
from typing import Any


def explanation(*, test: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What a router knows of web2 of shop, which failed four minutes ago and answers again."""
    now = time.time()
    return {
        "check": "http GET /health on port 80",
        "interval": 6.0,
        "verdict": {
            "health": "failed",
            "reason": "status 200 (good check 3 of 18 before it returns)",
            "since": now - 252,
            "checked_at": now - 2,
            "streak": 3,
            "flapping": False,
            "warning": "",
        },
        "history": [
            {
                "ok": True,
                "reason": "status 200",
                "first": now - 14,
                "last": now - 2,
                "count": 3,
                "slowest": 0.012,
            },
            {
                "ok": False,
                "reason": "connect: refused",
                "first": now - 252,
                "last": now - 20,
                "count": 39,
                "slowest": 0.0004,
            },
        ],
        "hand": None,
        "load": None,
        "weight": {"configured": 10, "wanted": None, "why": ""},
        "test": test,
        **changes,
    }


def trial(**changes: Any) -> dict[str, Any]:
    """What *Test this check now* brought."""
    return {
        "ok": False,
        "reason": "status 503",
        "warning": "",
        "duration": 0.0213,
        "transcript": [
            {"at": 0.0001, "what": "note", "text": "connected"},
            {"at": 0.001, "what": "sent", "text": r"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"},
            {"at": 0.0212, "what": "received", "text": r"HTTP/1.1 503 No\r\n\r\n<b>\x00\xff"},
        ],
        **changes,
    }
