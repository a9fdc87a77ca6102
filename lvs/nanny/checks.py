"""Which check each real server gets: from lvs.cf's directives to what a probe needs. Only computes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum

from lvs.config.model import (
    Address,
    DnsType,
    HealthCheck,
    HttpMethod,
    LvsConfig,
    Problem,
    Protocol,
    RealServer,
    Severity,
    StatusRange,
    VirtualServer,
)

# What nanny assumes of virtual port 80 when no check is configured (PIRANHA.md 4.5).
WEB_PORT = 80
WEB_SEND = b"GET / HTTP/1.0\r\n\r\n"
WEB_EXPECT = b"HTTP"

ANYTHING = b"*"

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class Kind(StrEnum):
    """The probes, one module each in lvs.nanny.probes."""

    CONNECT = "connect"
    EXCHANGE = "exchange"
    HTTP = "http"
    SMTP = "smtp"
    DNS = "dns"
    PING = "ping"
    PROGRAM = "program"
    NONE = "none"
    AGENT = "agent"  # asks for the weight, not whether it serves
    LOAD = "load"  # the same by a program of the administrator's


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP request: method, path, Host field, and the status codes that are good."""

    method: HttpMethod
    path: str
    host: str
    status: tuple[StatusRange, ...]


@dataclass(frozen=True, slots=True)
class Tls:
    """name: asked for with SNI, and verified if `verify`. expiry: days before the end that are warned of."""

    name: str
    verify: bool
    expiry: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a DNS check asks for."""

    name: str
    type: DnsType


@dataclass(frozen=True, slots=True)
class Check:
    """All that a probe needs; equal checks are carried out once and their result shared.

    send: bytes to send after connecting, b"" for none. expect: the bytes that the answer must start with,
    b"*" for any answer; with use_regex a pattern to be found anywhere in it; b"" for no answer needed. http,
    tls, question: of the kinds that have them. program: the words of a command, the first a name in the
    folder of programs, %h and %p already replaced. timeout: seconds between checks, and the limit of one.
    """

    address: Address
    port: int
    protocol: Protocol
    timeout: float
    send: bytes = b""
    expect: bytes = b""
    use_regex: bool = False
    kind: Kind = Kind.CONNECT
    http: Http | None = None
    tls: Tls | None = None
    question: Question | None = None
    program: tuple[str, ...] = ()

    def __hash__(self) -> int:
        # Thousands are kept in dictionaries, and an ip_address takes its time to hash itself.
        return hash((int(self.address), self.port, self.timeout, self.send, self.expect))

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


def check_of(virtual_server: VirtualServer, real_server: RealServer) -> Check | None:
    """The check of real_server, which contacts the real server's own port; None without an address."""
    if real_server.address is None:
        return None
    if assumes_web(virtual_server):
        send, expect, use_regex = WEB_SEND, WEB_EXPECT, False
    else:
        send, expect, use_regex = _exchange(virtual_server.check)
    return Check(
        address=real_server.address,
        port=real_server.port or virtual_server.port,
        protocol=virtual_server.protocol,
        timeout=float(virtual_server.timeout),
        send=send,
        expect=expect,
        use_regex=use_regex,
    )


@functools.lru_cache(maxsize=1024)
def _exchange(check: HealthCheck) -> tuple[bytes, bytes, bool]:
    """What to send, what to expect, and whether that is a pattern; the same for all of a virtual server."""
    if check.send_program is not None:
        # Programs are not run (see problems()); expect then means the program's output, not the server's.
        return b"", b"", False
    send = unescape(check.send or "")
    if check.use_regex and check.expect:
        return send, check.expect.encode(), True
    return send, unescape(check.expect or ""), False


def assumes_web(virtual_server: VirtualServer) -> bool:
    """Whether nothing is configured for virtual port 80, so that an HTTP answer is looked for."""
    check = virtual_server.check
    return (
        virtual_server.port == WEB_PORT
        and virtual_server.protocol is Protocol.TCP
        and check.send is None
        and check.expect is None
        and check.send_program is None
    )


def problems(config: LvsConfig) -> tuple[Problem, ...]:
    """What of config's checks this version does not carry out as written."""
    return tuple(
        Problem(
            message=(
                f"virtual {virtual_server.name}: checked by connect only; programs are not run by this "
                "version. Use send and expect where connecting is not enough."
            ),
            severity=Severity.WARNING,
            place=("virtual", virtual_server.name),
            field="check",
        )
        for virtual_server in config.virtual_servers
        if virtual_server.active and virtual_server.check.send_program is not None
    )


def unescape(text: str) -> bytes:
    r"""The bytes that text stands for: \n, \r and \t translated, any other escaped character is itself.

    A backslash at the very end stands for itself.
    """
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL).encode()
