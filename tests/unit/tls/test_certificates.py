"""Certificates as files: what makes one usable, and what is made here."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from piranha_web.tls import making, names, own
from piranha_web.tls.certificates import TlsRefused, chain, covers, described, ending, remarks, usable

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
NAMES = ("localhost", "lb.example.org", "192.0.2.7")


@pytest.fixture
def pair(tmp_path):
    """A certificate of an authority, with its key: what an administrator brings."""
    signer, signing_key = making.authority(NOW)
    made, key = making.signed_by(signer, signing_key, ["lb.example.org", "192.0.2.7"], NOW)
    making.write(tmp_path / "cert.pem", making.pem(made) + making.pem(signer))
    making.write(tmp_path / "key.pem", making.pem_of_key(key))
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_a_certificate_with_its_key_is_usable_and_says_what_it_is(pair):
    found = usable(*pair, NOW)

    assert found.subject == "lb.example.org"
    assert found.names == ("lb.example.org", "192.0.2.7")
    assert found.signer.startswith("Piranha authority ")
    assert not found.is_self_signed
    der = ssl.PEM_cert_to_DER_cert(
        pair[0].read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
    )
    assert found.fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()


def refused(certificate, key, now=NOW) -> str:
    with pytest.raises(TlsRefused) as caught:
        usable(certificate, key, now)
    return str(caught.value)


def test_one_that_has_ended_or_not_begun_is_refused_and_the_clock_is_named(pair):
    assert "ended on" in refused(*pair, NOW + timedelta(days=821))
    assert "clock" in refused(*pair, NOW + timedelta(days=821))
    assert "begins on" in refused(*pair, NOW - timedelta(days=1))


def test_a_key_that_does_not_fit_is_refused(pair, tmp_path):
    making.write(tmp_path / "other.pem", making.pem_of_key(making.new_key()))
    assert "does not fit" in refused(pair[0], tmp_path / "other.pem")


def test_a_chain_in_the_wrong_order_is_told_so(pair, tmp_path):
    first, second = chain(pair[0])
    making.write(tmp_path / "turned.pem", making.pem(second) + making.pem(first))
    assert "put the server's own certificate first" in refused(tmp_path / "turned.pem", pair[1])


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_or_key_is_told_what_it_should_be(pair, tmp_path, content):
    (tmp_path / "odd").write_bytes(content)
    assert "-----BEGIN CERTIFICATE-----" in refused(tmp_path / "odd", pair[1])
    assert "PRIVATE KEY-----" in refused(pair[0], tmp_path / "odd")


def test_files_that_are_not_there_or_much_too_large_are_told_so(pair, tmp_path):
    assert "cannot be read" in refused(tmp_path / "none", pair[1])
    assert "cannot be read" in refused(pair[0], tmp_path)
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    assert "more than a megabyte" in refused(tmp_path / "large", pair[1])


def test_a_key_behind_a_passphrase_is_refused_with_the_way_to_unlock_it(pair, tmp_path):
    locked = making.new_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "locked").write_bytes(locked)
    assert "openssl pkey" in refused(pair[0], tmp_path / "locked")


def test_an_administrator_is_warned_three_weeks_before_the_end(pair):
    found = usable(*pair, NOW)
    assert ending(found, found.not_after - timedelta(days=21, seconds=1)) == ""
    assert "ends in 20 days" in ending(found, found.not_after - timedelta(days=20, hours=1))
    assert "ends today" in ending(found, found.not_after - timedelta(hours=1))
    assert "ended on" in ending(found, found.not_after)


def test_what_will_trouble_somebody_is_said(pair, tmp_path):
    assert remarks(*pair, ["lb.example.org"], NOW) == []
    pair[1].chmod(0o644)
    making.write(tmp_path / "alone.pem", making.pem(chain(pair[0])[0]))
    said = " ".join(remarks(tmp_path / "alone.pem", pair[1], ["panel.example.org"], NOW))
    assert "not for panel.example.org" in said
    assert "chmod o=" in said
    assert "certificate alone" in said


@pytest.mark.parametrize(
    ("name", "is_covered"),
    [("a.example.org", True), ("A.Example.org.", True), ("a.b.example.org", False), ("example.org", False)],
)
def test_a_star_stands_for_one_label(name, is_covered):
    assert covers(["*.example.org"], name) is is_covered


def test_the_own_certificate_is_made_once_for_every_name_and_only_for_its_owner(tmp_path):
    path = tmp_path / "tls.pem"
    made, why = own.ensure(path, NAMES, NOW)

    assert why == "there was none"
    assert made.is_self_signed
    assert made.names == NAMES
    assert made.not_after - NOW <= timedelta(days=825)
    assert path.stat().st_mode & 0o777 == 0o600
    assert own.ensure(path, NAMES, NOW) == (made, "")
    assert own.ensure(path, NAMES[:2], NOW) == (made, "")


def test_the_own_certificate_is_made_anew_for_a_new_name_and_thirty_days_before_its_end(tmp_path):
    path = tmp_path / "tls.pem"
    first, _ = own.ensure(path, NAMES, NOW)
    second, why = own.ensure(path, (*NAMES, "192.0.2.8"), NOW)
    assert "not for 192.0.2.8" in why
    assert own.ensure(path, (), second.not_after - timedelta(days=30, seconds=1)) == (second, "")
    third, why = own.ensure(path, (), second.not_after - timedelta(days=30))
    assert "ends on" in why
    assert third.names == second.names
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_a_clock_that_is_behind_makes_no_other_certificate_which_every_browser_would_ask_about(tmp_path):
    path = tmp_path / "tls.pem"
    made, _ = own.ensure(path, NAMES, NOW)
    assert own.ensure(path, NAMES, NOW - timedelta(days=20_000)) == (made, "")
    assert own.ensure(path, (), NOW - timedelta(days=20_000)) == (made, "")


def test_an_own_certificate_that_was_damaged_is_made_anew(tmp_path):
    path = tmp_path / "tls.pem"
    path.write_text("nothing")
    made, why = own.ensure(path, NAMES, NOW)
    assert "could not be used" in why
    assert usable(path, path, NOW) == made


def test_the_authority_vouches_for_what_it_signed_and_for_nothing_else(pair):
    leaf, signer = chain(pair[0])
    leaf.verify_directly_issued_by(signer)
    with pytest.raises(ValueError, match="Issuer"):
        leaf.verify_directly_issued_by(making.authority(NOW)[0])
    assert described(leaf).issuer == described(signer).subject
    assert leaf.not_valid_after_utc <= signer.not_valid_after_utc


def test_nothing_that_the_authority_signs_outlives_it():
    signer, key = making.authority(NOW - timedelta(days=3600))
    leaf, _key = making.signed_by(signer, key, ["redis.example.org"], NOW)
    assert leaf.not_valid_after_utc == signer.not_valid_after_utc


def test_names_for_a_certificate_are_sorted_and_what_no_certificate_can_have_is_left_out():
    found = names.sorted_out(
        ["localhost", "LB.example.org.", "*", "0.0.0.0", "::", "fe80::1", "10.0.0.9", "10.0.0.1",
         "[2001:db8::1]", "lb.example.org", "a b", "-x", ""]
    )  # fmt: skip
    assert found == (
        "localhost", "lb.example.org", "10.0.0.1", "10.0.0.9", "127.0.0.1", "::1", "2001:db8::1"
    )  # fmt: skip


def test_the_addresses_of_this_machine_are_addresses():
    assert all(ip_address(one) for one in names.addresses())
    assert "localhost" in names.of_this_machine()
