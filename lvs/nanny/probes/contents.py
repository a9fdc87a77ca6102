"""What is expected anywhere in a text that a server gave: a page's body, a DNS record."""

from __future__ import annotations

from lvs.config.patterns import is_found
from lvs.nanny.checks import ANYTHING, Check
from lvs.nanny.quoting import quote


def has_expected(check: Check, text: bytes) -> bool:
    if check.use_regex:
        return is_found(check.expect, text)
    return bool(text) if check.expect == ANYTHING else check.expect in text


def expectation(check: Check) -> str:
    """What is looked for, as a reason names it."""
    if check.use_regex:
        return f"a match of {quote(check.expect)}"
    return "anything" if check.expect == ANYTHING else quote(check.expect)
