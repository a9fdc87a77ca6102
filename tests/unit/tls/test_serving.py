"""Whether TLS is spoken, and the certificate that changes while the server runs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from piranha_web.tls import making, own
from piranha_web.tls.binds import only_by_tls
from piranha_web.tls.certificates import TlsRefused
from piranha_web.tls.serving import ENDED_EVERY, Serving, Shown


def serving(tmp_path, **variables: str) -> Serving:
    return Serving.from_environment({"PIRANHA_VAR": str(tmp_path), **variables})


@pytest.mark.parametrize(
    ("variables", "tls"),
    [
        ({}, False),
        ({"PIRANHA_BIND": "127.0.0.1 ::1 unix:/run/x"}, False),
        ({"PIRANHA_BIND": "localhost", "PIRANHA_TLS": "on"}, True),
        ({"PIRANHA_BIND": "0.0.0.0"}, True),
        ({"PIRANHA_BIND": "127.0.0.1, [::]"}, True),
        ({"PIRANHA_BIND": "192.0.2.1", "PIRANHA_PROXIES": "192.0.2.2"}, True),
        ({"PIRANHA_BIND": "192.0.2.1", "PIRANHA_PROXIES": "192.0.2.2", "PIRANHA_TLS": "off"}, False),
        ({"PIRANHA_TLS": "off"}, False),
        ({"PIRANHA_BIND": "panel.example.org"}, True),
    ],
)
def test_tls_is_spoken_wherever_others_could_listen(tmp_path, variables, tls):
    assert serving(tmp_path, **variables).tls is tls


def test_plain_passwords_over_the_network_are_refused_with_three_ways_out(tmp_path):
    with pytest.raises(TlsRefused) as caught:
        serving(tmp_path, PIRANHA_BIND="0.0.0.0", PIRANHA_TLS="off")
    for word in ("0.0.0.0", "127.0.0.1", "PIRANHA_PROXIES", "Leave PIRANHA_TLS out"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"PIRANHA_TLS": "maybe"}, "auto, on or off"),
        ({"PIRANHA_TLS_KEY": "/x"}, "PIRANHA_TLS_CERT"),
        ({"PIRANHA_PORT": "0"}, "1 to 65535"),
        ({"PIRANHA_PORT": "99999999999"}, "1 to 65535"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(tmp_path, variables, word):
    with pytest.raises(TlsRefused, match=word):
        serving(tmp_path, **variables)


def test_addresses_are_in_gunicorns_words(tmp_path):
    found = serving(tmp_path, PIRANHA_BIND="0.0.0.0 [::1] 2001:db8::1 unix:/run/x", PIRANHA_PORT="443")
    assert found.addresses == ["0.0.0.0:443", "[::1]:443", "[2001:db8::1]:443", "unix:/run/x"]


def test_where_others_could_listen_a_request_must_have_come_by_tls():
    assert not only_by_tls({})
    assert not only_by_tls({"PIRANHA_BIND": "::1"})
    assert only_by_tls({"PIRANHA_BIND": "0.0.0.0"})


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def put(folder, name: str) -> None:
    """A certificate of that name, and its key, as an administrator brings them."""
    made, key = making.self_signed([name], datetime.now(UTC))
    making.write(folder / "key.pem", making.pem_of_key(key))
    making.write(folder / "cert.pem", making.pem(made))


@pytest.fixture
def brought(tmp_path) -> Serving:
    put(tmp_path, "old.example.org")
    return serving(
        tmp_path,
        PIRANHA_TLS="on",
        PIRANHA_TLS_CERT=f"{tmp_path}/cert.pem",
        PIRANHA_TLS_KEY=f"{tmp_path}/key.pem",
    )


def subject_of(context: ssl.SSLContext) -> bytes:
    """The certificate that a client gets."""
    client, server = socket.socketpair()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    thread = threading.Thread(target=lambda: context.wrap_socket(server, server_side=True).close())
    thread.start()
    with asking.wrap_socket(client) as one:
        found = one.getpeercert(binary_form=True)
    thread.join()
    assert found
    return found


def test_a_new_certificate_is_shown_to_new_connections(brought, tmp_path):
    shown = Shown(brought)
    before = subject_of(shown.context())
    put(tmp_path, "new.example.org")
    shown.look()
    assert shown.certificate.subject == "new.example.org"
    assert subject_of(shown.context()) != before
    assert shown.notice() == ""


def test_one_that_cannot_be_used_changes_nothing_and_is_said(brought, tmp_path):
    shown = Shown(brought)
    before = subject_of(shown.context())
    (tmp_path / "cert.pem").write_text("oops")
    shown.look()
    assert subject_of(shown.context()) == before
    assert "the certificate before is kept" in shown.notice()
    put(tmp_path, "good.example.org")
    shown.look()
    assert shown.notice() == ""
    assert shown.certificate.subject == "good.example.org"


def test_a_certificate_that_came_before_its_key_is_taken_up_with_it(brought, tmp_path):
    shown = Shown(brought)
    made, key = making.self_signed(["next.example.org"], datetime.now(UTC))
    making.write(tmp_path / "cert.pem", making.pem(made))
    shown.look()
    assert "does not fit" in shown.notice()
    making.write(tmp_path / "key.pem", making.pem_of_key(key))
    shown.look()
    assert shown.certificate.subject == "next.example.org"
    assert shown.notice() == ""


def test_an_administrators_certificate_is_complained_about_before_it_ends(brought):
    clock = Clock()
    shown = Shown(brought, clock)
    clock.now = shown.certificate.not_after - timedelta(days=22)
    assert shown.notice() == ""
    clock.now = shown.certificate.not_after - timedelta(days=20)
    assert "ends in" in shown.notice()


def test_our_own_is_made_anew_while_the_server_runs_and_nobody_is_troubled(tmp_path):
    clock = Clock()
    shown = Shown(serving(tmp_path, PIRANHA_TLS="on"), clock)
    before = shown.certificate
    clock.now = before.not_after - own.RENEW_BEFORE
    assert shown.notice() == ""
    # What is made then begins then: only whether it is made is asked here, not whether it counts today.
    shown.renew()
    shown.look()
    assert shown.certificate.fingerprint != before.fingerprint
    assert shown.certificate.names == before.names
    assert shown.notice() == ""


def test_our_own_that_ended_because_the_clock_was_set_is_made_anew_within_a_minute(tmp_path):
    clock = Clock()
    shown = Shown(serving(tmp_path, PIRANHA_TLS="on"), clock)
    before = shown.certificate
    clock.now = before.not_after + timedelta(days=9000)
    shown._looked_at = shown._renewed_at = time.monotonic() - ENDED_EVERY
    shown.context()
    assert shown.certificate.fingerprint != before.fingerprint
    assert shown.notice() == ""


def test_our_own_that_could_not_be_made_anew_is_complained_about(tmp_path):
    clock = Clock()
    shown = Shown(serving(tmp_path, PIRANHA_TLS="on"), clock)
    clock.now = shown.certificate.not_after - timedelta(days=8)
    assert "ends in 8 days" in shown.notice()


def test_no_old_version_of_tls_is_spoken(brought):
    assert Shown(brought).context().minimum_version == ssl.TLSVersion.TLSv1_2
