"""What a check does, in a few words for a page, a plan or a list. Pure."""

from __future__ import annotations

from lvs.config.model import Protocol
from lvs.nanny.checks import ANYTHING, Check, Kind
from lvs.nanny.quoting import quote

_FEW = 24  # bytes of a text that is repeated


def describe(check: Check) -> str:
    """What the check does, in a few words for a page: "http GET /health on port 8080"."""
    return f"{_doing(check)}{_where(check)}"


def _doing(check: Check) -> str:
    match check.kind:
        case Kind.NONE:
            return "not checked"
        case Kind.EXCHANGE:
            return _exchanging(check)
        case Kind.HTTP if check.http is not None:
            return f"{'https' if check.tls else 'http'} {check.http.method} {check.http.path}"
        case Kind.DNS if check.question is not None:
            return f"dns {check.question.type} {check.question.name}"
        case Kind.PROGRAM:
            return f"program {check.program[0]}" if check.program else "program"
        case Kind.LOAD:
            return f"load monitor {check.program[0]}"
        case _:
            return check.kind.value


def _exchanging(check: Check) -> str:
    wanted = "any answer" if check.expect == ANYTHING else quote(check.expect, _FEW)
    if check.use_regex:
        wanted = f"a match of {wanted}"
    if not check.expect:
        wanted = "any answer" if check.protocol is Protocol.UDP else ""
    steps = (f"send {quote(check.send, _FEW)}" if check.send else "", f"expect {wanted}" if wanted else "")
    return ", ".join(filter(None, steps))


def _where(check: Check) -> str:
    if not check.port:
        return ""
    port = f"port {check.port}"
    if check.protocol is not Protocol.TCP or check.kind is Kind.DNS:
        port = f"{check.protocol.value.upper()} {port}"
    return f" to {port}" if check.kind is Kind.CONNECT else f" on {port}"
