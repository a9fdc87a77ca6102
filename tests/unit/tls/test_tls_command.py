"""`piranha tls`, and the authority behind Redis' certificate."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from lvs.machines import broker
from piranha_web.cli import main
from piranha_web.tls import authority, making
from piranha_web.tls.certificates import TlsRefused, chain, described, public_of_key, spki
from piranha_web.tls.serving import Serving

NOW = datetime.now(UTC)


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


def serve(var: Path, **variables: str) -> Serving:
    """As the web server does when it starts."""
    serving = Serving.from_environment({"PIRANHA_VAR": str(var), "PIRANHA_TLS": "on", **variables})
    serving.ensure(NOW)
    serving.remember()
    return serving


def piranha(var: Path, *words: str) -> int:
    return main(["tls", *words, "--var", str(var)])


def test_it_shows_what_the_running_server_shows_whatever_the_environment_here(var, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    serving = serve(var, PIRANHA_HOSTS="lb.example.org")
    found = described(chain(serving.files[0])[0])
    assert piranha(var) == 0
    said = capsys.readouterr().out
    assert found.fingerprint in said
    assert "lb.example.org" in said
    assert "made by this server" in said
    assert "itself" in said
    assert "819 days from now" in said or "820 days from now" in said


def test_a_server_without_tls_is_said_to_be_so(var, capsys):
    serve(var, PIRANHA_TLS="off")
    assert piranha(var) == 0
    assert "without TLS" in capsys.readouterr().out


def test_the_own_one_is_made_anew_for_the_same_server(var, capsys):
    before = described(chain(serve(var, PIRANHA_HOSTS="lb.example.org").files[0])[0])
    assert piranha(var, "renew") == 0
    after = described(chain(var / "tls.pem")[0])
    assert after.fingerprint in capsys.readouterr().out.replace("\n            ", "")
    assert after.fingerprint != before.fingerprint
    assert "lb.example.org" in after.names


def test_an_administrators_certificate_is_checked_and_not_made_anew(var, tmp_path, capsys):
    made, key = making.self_signed(["lb.example.org"], NOW - timedelta(days=810))
    making.write(tmp_path / "pair.pem", making.pem_of_key(key) + making.pem(made))
    serve(var, PIRANHA_TLS_CERT=str(tmp_path / "pair.pem"), PIRANHA_HOSTS="lb.example.org panel.example.org")
    assert piranha(var, "check") == 1
    said = capsys.readouterr().out
    assert "ends in" in said
    assert "not for panel.example.org" in said
    assert piranha(var, "renew") == 1
    assert "have whoever signed it make another" in capsys.readouterr().err
    (tmp_path / "pair.pem").write_text("oops")
    assert piranha(var, "check") == 1
    assert "no certificate that can be read" in capsys.readouterr().err


def test_a_good_one_is_said_to_be_good(var, capsys):
    serve(var)
    assert piranha(var, "check") == 0
    assert "✔" in capsys.readouterr().out


def test_redis_gets_a_certificate_of_an_authority_that_stays(var, tmp_path, capsys):
    for _ in range(2):
        assert piranha(var, "redis", "redis.example.org", "192.0.2.1", "--folder", str(tmp_path / "tls")) == 0
    said = capsys.readouterr().out
    assert "tls-port 6380" in said
    assert f"PIRANHA_BROKER_CA={var}/ca.pem" in said
    signer, leaf = chain(var / "ca.pem")[0], chain(tmp_path / "tls" / "redis.pem")[0]
    leaf.verify_directly_issued_by(signer)
    assert described(leaf).names == ("redis.example.org", "192.0.2.1")
    assert spki(leaf) == public_of_key(tmp_path / "tls" / "redis.key")
    for secret in (var / "ca.key", tmp_path / "tls" / "redis.key"):
        assert secret.stat().st_mode & 0o777 == 0o600
    # A context of Redis' own kind takes it, and that of a client takes the authority.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        tmp_path / "tls/redis.pem", tmp_path / "tls/redis.key"
    )
    assert broker.context((var / "ca.pem").read_text()).verify_mode == ssl.CERT_REQUIRED


def test_redis_certificate_is_kept_until_something_speaks_against_it(var, tmp_path):
    def made(names: list[str], now: datetime) -> bytes:
        return authority.ensure_for_redis(var, tmp_path, names, now).read_bytes()

    first = made(["127.0.0.1"], NOW)
    assert made(["127.0.0.1"], NOW) == first
    second = made(["127.0.0.1", "192.0.2.1"], NOW)
    assert second != first
    assert made(["192.0.2.1"], NOW) == second
    third = made(["192.0.2.1"], NOW + timedelta(days=800))
    assert third != second
    for name in ("ca.pem", "ca.key"):
        (var / name).unlink()
    assert made(["192.0.2.1"], NOW) != third  # another authority


def test_an_authority_without_its_key_is_not_made_anew_behind_everybodys_back(var):
    authority.ensure(var, NOW)
    making.write(var / "ca.key", making.pem_of_key(making.new_key()))
    with pytest.raises(TlsRefused, match="enrol every router again"):
        authority.ensure(var, NOW)
    (var / "ca.key").unlink()
    with pytest.raises(TlsRefused, match="cannot be read"):
        authority.ensure(var, NOW)


def test_a_file_of_the_authority_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(broker.VARIABLE, "/nowhere/ca.pem")
    with pytest.raises(redis.ConnectionError, match="PIRANHA_BROKER_CA"):
        broker.authority()
    broker.trust("PEM")
    assert broker.authority() == "PEM"
    broker.trust(None)


def test_no_address_can_talk_redis_client_out_of_looking_at_the_certificate():
    one = broker.VerifiedConnection(host="x", ssl_cert_reqs="none", ssl_check_hostname=False)
    assert one.cert_reqs == ssl.CERT_REQUIRED
    assert one.check_hostname
