"""The check that asks for a page over HTTP/1.1 or HTTPS (RFC 9112), and looks at status and body.

h11 speaks the protocol, the sockets are ours. The status decides first; then the body is read: to the text
or pattern that is looked for, or to its end, or to BOUND bytes. Redirects are answers like any other.
"""

from __future__ import annotations

import h11

from lvs.config.model import StatusRange
from lvs.nanny.checks import Check, Http
from lvs.nanny.probes.contents import expectation, has_expected
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.probes.stream import Ended, Stream, closed, talk
from lvs.nanny.quoting import printable, quote

BOUND = 64 * 1024  # bytes of body looked at
_INTERIM = 10  # answers with a status below 200 before the one that counts (RFC 9110, 15.2)
_HTTP = b"HTTP/"
_AGENT = "Piranha-Web-nanny"


async def probe(check: Check, record: Record) -> Finding:
    """Good when the status is one of those wanted, and the body has what is expected."""
    return await talk(check, record, _ask)


async def _ask(stream: Stream) -> Finding:
    http = stream.check.http
    if http is None:
        raise ValueError(f"the check of {stream.check} has no request")
    exchange = _Exchange(stream)
    await exchange.request(http)
    response = await exchange.response()
    status = f"{response.status_code} {printable(response.reason)[:40]}".strip()
    if not any(each.first <= response.status_code <= each.last for each in http.status):
        return Finding(False, f"answered {status}{_location(response)}, not {_wanted(http.status)}")
    return await _body(exchange, stream.check, f"answered {status}")


async def _body(exchange: _Exchange, check: Check, answered: str) -> Finding:
    body = bytearray()
    while len(body) < BOUND:
        piece = await exchange.piece()
        if piece is None:
            break
        body += piece[: BOUND - len(body)]
        if check.expect and has_expected(check, bytes(body)):
            return Finding(True, f"{answered} with the expected text")
    if not check.expect:
        return Finding(True, answered)
    got = quote(bytes(body)) if body else "nothing"
    return Finding(False, f"{answered}, expected {expectation(check)} in the body, got {got}")


def _wanted(ranges: tuple[StatusRange, ...]) -> str:
    return ", ".join(str(each).replace(":", "-") for each in ranges)


def _location(response: h11.Response) -> str:
    for name, value in response.headers:
        if name == b"location":
            return f" to {quote(value)}"
    return ""


class _Exchange:
    """One request and its response; raises Ended when the answer is none."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._machine = h11.Connection(h11.CLIENT)
        self._closed = False  # by the real server
        self._complete = False
        self._begins = b""  # of the answer, to be shown when it is no HTTP

    async def request(self, http: Http) -> None:
        headers = [
            ("Host", http.host),
            ("User-Agent", _AGENT),
            ("Accept", "*/*"),
            ("Connection", "close"),
        ]
        try:
            request = h11.Request(method=http.method.value, target=http.path, headers=headers)
            head = self._machine.send(request)
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise Ended(f"the request cannot be sent, correct http_path or http_host: {error}") from error
        end = self._machine.send(h11.EndOfMessage())
        await self._stream.send((head or b"") + (end or b""))

    async def response(self) -> h11.Response:
        for _ in range(_INTERIM + 1):
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
        raise Ended(f"read: more than {_INTERIM} interim answers")

    async def piece(self) -> bytes | None:
        """The body as far as it has come, at least a byte; None at its end."""
        piece = bytearray()
        while not self._complete:
            event = self._event()
            if isinstance(event, h11.Data):
                piece += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._complete = True
            elif piece:
                break
            else:
                await self._receive()
        return bytes(piece) or None

    async def _next(self) -> h11.Event:
        while True:
            event = self._event()
            if event is not None:
                return event
            await self._receive()

    def _event(self) -> h11.Event | None:
        """What comes next in what was received; None: more must be."""
        try:
            event = self._machine.next_event()
        except h11.RemoteProtocolError as error:
            raise Ended(self._fault(error)) from error
        return event if isinstance(event, h11.Event) else None

    async def _receive(self) -> None:
        received = await self._stream.receive()
        self._begins = self._begins or received
        self._closed = not received
        self._machine.receive_data(received)

    def _fault(self, error: h11.RemoteProtocolError) -> str:
        if not self._begins or (self._closed and self._begins[:5] == _HTTP[: len(self._begins)]):
            return f"read: {closed(self._stream)}"
        return f"no HTTP: got {quote(self._begins)} ({printable(str(error).encode())[:80]})"
