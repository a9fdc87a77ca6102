"""How bytes that a real server said are repeated in a reason: quoted, bounded, nothing unprintable. Pure."""

from __future__ import annotations

SHOWN = 40  # bytes


def quote(raw: bytes, most: int = SHOWN) -> str:
    """The first `most` bytes between single quotes, as Python escapes what is not printable UTF-8."""
    shown = printable(raw[:most])
    return f"'{shown}…'" if len(raw) > most else f"'{shown}'"


def printable(raw: bytes) -> str:
    """The bytes as text in which every sign can be shown on a page or in a log."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
