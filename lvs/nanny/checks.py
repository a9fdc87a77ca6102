"""Which check each real server gets: from lvs.cf's directives to what a probe needs. Only computes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lvs.config.address import host
from lvs.config.model import (
    AGENT_MONITOR,
    NO_MONITOR,
    Address,
    CheckKind,
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
from lvs.config.program import program_words
from lvs.nanny.quoting import quote

# What nanny assumes of virtual port 80 when no check is configured (PIRANHA.md 4.5).
WEB_PORT = 80
WEB_SEND = b"GET / HTTP/1.0\r\n\r\n"
WEB_EXPECT = b"HTTP"

HTTPS_PORT = 443

ANYTHING = b"*"

LOAD_SECONDS = 20.0  # between two runs of a load monitor's program (PIRANHA.md 4.6)

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

    port: 0 for kinds that have none. send: bytes to send after connecting, b"" for none. expect: the bytes
    that the answer must start with (http, dns: have anywhere), b"*" for any answer; with use_regex a pattern
    to be found anywhere in it; b"" for no answer needed. http, tls, question: of the kinds that have them.
    program: the words of a command, the first a name in the folder of programs, %h and %p already replaced;
    () when there is none. timeout: seconds between checks, and the limit of one.
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
        if not self.port:
            return str(self.address)
        return f"{host(self.address)}:{self.port}"


def check_of(virtual_server: VirtualServer, real_server: RealServer) -> Check | None:
    """The check of real_server, on check_port or else its own port; None without an address.

    What cannot be carried out as written (`problems`) gives a check that fails and says why.
    """
    address = real_server.address
    if address is None:
        return None
    wanted = virtual_server.check
    given = _Given(
        address=address,
        port=wanted.check_port or real_server.port or virtual_server.port,
        protocol=virtual_server.protocol,
        timeout=float(virtual_server.timeout),
        check=wanted,
    )
    if wanted.kind is CheckKind.AUTO:
        return _automatic(virtual_server, given)
    return _OF_KIND[wanted.kind](given)


def agent_of(virtual_server: VirtualServer, real_server: RealServer) -> Check | None:
    """What asks real_server for its load; None when nothing is to be asked.

    Any load_monitor but `none` and `agent` is a program that gets the address as its argument, as Piranha ran
    `rup HOST`; it runs every LOAD_SECONDS, whatever the virtual server's timeout.
    """
    address, monitor = real_server.address, virtual_server.load_monitor
    if address is None or monitor == NO_MONITOR:
        return None
    if monitor != AGENT_MONITOR:
        words = (monitor, str(address))
        return Check(address, 0, Protocol.TCP, LOAD_SECONDS, kind=Kind.LOAD, program=words)
    if virtual_server.agent_port is None:
        return None
    return Check(
        address=address,
        port=virtual_server.agent_port,
        protocol=Protocol.TCP,
        timeout=float(virtual_server.timeout),
        send=unescape(virtual_server.agent_send or ""),
        kind=Kind.AGENT,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What a check is made of, whatever its kind."""

    address: Address
    port: int
    protocol: Protocol
    timeout: float
    check: HealthCheck


def _automatic(virtual_server: VirtualServer, given: _Given) -> Check:
    """Piranha's rules: the program, or the exchange, or a web page on virtual port 80, or connecting."""
    if given.check.send_program is not None:
        return _program(given)
    if assumes_web(virtual_server):
        return _exchange(given, WEB_SEND, WEB_EXPECT, False)
    send, expect, use_regex = _texts(given.check)
    if send or expect or given.protocol is Protocol.UDP:
        return _exchange(given, send, expect, use_regex)
    return _connect(given)


def _exchange(given: _Given, send: bytes, expect: bytes, use_regex: bool) -> Check:
    return Check(
        given.address,
        given.port,
        given.protocol,
        given.timeout,
        send=send,
        expect=expect,
        use_regex=use_regex,
        kind=Kind.EXCHANGE,
    )


