"""What pulse and its heart say to each other: JSON objects, one a line, over a unix socket, STATE/heart.sock.

pulse (the process that works on the kernel) is the client, the heart (heartbeat and election) the server;
both run as the same user. The key `say` names the message. ARCHITECTURE.md has the table.
"""

from __future__ import annotations

import json
from typing import Any

Message = dict[str, Any]

SOCKET = "heart.sock"  # below the state folder
BEAT = 0.5  # seconds between two messages of pulse at the most
HANGS = 5.0  # seconds of silence after which a pulse that has not ended counts as hung
VERSION = 2  # of these messages; a heart of another version is ended and started anew
MAX_LINE = 16 * 1024 * 1024  # all the orders by hand that there may be, in signs that JSON writes at length


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line; raises ValueError."""
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("say"), str):
        raise ValueError("not a message of pulse or its heart")
    return message
