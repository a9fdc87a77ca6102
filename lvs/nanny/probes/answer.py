"""What an answer is worth, as it comes in piece by piece, and the words for it. Only computes."""

from __future__ import annotations

from lvs.config.model import Protocol
from lvs.config.patterns import is_found
from lvs.nanny.checks import ANYTHING, Check
from lvs.nanny.probes.finding import Finding
from lvs.nanny.quoting import quote

BOUND = 64 * 1024  # bytes of answer looked at

AS_EXPECTED = Finding(True, "answered as expected")
ANSWERED = Finding(True, "answered")


def judge(check: Check, answer: bytes) -> Finding | None:
    """The finding on what has come so far; None: more could still make it good."""
    if check.protocol is Protocol.UDP and check.expect in (b"", ANYTHING):
        return ANSWERED  # any datagram is an answer, an empty one too
    if check.use_regex:
        return AS_EXPECTED if is_found(check.expect, answer) else None
    if check.expect == ANYTHING:
        return ANSWERED if answer else None
    if answer.startswith(check.expect):
        return AS_EXPECTED
    if check.expect.startswith(answer):
        return None
    return unexpected(check, answer)


def unexpected(check: Check, answer: bytes, ending: str = "") -> Finding:
    """Another answer than the expected one; ending: how it ended, for the end of the reason."""
    got = quote(answer) if answer else "nothing"
    return Finding(False, f"expected {_expectation(check)}, got {got}{ending}")


def too_late(check: Check, step: str, answer: bytes) -> Finding:
    """The limit was over at this step of the check."""
    limit = f" within {check.timeout:g} s"
    return unexpected(check, answer, limit) if answer else Finding(False, f"{step}: no answer{limit}")


def _expectation(check: Check) -> str:
    if check.use_regex:
        return f"a match of {quote(check.expect)}"
    return "an answer" if check.expect in (b"", ANYTHING) else quote(check.expect)
