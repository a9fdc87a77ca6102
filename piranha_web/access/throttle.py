"""Slows down whoever guesses passwords: after some failures an address has to wait.

Kept in the memory of each web server process, so the limit holds once for each of them.
"""

from __future__ import annotations

from django.core.cache import cache

FAILURES = 10
WINDOW = 300  # seconds in which failures count, and the wait after too many


def key(address: str) -> str:
    """Where the failures of an address are counted."""
    return f"login-failures-{address}"


def is_waiting(address: str) -> bool:
    """Whether this address has failed too often."""
    return int(cache.get(key(address), 0)) >= FAILURES


def record_failure(address: str) -> None:
    """Counts one more failure."""
    cache.add(key(address), 0, WINDOW)
    cache.incr(key(address))


def forgive(address: str) -> None:
    """Forgets the failures of an address from which somebody has logged in."""
    cache.delete(key(address))
