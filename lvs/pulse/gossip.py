"""What the two routers tell each other of the administrator's hand: the datagrams. Pure.

An entry is a JSON object (ARCHITECTURE.md, ENTRY); a datagram has some whole ones. It goes over the
heartbeat's sockets, is told from a heartbeat by its first four bytes, and ends like one with the HMAC-SHA-256
(RFC 2104) of all before it, by the cluster's key that it names.

Nothing makes it fresh, since nothing has to: of two entries about one real server the newer counts, however
often and in whatever order they come, so that a recording that is played again changes nothing
(`lvs.nanny.hand`). What an entry may say is for `hand.from_wire` to judge; here is only judged who says it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from lvs.pulse.heartbeat import TAG_BYTES, Refusal, key_id, signed, signed_with
from lvs.router.floating import Node

Entry = Mapping[str, Any]

MAGIC = b"PIRG"
VERSION = 1
LARGEST = 1200  # bytes of a datagram: no link is known that would cut it into pieces

_NODES = {Node.PRIMARY: 1, Node.BACKUP: 2}
_FORM = struct.Struct("!4sBB4s")  # magic, version, node, key id
ROOM = LARGEST - _FORM.size - TAG_BYTES - 2  # bytes for entries and the commas between them


def is_gossip(datagram: bytes) -> bool:
    """Whether it is to be judged here, and not as a heartbeat."""
    return datagram[:4] == MAGIC


def packed(entries: Sequence[Entry], first: int = 0) -> tuple[bytes, int]:
    """What one datagram says of entries from number first on, and the number of the first that it does not.

    Entries that fit into none (`lvs.nanny.hand` makes none so long) are left out.
    """
    parts: list[bytes] = []
    left = ROOM
    for number in range(first, len(entries)):
        part = _written(entries[number])
        if len(part) > ROOM:
            continue
        if len(part) > left:
            return _joined(parts), number
        parts.append(part)
        left -= len(part) + 1
    return _joined(parts), len(entries)


def seal(said: bytes, node: Node, key: bytes) -> bytes:
    """The datagram of a router that says this, signed with key."""
    body = _FORM.pack(MAGIC, VERSION, _NODES[node], key_id(key)) + said
    return signed(body, key)


def opened(datagram: bytes, node: Node, keys: Sequence[bytes]) -> list[dict[str, Any]] | Refusal:
    """The entries of a datagram from the other router than node, or why it is not believed.

    keys: those that may have signed it.
    """
    if not _FORM.size + TAG_BYTES <= len(datagram) <= LARGEST:
        return Refusal.MALFORMED
    body = datagram[:-TAG_BYTES]
    magic, version, sender, named = _FORM.unpack_from(body)
    if (magic, version) != (MAGIC, VERSION) or sender not in _NODES.values():
        return Refusal.MALFORMED
    key = signed_with(datagram, named, keys)
    if isinstance(key, Refusal):
        return key
    if sender == _NODES[node]:
        return Refusal.FOREIGN  # our own, come back
    try:
        entries = json.loads(body[_FORM.size :])
    except (ValueError, RecursionError):
        return Refusal.MALFORMED
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return Refusal.MALFORMED
    return entries


def _written(entry: Entry) -> bytes:
    return json.dumps(dict(entry), separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _joined(parts: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"
