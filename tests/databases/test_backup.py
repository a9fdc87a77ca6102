"""`piranha backup`, `restore` and `database move`, as an administrator runs them."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from tests.databases.conftest import Site
from tests.databases.filling import CODE
from tests.postgresql import PostgresServer

FILES = ("allow", "piranha.passwd", "secret.key", "signing.key", "signing.serial")
LOOK = """
from lvs import audit, models, store
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
    site.python(CODE)
    site.kept_sums = site.sums()
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
    said = new.run("restore", str(kept))
    assert "Everybody logs in again" in said
    assert new.sums() == old.kept_sums
    for name in FILES:
        assert (new.var / name).read_bytes() == (old.var / name).read_bytes(), name
        assert stat.S_IMODE((new.var / name).stat().st_mode) == 0o600, name
    assert not (new.var / "log").exists()
    new.python(LOOK)
    (new.var / "allow").write_text("192.0.2.0/24\n")
    before = new.sums()
    assert "Nothing was changed" in new.run("restore", str(kept), fails=True)
    assert "What was there before is in" in new.run("restore", "--force", str(kept))
    assert new.sums() == old.kept_sums
    (aside,) = new.var.glob("before-restore-*")
    assert (aside / "allow").read_text() == "192.0.2.0/24\n"
    (new.var / "piranha.sqlite3").unlink()
    (aside / "piranha.sqlite3").rename(new.var / "piranha.sqlite3")
    assert new.sums() == before


def test_a_sealed_backup_goes_through_a_pipe_and_a_damaged_database_is_no_hindrance(
    old: Site, tmp_path: Path
) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("five words in a row\n")
    new = Site(tmp_path / "var")
    (new.var / "secret.key").unlink()
    made = old.python(
        "import sys; from piranha_web.cli import main; "
        "sys.exit(main(['backup', '--passphrase-file', sys.argv[1], sys.argv[2]]))",
        str(phrase),
        str(tmp_path / "sealed"),
    )
    assert made == ""
    sealed = (tmp_path / "sealed").read_bytes()
    assert "is sealed" in new.run("restore", "-", given=sealed, fails=True)
    words = ("restore", "--passphrase-file", str(phrase))
    assert "It is whole" in new.run(*words, "--check", "-", given=sealed)
    (new.var / "piranha.sqlite3").write_bytes(b"SQLite format 3\0 no more" * 300)
    assert "cannot be used" in new.run(*words, "-", given=sealed, fails=True)
    new.run(*words, "--force", "-", given=sealed)
    assert new.sums() == old.kept_sums


def test_everything_moves_to_postgresql_and_back_and_is_compared(
    old: Site, kept: Path, database: str, server: PostgresServer, tmp_path: Path
) -> None:
    before = old.kept_sums
    file = tmp_path / "database.url"
    file.write_text(database)
    assert "all read back and the same" in old.run("database", "move", f"@{file}")
    assert "is not empty" in old.run("database", "move", "-", given=database.encode(), fails=True)
    new = Site(tmp_path / "var", database)
    assert new.sums() == old.sums() == before  # the one that was moved is as it was
    back = tmp_path / "back.sqlite3"
    assert "the same" in new.run("database", "move", str(back))
    (tmp_path / "again").mkdir()
    again = Site(tmp_path / "again" / "var")
    back.rename(again.var / "piranha.sqlite3")
    assert again.sums() == before
    assert "PostgreSQL database fresh" in new.run("database")
    for name in FILES:
        (new.var / name).write_bytes((old.var / name).read_bytes())
    new.python(LOOK)
    # A backup of the one is restored into the other, and what was there is in a schema of its own.
    assert "there is a manager here already" in new.run("restore", str(kept), fails=True)
    changed = new.sums()
    assert "DROP SCHEMA before_" in new.run("restore", "--force", str(kept))
    assert new.sums() == before != changed
    new.python(LOOK)


def test_a_database_that_cannot_be_reached_is_said_in_a_sentence_without_its_password(
    old: Site, tmp_path: Path
) -> None:
    url = b"postgresql://u:secret@127.0.0.1:1/lvs"
    said = old.run("database", "move", "-", given=url, fails=True)
    assert "PostgreSQL database lvs on 127.0.0.1 cannot be used" in said
    assert "secret" not in said
    assert "names no database" in old.run("database", "move", "elsewhere", fails=True)
    assert "there is no" in Site(tmp_path / "var").run("database", fails=True)
