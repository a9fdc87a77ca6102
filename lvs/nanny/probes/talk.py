"""One check that connects, sends and looks at the answer, step by step as the kernel lets it.

    CONNECT ── may be written to ──► SEND ── all is sent ──► READ ── judged ──► a finding
       └─ an error, the end of the other side, nothing more to do: a finding, from any step

A connection is closed in order (FIN), as Piranha's nanny and keepalived do, and not reset: a reset would
spare the router the minute in TIME_WAIT, but many servers log one or count it as an error of their client.
The kernel bounds what waits there (net.ipv4.tcp_max_tw_buckets).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from enum import StrEnum
from errno import EINPROGRESS
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT

from lvs.config.model import Protocol
from lvs.nanny.checks import Check
from lvs.nanny.probes.answer import BOUND, judge, too_late, unexpected
from lvs.nanny.probes.finding import NOTHING_KEPT, Finding, Record, explain

CONNECTED = Finding(True, "connected")
SENT = Finding(True, "connected, sent")

_KINDS = {
    Protocol.TCP: (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    Protocol.UDP: (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    Protocol.SCTP: (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
_BROKEN = EPOLLERR | EPOLLHUP


class Step(StrEnum):
    """Where a check is; its reason begins with this when it ends there."""

    CONNECT = "connect"
    SEND = "send"
    READ = "read"


class Talk:
    """A check that can be carried out again and again, once at a time.

    `begin`, then `advance` whenever the kernel says that `awaits` is so, until that gives a finding; `close`
    in any case. Between `begin` and `close`, `ended` is kept for who carries it out, and so is `deadline`
    (of the monotonic clock).
    """

    __slots__ = (
        "_address", "_answer", "_family", "_only_connects", "_opened", "_record", "_step", "_type",
        "_unsent", "awaits", "check", "deadline", "ended",
    )  # fmt: skip

    def __init__(self, check: Check, record: Record = NOTHING_KEPT) -> None:
        self.check = check
        self.ended: Callable[[Finding], None] | None = None
        self.deadline = 0.0
        self.awaits = EPOLLOUT
        kind, protocol = _KINDS[check.protocol]
        self._family = socket.AF_INET6 if check.address.version == 6 else socket.AF_INET
        self._type = kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
        self._address = str(check.address), check.port
        self._only_connects = not (check.send or check.expect or check.protocol is Protocol.UDP)
        self._record = record
        self._step = Step.CONNECT
        self._unsent = b""
        self._answer = bytearray()

    def begin(self) -> int:
        """Begin to connect, and give the descriptor; raises OSError, and is closed then."""
        # The type below socket.socket, which adds only what takes time here.
        opened = self._opened = socket.SocketType(self._family, *self._type)
        error = opened.connect_ex(self._address)
        if error and error != EINPROGRESS:
            opened.close()
            raise OSError(error, os.strerror(error))
        if not self._only_connects:
            self.awaits = EPOLLOUT
            self._step = Step.CONNECT
            self._unsent = self.check.send
            self._answer.clear()
        return opened.fileno()

    def advance(self, events: int) -> Finding | None:
        """Go on after events, as far as the kernel lets it; None: there is more to wait for, in `awaits`."""
        try:
            if self._step is Step.CONNECT:
                if events & _BROKEN:
                    self._raise_error()
                if self._record is not NOTHING_KEPT:
                    self._record.note("connected")
                if self._only_connects:
                    return CONNECTED
                self._step = Step.SEND
            if self._step is Step.SEND:
                return self._send()
            return self._read()
        except BlockingIOError:
            return None
        except OSError as error:
            return explain(self._step, error)

    def too_late(self) -> Finding:
        """What is found when the limit is over."""
        return too_late(self.check, self._step, bytes(self._answer))

    def close(self) -> None:
        self.ended = None
        self._opened.close()

    def _raise_error(self) -> None:
        error = self._opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def _send(self) -> Finding | None:
        is_datagram = self.check.protocol is Protocol.UDP
        while self._unsent or is_datagram:  # one datagram, an empty one too
            count = self._opened.send(self._unsent)
            self._record.sent(self._unsent[:count])
            self._unsent = self._unsent[count:]
            if is_datagram:
                break
        if not self.check.expect and not is_datagram:
            return SENT
        self._step = Step.READ
        self.awaits = EPOLLIN
        return None

    def _read(self) -> Finding | None:
        is_datagram = self.check.protocol is Protocol.UDP
        received = self._opened.recv(BOUND - len(self._answer))
        self._record.received(received)
        self._answer += received
        answer = bytes(self._answer)
        if not received and not is_datagram:
            return unexpected(self.check, answer, ", then the connection closed")
        found = judge(self.check, answer)
        if found is None and len(answer) >= BOUND:
            return unexpected(self.check, answer)
        return found
