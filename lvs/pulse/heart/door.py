"""Where pulse talks to its heart: the unix socket STATE/heart.sock; nothing here waits.

Only the same user, or root, is heard (SO_PEERCRED). A connection becomes pulse's with the first `settings` it
says, and ends the one before: so a look whether a heart is there does not take pulse's place.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from lvs.pulse.heart.messages import MAX_LINE, Message, decode, encode
from lvs.pulse.peers import peer

MAX_CONNECTIONS = 8
MAX_UNREAD = 256 * 1024  # bytes that pulse may leave unread; then its connection is as good as gone
READ = 64 * 1024
AGAIN = ("status", "gossip")  # messages that come again by themselves


class Connection:
    """Somebody at the other end, with what is half said in either direction."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.ended = False

    @property
    def allowed(self) -> bool:
        return peer(self.socket).uid in (0, os.geteuid())

    @property
    def backlog(self) -> int:
        """Bytes that the other end has not taken yet."""
        return len(self._outgoing)

    def read(self) -> list[bytes]:
        """The lines that have come in full; sets ended at the end, and when a line is too long."""
        try:
            received = self.socket.recv(READ)
        except BlockingIOError:
            return []
        except OSError:  # reset by the other end, which is an end too
            received = b""
        self.ended = self.ended or not received
        self._incoming += received
        if received and b"\n" not in received:  # a long line comes in many parts
            self.ended = self.ended or len(self._incoming) > MAX_LINE
            return []
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = bytearray(rest)
        self.ended = self.ended or len(rest) > MAX_LINE
        return [bytes(line) for line in lines if line]

    def say(self, message: Message) -> None:
        self._outgoing += encode(message)
        self.flush()

    def flush(self) -> None:
        """Sends what the other end will take now."""
        if not self._outgoing:
            return
        try:
            sent = self.socket.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:  # its end is seen when reading, after what it said last
            self._outgoing.clear()
            return
        del self._outgoing[:sent]
        self.ended = self.ended or len(self._outgoing) > MAX_UNREAD


class Door:
    """Listens, and keeps the connections; raises OSError if it cannot listen at path."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        before = os.umask(0o177)
        try:
            self.socket.bind(str(path))
        finally:
            os.umask(before)
        self.socket.listen(MAX_CONNECTIONS)
        self.connections: list[Connection] = []
        self.pulse: Connection | None = None  # the one that has said its settings

    def accept(self) -> Connection | None:
        """Whoever knocked; None: not to be heard, or gone again."""
        try:
            peer, _ = self.socket.accept()
        except OSError:  # it has left again, or this process has no descriptor for it
            return None
        peer.setblocking(False)
        connection = Connection(peer)
        if not connection.allowed:
            peer.close()
            return None
        self.connections.append(connection)
        for one in self.connections[:-MAX_CONNECTIONS]:
            one.ended = one.ended or one is not self.pulse
        return connection

    def tell(self, message: Message) -> None:
        """To pulse. What is said again soon is left out while it has not read what came before."""
        if self.pulse is not None and not (message["say"] in AGAIN and self.pulse.backlog):
            self.pulse.say(message)


def message_of(line: bytes) -> Message | None:
    """A line's message; None if it is none."""
    try:
        return decode(line)
    except (ValueError, RecursionError):
        return None
