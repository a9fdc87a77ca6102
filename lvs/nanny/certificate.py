"""From when to when a certificate is valid, read from its DER; and what to say of its end. Pure.

Python's ssl takes a certificate apart only when it was verified. Where that is not wanted, its end is still
worth a warning, and the two dates stand at a fixed place (RFC 5280, 4.1): Certificate, its first part
tbsCertificate, in it behind an optional [0] version the serial number, the algorithm, the issuer, and then
Validity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_SEQUENCE = 0x30
_VERSION = 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Validity:
    """Both in UTC, both included."""

    begins: datetime
    ends: datetime


def validity(der: bytes) -> Validity:
    """The dates of the certificate; ValueError when it is none."""
    certificate, _ = _value(der, _SEQUENCE)
    rest, _ = _value(certificate, _SEQUENCE)
    if rest[:1] == bytes([_VERSION]):
        rest = _behind(rest)
    for _ in ("serialNumber", "signature", "issuer"):
        rest = _behind(rest)
    dates, _ = _value(rest, _SEQUENCE)
    return Validity(_time(dates), _time(_behind(dates)))


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """The tag and the value of the first element, and what stands behind it (X.690, 8.1)."""
    if len(der) < 2:
        raise ValueError("the certificate ends too early")
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    end = start + length
    if end > len(der):
        raise ValueError("the certificate ends too early")
    return der[0], der[start:end], der[end:]


def _value(der: bytes, tag: int) -> tuple[bytes, bytes]:
    found, value, rest = _element(der)
    if found != tag:
        raise ValueError(f"the certificate has the tag {found:#x} in the place of {tag:#x}")
    return value, rest


def _behind(der: bytes) -> bytes:
    return _element(der)[2]


def _time(der: bytes) -> datetime:
    """A Time of RFC 5280, 4.1.2.5, which is always to the second and in UTC."""
    tag, value, _ = _element(der)
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"the certificate has the tag {tag:#x} in the place of a time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def outside(dates: Validity, now: datetime) -> str:
    """Why the certificate is not valid now; "" when it is."""
    if now > dates.ends:
        return f"certificate expired on {dates.ends:%Y-%m-%d}"
    if now < dates.begins:
        return f"certificate is not valid before {dates.begins:%Y-%m-%d %H:%M} UTC"
    return ""


def warning(dates: Validity, now: datetime, days: int) -> str:
    """What to warn of when the certificate ends within that many days, or is not valid now; 0: nothing."""
    if not days:
        return ""
    left = dates.ends - now
    if invalid := outside(dates, now):
        return invalid
    if left >= days * _DAY:
        return ""
    if left < _DAY:
        return "certificate ends within a day"
    return f"certificate ends in {left // _DAY} day{'s' if left >= 2 * _DAY else ''}"
