"""A password file that Piranha or Apache wrote: its hashes are believed once, then replaced."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lvs import models
from piranha_web.access import passwords

PASSWORD = "secret pw"
# That password as `openssl passwd`, crypt(3) of the C library and `htpasswd -s` write it.
OLD = {
    "apr_md5_crypt": "$apr1$abcdefgh$hI0fYJTl3mI2IQqENIv8//",
    "md5_crypt": "$1$abcdefgh$afp82vXACMNMEFVxkGSIb/",
    "sha256_crypt": "$5$abcdefgh$u38dWrnZovI.F76EjRazu8CK4f245zUyWOpc8bj.Ev2",
    "sha512_crypt": (
        "$6$abcdefgh$WdHF886DHEmHNoXvFPHT8olHDL8oc1meu0zrG5hxiw/RRTpg0EWKNoY7wdI/FnSL4gIAet7m07flrSzALUExj."
    ),
    "des_crypt": "abvOVwEVZZ8hM",
    "ldap_sha1": "{SHA}rS7uKHTXnyVCt9RR2Lh+fJ2k/DM=",
    # `htpasswd -B` writes $2y$, other programs $2a$ and $2b$ before the same.
    "bcrypt of Apache": "$2y$05$abcdefghijklmnopqrstuumsZc.XhT0ytj9DWn3tazXGoQsX4E3J2",
    "bcrypt": "$2b$05$abcdefghijklmnopqrstuumsZc.XhT0ytj9DWn3tazXGoQsX4E3J2",
    "older bcrypt": "$2a$05$abcdefghijklmnopqrstuumsZc.XhT0ytj9DWn3tazXGoQsX4E3J2",
}


@pytest.fixture
def own_file(site: Any, tmp_path: Path) -> Path:
    path = tmp_path / "piranha.passwd"
    site.PIRANHA_PASSWORD_FILE = path
    return path


def log_in(client: Client, password: str) -> int:
    return client.post("/login", {"username": "old", "password": password}).status_code


@pytest.mark.parametrize("kind", OLD)
def test_the_right_password_of_an_old_file_opens_and_is_kept_as_argon2(
    anonymous: Client, cluster: models.Cluster, own_file: Path, kind: str
) -> None:
    own_file.write_text(f"# by hand\nother:{OLD['des_crypt']}\nold:{OLD[kind]}\n")
    own_file.chmod(0o644)

    assert log_in(anonymous, PASSWORD) == 302

    assert anonymous.get("/help").status_code == 200
    found = own_file.read_text()
    assert "old:$argon2id$" in found
    assert f"other:{OLD['des_crypt']}\n" in found
    assert stat.S_IMODE(own_file.stat().st_mode) == 0o600
    assert log_in(Client(), PASSWORD) == 302
    assert own_file.read_text() == found


@pytest.mark.parametrize("kind", OLD)
def test_a_wrong_password_neither_opens_nor_replaces_an_old_hash(
    anonymous: Client, own_file: Path, kind: str
) -> None:
    own_file.write_text(f"old:{OLD[kind]}\n")

    assert log_in(anonymous, "Secret pw") == 403
    assert log_in(anonymous, OLD[kind]) == 403

    assert own_file.read_text() == f"old:{OLD[kind]}\n"


@pytest.mark.parametrize(
    "line",
    [
        "old:secret pw",  # as it is: htpasswd -p
        "old:",
        "old",
        "old:$apr1$",
        "old:$apr1$toolongasalt$x",
        "old:$2y$05$",
        "old:$argon2id$",
        "old:$6$rounds=1$x$y",
        "old:!",
        "old:*",
        "old:{SSHA}rS7uKHTXnyVCt9RR2Lh+fJ2k/DM=",
    ],
)
def test_what_is_no_hash_is_nobodys(anonymous: Client, own_file: Path, line: str) -> None:
    own_file.write_text(f"{line}\n")

    for tried in (PASSWORD, "", line.partition(":")[2]):
        assert log_in(anonymous, tried) == 403


@pytest.mark.parametrize(
    "costly",
    [
        "$2y$31$abcdefghijklmnopqrstuumsZc.XhT0ytj9DWn3tazXGoQsX4E3J2",  # days
        "$2b$14$abcdefghijklmnopqrstuumsZc.XhT0ytj9DWn3tazXGoQsX4E3J2",
        "$6$rounds=999999999$abcdefgh$" + "a" * 86,  # half an hour
        "$5$rounds=1000001$abcdefgh$" + "a" * 43,
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21l$" + "a" * 43,  # 4 GiB
        "$argon2id$v=19$m=65536,t=4000000000,p=1$c29tZXNhbHRzb21l$" + "a" * 43,
        "$argon2i$m=8,t=4000000000,p=1$c29tZXNhbHRzb21l$" + "a" * 43,
        "$argon2id$t=4000000000,m=8,p=1$c29tZXNhbHRzb21l$" + "a" * 43,
    ],
    ids=lambda found: found[:24],
)
def test_a_hash_that_would_keep_the_server_busy_is_not_looked_at(
    anonymous: Client, own_file: Path, monkeypatch: pytest.MonkeyPatch, costly: str
) -> None:
    def verify(password: bytes, found: str) -> bool:
        assert found != costly
        return False

    own_file.write_text(f"old:{costly}\n")
    monkeypatch.setattr(passwords.CONTEXT, "verify", verify)

    assert log_in(anonymous, PASSWORD) == 403

    assert passwords.kind_of(costly) == ""


@pytest.mark.parametrize("affordable", [*OLD.values(), passwords.CONTEXT.hash(PASSWORD)])
def test_what_others_usually_write_is_affordable(affordable: str) -> None:
    assert passwords.kind_of(affordable)


def test_of_a_long_password_bcrypt_has_seen_the_first_72_bytes(anonymous: Client, own_file: Path) -> None:
    own_file.write_text("old:$2y$05$abcdefghijklmnopqrstuu9CyuiEyTnupb4rnoYIlshaDzoYa6ZaS\n")
    long = "é" * 36

    assert log_in(anonymous, long[:-1] + "!") == 403
    assert log_in(anonymous, long + " and more") == 302
    assert log_in(Client(), long) == 403  # what was typed counts from the first login on


def test_a_file_that_cannot_be_written_keeps_nobody_out(
    anonymous: Client, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(f"{path} is on a read-only file system")

    own_file.write_text(f"old:{OLD['des_crypt']}\n")
    monkeypatch.setattr(passwords, "replace", refuse)

    assert log_in(anonymous, PASSWORD) == 302
    assert anonymous.get("/help").status_code == 200


def test_a_hash_that_somebody_set_meanwhile_stays(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_file.write_text(f"old:{OLD['des_crypt']}\n")
    make = passwords.CONTEXT.hash

    def meanwhile(password: str) -> str:
        own_file.write_text(f"old:{OLD['md5_crypt']}\n")
        return str(make(password))

    monkeypatch.setattr(passwords.CONTEXT, "hash", meanwhile)

    assert not passwords.strengthen("old", PASSWORD, own_file)
    assert OLD["md5_crypt"] in own_file.read_text()


def test_a_wrong_password_costs_as_much_for_an_old_hash_as_for_none(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_file.write_text(f"old:{OLD['ldap_sha1']}\n")
    spent: list[str] = []
    monkeypatch.setattr(passwords.CONTEXT, "dummy_verify", lambda: spent.append("as for argon2"))

    assert not passwords.check_password("old", "wrong password", own_file)
    assert not passwords.check_password("nobody", "wrong password", own_file)

    assert len(spent) == 2


def test_lines_that_are_no_accounts_keep_nobody_out_and_are_not_lost(
    anonymous: Client, cluster: models.Cluster, own_file: Path
) -> None:
    own_file.write_bytes(f"half a line\na:b:c\nold:{OLD['des_crypt']}\n".encode() + b"\xe4nna:x\n")

    assert log_in(anonymous, PASSWORD) == 302

    found = own_file.read_bytes()
    assert found.startswith(b"# not an account: half a line\n# not an account: a:b:c\nold:$argon2id$")
    assert b"# not an account: \xe4nna:x\n" in found
    assert passwords.names(own_file) == ["old"]


def test_an_account_can_be_taken_out_and_the_others_stay(own_file: Path) -> None:
    own_file.write_text(f"old:{OLD['des_crypt']}\nother:{OLD['des_crypt']}\n")

    assert passwords.remove("old", own_file)
    assert not passwords.remove("old", own_file)

    assert own_file.read_text() == f"other:{OLD['des_crypt']}\n"
    assert passwords.names(own_file) == ["other"]