def _program(given: _Given) -> Check:
    _, expect, use_regex = _texts(given.check)
    try:
        words = program_words(given.check.send_program or "")
    except ValueError:
        words = ()  # rules refuse such a file; should one be in force, the probe says that there is none
    replaced = tuple(word.replace("%h", str(given.address)).replace("%p", str(given.port)) for word in words)
    return Check(
        given.address,
        given.port,
        given.protocol,
        given.timeout,
        expect=expect,
        use_regex=use_regex,
        kind=Kind.PROGRAM,
        program=replaced,
    )


def _connect(given: _Given) -> Check:
    # Connecting says nothing over UDP; a service of both protocols, such as DNS, is tried over TCP.
    protocol = Protocol.SCTP if given.protocol is Protocol.SCTP else Protocol.TCP
    return Check(given.address, given.port, protocol, given.timeout)


def _web(given: _Given) -> Check:
    check = given.check
    https = check.kind is CheckKind.HTTPS
    own = host(given.address)
    usual = given.port == (HTTPS_PORT if https else WEB_PORT)
    asked = check.http_host or (own if usual else f"{own}:{given.port}")
    name = check.tls_name or host_name(check.http_host or str(given.address))
    _, expect, use_regex = _texts(check)
    return Check(
        given.address,
        given.port,
        Protocol.TCP,
        given.timeout,
        expect=expect,
        use_regex=use_regex,
        kind=Kind.HTTP,
        http=Http(check.http_method, check.http_path or "/", asked, check.http_status),
        tls=Tls(name, check.tls_verify, check.tls_expiry) if https else None,
    )


def host_name(host: str) -> str:
    """The name or address in a Host field: without its port, without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _smtp(given: _Given) -> Check:
    return Check(given.address, given.port, Protocol.TCP, given.timeout, kind=Kind.SMTP)


def _dns(given: _Given) -> Check:
    _, expect, use_regex = _texts(given.check)
    return Check(
        given.address,
        given.port,
        Protocol.TCP if given.protocol is Protocol.TCP else Protocol.UDP,
        given.timeout,
        expect=expect,
        use_regex=use_regex,
        kind=Kind.DNS,
        question=Question(given.check.dns_name or ".", given.check.dns_type),
    )


def _ping(given: _Given) -> Check:
    # Without port and protocol, so that one echo answers for all services of a machine.
    return Check(given.address, 0, Protocol.TCP, given.timeout, kind=Kind.PING)


def _none(given: _Given) -> Check:
    return Check(given.address, 0, Protocol.TCP, given.timeout, kind=Kind.NONE)


_OF_KIND = {
    CheckKind.CONNECT: _connect,
    CheckKind.HTTP: _web,
    CheckKind.HTTPS: _web,
    CheckKind.SMTP: _smtp,
    CheckKind.DNS: _dns,
    CheckKind.PING: _ping,
    CheckKind.NONE: _none,
}


@functools.lru_cache(maxsize=1024)
def _texts(check: HealthCheck) -> tuple[bytes, bytes, bool]:
    """What to send, what to expect, and whether that is a pattern; the same for all of a virtual server."""
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
        and check.kind is CheckKind.AUTO
        and check.send is None
        and check.expect is None
        and check.send_program is None
    )


def problems(config: LvsConfig) -> tuple[Problem, ...]:
    """Which checks of config fail whatever the real servers do, since they cannot be made as written."""
    return tuple(
        Problem(
            message=f"virtual {virtual_server.name}: {field}: {fault}",
            severity=Severity.WARNING,
            place=("virtual", virtual_server.name),
            field=field,
        )
        for virtual_server in config.virtual_servers
        if virtual_server.active
        for field, fault in _faults(virtual_server.check)
    )


def _faults(check: HealthCheck) -> Iterator[tuple[str, str]]:
    """The fields that cannot be used, each with what to do; `lvs.config.rules` refuses the rest at once."""
    if check.kind is CheckKind.HTTPS:
        name = check.tls_name or host_name(check.http_host or "")
        try:
            name.encode("idna")
        except UnicodeError:
            field = "tls_name" if check.tls_name else "http_host"
            yield field, f"{quote(name.encode())} is no name of a host: write one as in the certificate"


def unescape(text: str) -> bytes:
    r"""The bytes that text stands for: \n, \r and \t translated, any other escaped character is itself.

    A backslash at the very end stands for itself.
    """
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL).encode()
