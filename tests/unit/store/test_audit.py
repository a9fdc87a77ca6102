"""The audit log: what an entry holds, what the database refuses, and how old entries go."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.rows import append_only, audit
from lvs.rows.audit import AuditEntry, harmless, without_secrets

Action = AuditEntry.Action
pytestmark = pytest.mark.django_db


def written(text: str = "applied revision 1", **more: str) -> AuditEntry:
    return audit.write(Action.APPLY, text, user="anna", address="192.168.1.5", cluster="lab", **more)


COLUMNS = 'id, at, "user", address, cluster, action, target, outcome, text, details'
FORGED = "at, 'bob', '', '', 'apply', '', 'done', '', '{}' FROM lvs_auditentry"


EVERYWHERE = (
    "UPDATE lvs_auditentry SET \"user\" = 'bob'",
    "UPDATE lvs_auditentry SET at = '1999-01-01'",
    "DELETE FROM lvs_auditentry",
    "DELETE FROM lvs_auditentry WHERE \"user\" = 'anna'",
    f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT id, {FORGED} WHERE true "
    "ON CONFLICT (id) DO UPDATE SET \"user\" = 'bob'",
    f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT id - 1, {FORGED}",
    f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT 0, {FORGED}",
    f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT -7, {FORGED}",
    f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT -1, {FORGED}",
)
OF_EACH = {
    "sqlite": (
        f"INSERT OR REPLACE INTO lvs_auditentry ({COLUMNS}) SELECT id, {FORGED}",
        f"REPLACE INTO lvs_auditentry ({COLUMNS}) SELECT id, {FORGED}",
        "UPDATE OR REPLACE lvs_auditentry SET id = id + 1",
    ),
    "postgresql": (
        "TRUNCATE lvs_auditentry",
        f"INSERT INTO lvs_auditentry ({COLUMNS}) SELECT id + 1000, {FORGED}",
    ),
}


@pytest.mark.parametrize("sql", [*EVERYWHERE, *OF_EACH[connection.vendor]])
def test_the_database_itself_refuses_every_change_of_what_is_written(sql: str) -> None:
    entry = written()
    with pytest.raises(DatabaseError, match=r"only added to|audit_ids"), transaction.atomic():
        connection.cursor().execute(sql)
    (kept,) = AuditEntry.objects.filter(pk__gte=entry.pk)
    assert (kept.user, kept.text) == ("anna", "applied revision 1")


def test_the_rows_of_the_code_refuse_it_too() -> None:
    entry = written()
    for change in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(TypeError, match="audit log"):
            change()
    with pytest.raises(TypeError, match="audit log"):
        AuditEntry.objects.update(user="bob")


def test_pruning_removes_what_is_old_says_so_and_closes_the_log_again() -> None:
    old, new = written("old"), written("new")
    now = timezone.now()
    append_only.let_delete(connection)
    models.QuerySet(AuditEntry).filter(pk=old.pk).delete()
    append_only.refuse_delete(connection)
    AuditEntry(at=now - timedelta(days=40), action=Action.APPLY, text="older", user="anna").save()

    gone = audit.prune(now - timedelta(days=30), user="root", address="console")

    assert gone == 1
    assert not AuditEntry.objects.filter(text="older").exists()
    assert AuditEntry.objects.filter(pk=new.pk).exists()
    first = AuditEntry.objects.first()
    assert first is not None
    assert (first.action, first.user, first.address) == (Action.PRUNE, "root", "console")
    assert "removed 1 entries older than" in first.text
    with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
        connection.cursor().execute("DELETE FROM lvs_auditentry")


def test_pruning_that_fails_half_way_changes_nothing_and_leaves_the_log_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    AuditEntry(at=timezone.now() - timedelta(days=40), action=Action.APPLY, text="older").save()

    def fail(*_words: object, **_more: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(audit, "write", fail)
    with pytest.raises(DatabaseError, match="disk full"):
        audit.prune(timezone.now() - timedelta(days=30), user="root", address="console")
    assert AuditEntry.objects.filter(text="older").exists()
    with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
        connection.cursor().execute("DELETE FROM lvs_auditentry")


@pytest.mark.django_db(transaction=True)
def test_emptying_every_table_leaves_the_audit_log() -> None:
    entry = written("before the flood")
    call_command("flush", interactive=False, verbosity=0)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_an_entry_is_there_with_its_change_or_neither() -> None:
    def fails() -> None:
        with transaction.atomic():
            written("of a change that failed")
            raise RuntimeError("after the change")

    with pytest.raises(RuntimeError):
        fails()
    assert not AuditEntry.objects.filter(text="of a change that failed").exists()


@given(text=st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_whatever_a_name_is_made_of_it_stays_on_its_line(text: str) -> None:
    shown = harmless(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (
            "eve\n2026-01-01 root from console done: nothing",
            r"eve\n2026-01-01 root from console done: nothing",
        ),
        ("eve\r\x1b[2J\x07", r"eve\r\x1b[2J\x07"),
        ("anna\u202egnp.exe", r"anna\u202egnp.exe"),
        ("an\u200bna\u2066\ufeff", r"an\u200bna\u2066\ufeff"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("half \ud800", r"half \ud800"),
        ("Zoë → 漢字", "Zoë → 漢字"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(typed: str, shown: str) -> None:
    assert harmless(typed) == shown


def test_everything_that_a_stranger_may_make_long_is_cut() -> None:
    entry = written("x" * 10**6, target="y" * 10**6)
    assert len(entry.text) == audit.LONGEST_TEXT
    assert len(entry.target) == audit.LONGEST_NAME
    worst = audit.write(Action.LOGIN, "\U000e0001" * 9999, user="\U000e0001" * 9999, address="\n" * 9999)
    for name in ("user", "address", "target"):
        assert len(getattr(worst, name)) <= AuditEntry._meta.get_field(name).max_length
    assert len(worst.text) <= 2 * audit.LONGEST_TEXT


def test_the_details_are_cut_and_harmless_too() -> None:
    entry = audit.write(Action.APPLY, "x", details={"changes": ["a\nb"] * 3000, "by\n": ("c\u202e", 1, None)})
    kept = AuditEntry.objects.get(pk=entry.pk).details
    assert len(kept["changes"]) == audit.MOST_DETAILS + 1
    assert kept["changes"][0] == r"a\nb"
    assert kept["changes"][-1] == "… and 1000 more"
    assert kept[r"by\n"] == [r"c\u202e", 1, None]
    assert "\\u202e" in json.dumps(kept)


@pytest.mark.parametrize(
    "sentence",
    [
        r'shop: send "GET / HTTP/1.0\r\nAuthorization: Basic SECRET==\r\nHost: a\r\n" → "x"',
        r'shop: set send to "GET / HTTP/1.0\r\nX-Api-Key: SECRET\r\n\r\n"',
        r'shop: set send to "GET / HTTP/1.0\r\nCookie: a=SECRET; b=SECRET\r\n\r\n"',
        r'ftp: set send to "USER probe\r\nPASS SECRET\r\n"',
        r'imap: set send to "a LOGIN probe SECRET\r\n"',
        r'shop: set http_path to "/health?token=SECRET&deep=1"',
        'shop: set send_program to "/check --password=SECRET %h"',
    ],
)
def test_what_a_check_sends_to_log_in_is_kept_out(sentence: str) -> None:
    shown = without_secrets(sentence)
    assert "SECRET" not in shown
    assert audit.KEPT_OUT in shown
    assert shown.startswith(sentence[:12])


@pytest.mark.parametrize("word", ["x-", "auth a", "password", "authorization:", "login x "])
def test_a_long_text_of_an_attacker_is_looked_through_once(word: str) -> None:
    # A router's own words come here: what takes the square of their length would take minutes for these.
    assert without_secrets(word * 50_000).startswith(word[:4])


def test_sentences_without_secrets_stay_as_they_are() -> None:
    for sentence in ("shop: scheduler wlc → sh", 'shop: send "GET / HTTP/1.0" → "HEAD / HTTP/1.0"'):
        assert without_secrets(sentence) == sentence


def test_entries_are_found_by_words_and_by_who_tried_a_name() -> None:
    written("applied revision 9", target="web7 of shop")
    audit.write(Action.LOGIN, "failed to log in as bob", target="bob", outcome=AuditEntry.Outcome.REFUSED)
    audit.write(Action.CANDIDATE, "x", user="bob", details={"changes": ["add real server web99"]})
    assert [one.target for one in AuditEntry.objects.about("WEB7 of")] == ["web7 of shop"]
    assert [one.user for one in AuditEntry.objects.about("web99")] == ["bob"]
    assert {one.action for one in AuditEntry.objects.of_user("bob")} == {Action.LOGIN, Action.CANDIDATE}


def test_postgresql_has_a_trigger_for_each_way_to_lose_a_row() -> None:
    text = " ".join(append_only.POSTGRESQL.values())
    for way in ("BEFORE UPDATE", "BEFORE DELETE", "BEFORE TRUNCATE"):
        assert way in text
