"""`piranha backup`, `restore` and `database move`, as an administrator runs them."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from tests.databases.conftest import REFUSED, Site
from tests.databases.filling import CODE
from tests.postgresql import PostgresServer

FILES = ("allow", "piranha.passwd", "secret.key", "signing.key", "signing.serial")
LOOK = """
from lvs import models, store
from lvs.rows import audit
from piranha_web.access import passwords
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
assert models.Login.objects.count() == Session.objects.count() == 0
assert passwords.check_password("anna", "correct horse battery", settings.PIRANHA_PASSWORD_FILE)
cluster = models.Cluster.objects.get()
assert cluster.newest_revision().number == 3
assert len(store.load(cluster).virtual_servers[0].real_servers) == 119
entry = audit.write(audit.AuditEntry.Action.APPLY, "after it", user="bob")  # the numbers go on
assert entry.pk > 700, entry.pk
assert store.create_cluster("next", "r8").pk > cluster.pk
try:
    with transaction.atomic():
        connection.cursor().execute("DELETE FROM lvs_auditentry")
except DatabaseError as error:
    assert "only added to" in str(error)
else:
    raise AssertionError("the audit log is open")
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A manager that has been in use; no test changes it."""
    site = Site(tmp_path_factory.mktemp("old") / "var")
    site.kept_sums = site.all(("python", CODE), ("sums",))[1]
    return site


@pytest.fixture(scope="module")
def kept(old: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it, made while somebody was in the middle of a change."""
    path = tmp_path_factory.mktemp("kept") / "manager.piranha"
    with sqlite3.connect(old.var / "piranha.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE lvs_cluster SET name = 'half done'")
        said = old.run("backup", str(path))
        other.execute("ROLLBACK")
    other.close()
    assert "not sealed: whoever reads it can become this manager" in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"lab" not in path.read_bytes()  # compressed
    return path


def test_a_backup_makes_another_machine_the_same_manager_and_overwrites_nothing_unasked(
    old: Site, kept: Path, tmp_path: Path
) -> None:
    new = Site(tmp_path / "var")
    (new.var / "secret.key").unlink()
    said, sums, _ = new.all(("restore", str(kept)), ("sums",), ("python", LOOK))
    assert "Everybody logs in again" in said
    assert sums == old.kept_sums
    for name in FILES:
        assert (new.var / name).read_bytes() == (old.var / name).read_bytes(), name
        assert stat.S_IMODE((new.var / name).stat().st_mode) == 0o600, name
    assert not (new.var / "log").exists()
    (new.var / "allow").write_text("192.0.2.0/24\n")
    before, refused, forced, sums = new.all(
        ("sums",), (REFUSED, "restore", str(kept)), ("restore", "--force", str(kept)), ("sums",)
    )
    assert "Nothing was changed" in refused
    assert "What was there before is in" in forced
    assert sums == old.kept_sums != before
    (aside,) = new.var.glob("before-restore-*")
    assert (aside / "allow").read_text() == "192.0.2.0/24\n"
    (new.var / "piranha.sqlite3").unlink()
    (aside / "piranha.sqlite3").rename(new.var / "piranha.sqlite3")
    assert new.all(("sums",)) == [before]


def test_a_sealed_backup_goes_through_a_pipe_and_a_damaged_database_is_no_hindrance(
    old: Site, tmp_path: Path
) -> None:
    phrase, file = tmp_path / "phrase", tmp_path / "sealed"
    phrase.write_text("five words in a row\n")
    new = Site(tmp_path / "var")
    (new.var / "secret.key").unlink()
    made = old.python(
        "import sys; from piranha_web.cli import main; "
        "sys.exit(main(['backup', '--passphrase-file', sys.argv[1], sys.argv[2]]))",
        str(phrase),
        str(file),
    )
    assert made == ""
    words = ("restore", "--passphrase-file", str(phrase))
    damage = f"open({str(new.var / 'piranha.sqlite3')!r}, 'wb').write(b'SQLite format 3\\0 no more' * 300)"
    sealed, whole, _, damaged = new.all(
        (REFUSED, "restore", str(file)),
        (*words, "--check", str(file)),
        ("python", damage),
        (REFUSED, *words, str(file)),
    )
    assert "is sealed" in sealed
    assert "It is whole" in whole
    assert "cannot be used" in damaged
    new.run(*words, "--force", "-", given=file.read_bytes())
    assert new.all(("sums",)) == [old.kept_sums]


def test_everything_moves_to_postgresql_and_back_and_is_compared(
    old: Site, kept: Path, database: str, server: PostgresServer, tmp_path: Path
) -> None:
    before, back = old.kept_sums, tmp_path / "back.sqlite3"
    file = tmp_path / "database.url"
    file.write_text(database)
    moved, refused, left = old.all(
        ("database", "move", f"@{file}"), (REFUSED, "database", "move", f"@{file}"), ("sums",)
    )
    assert "all read back and the same" in moved
    assert "is not empty" in refused
    new = Site(tmp_path / "var", database)
    sums, moved, shown = new.all(("sums",), ("database", "move", str(back)), ("database",))
    assert sums == left == before  # the one that was moved is as it was
    assert "the same" in moved
    assert "PostgreSQL database fresh" in shown
    (tmp_path / "again").mkdir()
    again = Site(tmp_path / "again" / "var")
    back.rename(again.var / "piranha.sqlite3")
    assert again.all(("sums",)) == [before]
    for name in FILES:
        (new.var / name).write_bytes((old.var / name).read_bytes())
    # A backup of the one is restored into the other, and what was there is in a schema of its own.
    _, refused, changed, restored, sums, _ = new.all(
        ("python", LOOK),
        (REFUSED, "restore", str(kept)),
        ("sums",),
        ("restore", "--force", str(kept)),
        ("sums",),
        ("python", LOOK),
    )
    assert "there is a manager here already" in refused
    assert "DROP SCHEMA before_" in restored
    assert sums == before != changed


def test_a_database_that_cannot_be_reached_is_said_in_a_sentence_without_its_password(tmp_path: Path) -> None:
    site = Site(tmp_path / "var")
    url = b"postgresql://u:secret@127.0.0.1:1/lvs"
    said = site.run("database", "move", "-", given=url, fails=True)
    assert "PostgreSQL database lvs on 127.0.0.1 cannot be used" in said
    assert "secret" not in said
    elsewhere, missing = site.all((REFUSED, "database", "move", "elsewhere"), (REFUSED, "database"))
    assert "names no database" in elsewhere
    assert "there is no" in missing
