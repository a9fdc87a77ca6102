"""The word by which a scraper may read the metrics: kept as its hash in a file that this user alone may read.

256 random bits: there is nothing to guess, so nothing is counted. Without a file nobody gets anything.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from piranha_web.access.whole_file import replace

NAME = "metrics.token"
PREFIX = "piranha-metrics-"  # what scanners for lost secrets can look for


def make(path: Path) -> str:
    """A new one in the place of the one before; it is shown this once. OSError: nothing was changed."""
    made = PREFIX + secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, f"{_hash(made)}\n".encode())
    return made


def revoke(path: Path) -> bool:
    """Nobody may read the metrics any more; whether anybody could. OSError: nothing was changed."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def is_right(path: Path, header: str) -> bool:
    """Whether an Authorization header has it. OSError: the file cannot be read."""
    scheme, _, word = header.partition(" ")
    try:
        kept = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return False
    right = hmac.compare_digest(_hash(word.strip()).encode(), kept.encode())
    return right and scheme.lower() == "bearer" and bool(kept)


def _hash(word: str) -> str:
    return hashlib.sha256(word.encode(errors="surrogateescape")).hexdigest()
