"""Reading an address quickly: the same answers as the standard library's, whatever is written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvs.config.address import address_of


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "10.0.0.1", "255.255.255.255", "::1", "2001:db8::10", "fe80::1%eth0"]
)
def test_every_address_is_read_as_the_library_reads_it(text: str) -> None:
    assert address_of(text) == ip_address(text)
    assert str(address_of(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1..3.4", "-1.2.3.4",
     "1.2.3.4/24", "eth0", "1.2.3.+4", "1.2.3.\u0664"],
)  # fmt: skip
def test_what_the_library_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        ip_address(text)
    with pytest.raises(ValueError, match="does not appear to be"):
        address_of(text)
