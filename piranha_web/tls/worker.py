"""gunicorn's worker with threads, but none of them waits for somebody who does not speak.

Theory. gunicorn gives each new connection to a thread, which waits for its first bytes, makes TLS' handshake
and reads the head of the request, the latter two without a limit of time: as many clients that stop in the
middle of a line as there are threads stop the server. Here a connection stays in the loop, which waits for
all of them at once, until the head of its request is there whole; only then does it cost a thread. It has
ARRIVE seconds for all that, and when there are too many of them the oldest goes. Also between two requests of
a connection that is kept.

The body of a request is read by its thread, which waits for it BODY seconds in all.

What comes in plain HTTP where TLS is spoken gets an answer in words, and the way to the right address.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gunicorn import http
from gunicorn.workers.gthread import ThreadWorker

from piranha_web.tls.serving import shown

ARRIVE = 10.0  # seconds for the handshake and the head of a request
ENDING = 2.0  # the same when the server is about to stop
BODY = 90.0  # seconds for the body of a request: 16 MB, the most there may be, at 1.5 Mbit/s
STALLED = 60.0  # seconds after which a body that does not come, or an answer that nobody takes, ends it
MOST_HEAD = 64 * 1024
CHUNK = 16 * 1024
HANDSHAKE = 0x16  # a TLS record's first byte (RFC 8446, 5.1)
WANTS_READ = (ssl.SSLWantReadError, BlockingIOError)
TOO_LARGE = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LINE = re.compile(rb"(GET|HEAD) (/[\x21-\x7e]*) HTTP/1\.[01]\r?\n")
_HOST = re.compile(
    rb"\r?\nhost:[ \t]*([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?[ \t]*\r?\n", re.IGNORECASE
)


class PatientSocket(socket.socket):
    """A socket on which a thread does not wait for ever. gunicorn asks for that by setblocking.

    until: the moment of the steady clock by which a request must be there whole, for who drips it would
    never be found to have stalled; None: a thread does not read yet.
    """

    until: float | None = None

    def setblocking(self, flag: bool) -> None:
        self.settimeout(STALLED if flag else 0.0)

    def recv(self, *words: int) -> bytes:
        with in_time(self, self.until):
            return super().recv(*words)


class PatientTlsSocket(ssl.SSLSocket):
    """The same with TLS."""

    until: float | None = None

    def setblocking(self, flag: bool) -> None:
        self.settimeout(STALLED if flag else 0.0)

    def recv(self, *words: int) -> bytes:
        with in_time(self, self.until):
            return super().recv(*words)


@contextmanager
def in_time(sock: socket.socket, until: float | None) -> Iterator[None]:
    """Has a call on the socket end by then; TimeoutError."""
    if until is None:
        yield
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"the request was not there whole after {BODY:.0f} s")
    sock.settimeout(min(STALLED, left))
    try:
        yield
    finally:
        sock.settimeout(STALLED)


@dataclass(eq=False, slots=True)
class Arrival:
    """A connection whose request is not there yet. until: a moment of the steady clock."""

    conn: Any
    until: float
    is_plain: bool = False  # where TLS is spoken
    is_shaken: bool = True
    head: bytearray = field(default_factory=bytearray)


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """See above."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arrivals: dict[Arrival, None] = {}  # oldest first: all have the same time

    def enqueue_req(self, conn: Any) -> None:
        """A connection is new, or may bring its next request. gunicorn would give it to a thread."""
        arrival = Arrival(conn, time.monotonic() + ARRIVE)
        if conn.initialized:
            arrival.head += conn.parser.unreader.take_buffered()
            conn.sock.until = None
            conn.sock.setblocking(False)
        else:
            conn.initialized = True  # what TConn.init would do is done here
            conn.sock = PatientSocket(fileno=conn.sock.detach())
            conn.sock.setblocking(False)
            arrival.is_shaken = not self.cfg.is_ssl
            if arrival.is_shaken:
                conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
        if len(self.arrivals) >= self.worker_connections // 2:
            self.drop(next(iter(self.arrivals)))
        self.arrivals[arrival] = None
        self.wait(arrival, selectors.EVENT_READ)
        if arrival.head:
            self.on_arrival(arrival, conn.sock)

    def wait(self, arrival: Arrival, event: int) -> None:
        """Has the loop call when there is something."""
        sock = arrival.conn.sock
        callback = partial(self.on_arrival, arrival)
        if sock in self.poller.get_map():
            self.poller.modify(sock, event, callback)
        else:
            self.poller.register(sock, event, callback)

    def on_arrival(self, arrival: Arrival, _sock: object) -> None:
        """One step on with a connection; never waits, and never raises for what a client does."""
        if arrival not in self.arrivals:
            return
        try:
            if arrival.is_shaken or arrival.is_plain or self.shake(arrival):
                self.read_head(arrival)
        except WANTS_READ:
            self.wait(arrival, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self.wait(arrival, selectors.EVENT_WRITE)
        except (OSError, ValueError) as error:  # SSLError is an OSError; ValueError: it was closed meanwhile
            self.log.debug("a connection did not come to a request: %s", error)
            self.drop(arrival)

    def shake(self, arrival: Arrival) -> bool:
        """A step of TLS' handshake; True: it is done, or the client does not speak TLS."""
        conn = arrival.conn
        if not isinstance(conn.sock, ssl.SSLSocket):
            first = conn.sock.recv(1, socket.MSG_PEEK)
            if first and first[0] != HANDSHAKE:
                arrival.is_plain = True
                return True
            if not first:
                raise ConnectionResetError("closed before a word")
            self.poller.unregister(conn.sock)
            conn.sock = self.wrapped(conn.sock)
        conn.sock.do_handshake()
        arrival.is_shaken = True
        conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
        self.wait(arrival, selectors.EVENT_READ)
        return True

    def wrapped(self, sock: socket.socket) -> ssl.SSLSocket:
        """The connection with TLS around it, by the certificate of now."""
        certificate = shown()
        if certificate is None:
            raise ConnectionResetError("there is no certificate to show")
        context = certificate.context()
        context.sslsocket_class = PatientTlsSocket
        return context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def read_head(self, arrival: Arrival) -> None:
        """Takes what is there; a request whose head is whole goes to a thread."""
        conn = arrival.conn
        while b"\r\n\r\n" not in arrival.head:
            if len(arrival.head) > MOST_HEAD:
                conn.sock.send(TOO_LARGE.encode())
                raise ConnectionResetError("a head without an end")
            chunk = conn.sock.recv(CHUNK)
            if not chunk:
                raise ConnectionResetError("closed before a whole request")
            arrival.head += chunk
        if arrival.is_plain:
            conn.sock.send(plain_answer(bytes(arrival.head)))
            self.drop(arrival)
            return
        self.arrivals.pop(arrival)
        self.poller.unregister(conn.sock)
        conn.parser.unreader.unread(bytes(arrival.head))
        conn.sock.until = time.monotonic() + BODY
        super().enqueue_req(conn)

    def drop(self, arrival: Arrival) -> None:
        """Ends a connection that brought nothing."""
        self.arrivals.pop(arrival, None)
        sock = arrival.conn.sock
        try:
            self.poller.unregister(sock)
        except (KeyError, ValueError):
            self.log.debug("a connection was in the middle of its handshake when it ended")
        self.nr_conns -= 1
        arrival.conn.close()

    def murder_pending(self) -> None:
        """Ends what had its time; gunicorn calls it once a second."""
        super().murder_pending()
        now = time.monotonic()
        latest = ARRIVE if self.alive else ENDING
        for arrival in list(self.arrivals):
            if min(arrival.until, arrival.until - ARRIVE + latest) > now:
                break
            self.drop(arrival)


def plain_answer(head: bytes) -> bytes:
    """What somebody is told who speaks plain HTTP to a server that speaks TLS: where to go instead.

    Only what reads is led on: a form that came this way was sent for everybody to read, and must not seem to
    have been sent well.
    """
    line, host = _LINE.match(head), _HOST.search(head)
    text = b"This server speaks TLS: write https:// before its address.\n"
    status, more = b"400 Bad Request", b""
    if line and host:
        status = b"307 Temporary Redirect"
        more = b"Location: https://" + host[1] + (host[2] or b"") + line[2] + b"\r\n"
    return (
        b"HTTP/1.1 " + status + b"\r\n" + more + b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" % len(text)
    ) + (b"" if line and line[1] == b"HEAD" else text)
