"""The dates of a certificate, and what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.nanny.certificate import Validity, outside, validity, warning

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def tlv(tag: int, value: bytes) -> bytes:
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8 or 1, "big")
    head = size if len(value) < 0x80 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + value


def certificate(begins: bytes, ends: bytes, *, version: bytes = tlv(0xA0, tlv(2, b"\2"))) -> bytes:
    """As much of one as its dates need; the issuer's name is long."""
    dates = tlv(0x30, begins + ends)
    signed = version + tlv(2, b"\1") + tlv(0x30, b"") + tlv(0x30, b"x" * 300) + dates + tlv(0x30, b"subject")
    return tlv(0x30, tlv(0x30, signed) + tlv(0x30, b"") + tlv(3, b"signature"))


@pytest.mark.parametrize("version", [tlv(0xA0, tlv(2, b"\2")), b""])
def test_both_forms_of_a_time_are_read(version: bytes) -> None:
    der = certificate(tlv(0x17, b"501231235959Z"), tlv(0x18, b"20500101000000Z"), version=version)
    assert validity(der) == Validity(
        datetime(1950, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
    )


def test_years_of_two_digits_are_from_1950_to_2049() -> None:
    der = certificate(tlv(0x17, b"491231235959Z"), tlv(0x17, b"990101000000Z"))
    assert (validity(der).begins.year, validity(der).ends.year) == (2049, 1999)


@settings(max_examples=30)
@given(st.data())
def test_what_is_no_certificate_is_a_value_error_and_nothing_worse(data: st.DataObject) -> None:
    whole = certificate(tlv(0x17, b"250101000000Z"), tlv(0x17, b"260101000000Z"))
    at = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:at], whole[:at] + data.draw(st.binary(min_size=1, max_size=3)), b"\x30\xff"):
        try:
            validity(broken)
        except ValueError:
            continue


def test_a_certificate_that_was_cut_off_has_no_dates() -> None:
    whole = certificate(tlv(0x17, b"250101000000Z"), tlv(0x17, b"260101000000Z"))
    for end in range(0, len(whole), 7):
        with pytest.raises(ValueError):
            validity(whole[:end])


@pytest.mark.parametrize(
    ("left", "days", "words"),
    [
        (timedelta(days=14), 14, ""),
        (timedelta(days=13, hours=23), 14, "certificate ends in 13 days"),
        (timedelta(days=1, hours=23), 14, "certificate ends in 1 day"),
        (timedelta(hours=23), 14, "certificate ends within a day"),
        (timedelta(hours=23), 0, ""),
        (timedelta(hours=-13), 14, "certificate expired on 2026-02-28"),
        (timedelta(hours=-13), 0, ""),
    ],
)
def test_the_end_is_warned_of_from_so_many_days_before(left: timedelta, days: int, words: str) -> None:
    assert warning(Validity(NOW - timedelta(days=365), NOW + left), NOW, days) == words


def test_a_certificate_is_outside_of_its_time_before_and_after() -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(days=1)
    assert outside(Validity(begins, ends), NOW) == "certificate is not valid before 2026-03-01 13:00 UTC"
    assert outside(Validity(begins, ends), begins) == ""
    assert outside(Validity(begins, ends), ends) == ""
    assert outside(Validity(begins, ends), ends + timedelta(seconds=1)) == "certificate expired on 2026-03-02"
