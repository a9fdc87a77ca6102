"""Who is at the other end of a unix socket, as the kernel knows it (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_UCRED = struct.Struct("3i")  # struct ucred


class Peer(NamedTuple):
    """The process that connected, or listens; uid and gid as they were then."""

    pid: int
    uid: int
    gid: int


def peer(opened: socket.socket) -> Peer:
    """The other end of a connection."""
    return Peer._make(_UCRED.unpack(opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))
