"""Who guesses passwords has to wait; who else has not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lvs import models
from piranha_web import cli
from piranha_web.access import failures, lockout, passwords
from piranha_web.access.failures import WINDOW, Kind
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import text_of

Action = models.AuditEntry.Action
HERE = "10.1.1.1"
PAIR, NETWORK, NAME = Kind.PAIR.value, Kind.NETWORK.value, Kind.NAME.value


@pytest.fixture(autouse=True)
def own_file(site: Any, tmp_path: Path, password_file: Path) -> Path:
    """A password file that a test may change."""
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own
    return own


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Lets time pass for what is counted."""
    shift, real = timedelta(), timezone.now

    def now() -> datetime:
        return real() + shift

    def pass_by(length: timedelta) -> None:
        nonlocal shift
        shift += length

    monkeypatch.setattr(lockout, "timezone", SimpleNamespace(now=now))
    return pass_by


def try_in(name: str = USER, password: str = "wrong password", address: str = HERE) -> Any:
    return Client(REMOTE_ADDR=address).post("/login", {"username": name, "password": password})


def guess(times: int, name: str = USER, address: str = HERE) -> None:
    """So many failures, put where they are counted."""
    where = failures.network_of(address)
    AccessAttempt.objects.create(
        username=name, ip_address=where, user_agent="", path_info="", failures_since_start=times
    )


def test_after_ten_failures_also_the_right_password_has_to_wait_and_the_page_says_how_long() -> None:
    for _ in range(PAIR - 1):
        assert try_in().status_code == 403
    assert "Wait 15 minutes" in text_of(try_in())  # the last one is told at once

    response = try_in(password=PASSWORD)

    assert response.status_code == 429
    assert 600 < int(response["Retry-After"]) <= 900
    assert "Wait 15 minutes" in text_of(response)
    assert "piranha unlock" in text_of(response)


def test_the_wait_ends_by_itself_and_does_not_grow_by_what_is_tried_meanwhile(
    wait: Callable[[timedelta], None],
) -> None:
    guess(PAIR)
    for _ in range(14):
        wait(timedelta(minutes=1))
        assert try_in().status_code == 429

    wait(timedelta(minutes=1, seconds=1))

    assert try_in(password=PASSWORD).status_code == 302


def test_who_is_locked_out_keeps_nobody_out_elsewhere() -> None:
    guess(PAIR)

    assert try_in(password=PASSWORD, address="10.1.1.2").status_code == 302


def test_an_account_that_there_is_not_is_locked_in_the_same_words() -> None:
    guess(PAIR, USER)
    guess(PAIR, "nobody", "10.1.1.3")

    texts = [text_of(try_in(USER)), text_of(try_in("nobody", address="10.1.1.3"))]

    alerts = [text[text.index("Too many") : text.index("ends the wait")] for text in texts]
    assert alerts[0] == alerts[1]


def test_one_network_may_fail_thirty_times_for_whatever_names() -> None:
    for number in range(NETWORK):
        guess(1, f"name{number}")

    assert try_in(password=PASSWORD).status_code == 429
    assert try_in(password=PASSWORD, address="10.1.1.2").status_code == 302


def test_all_of_a_64_of_ipv6_counts_together() -> None:
    for number in range(PAIR):
        assert try_in(address=f"fd00:1:2:3::{number:x}").status_code in (403, 429)

    assert try_in(password=PASSWORD, address="fd00:1:2:3:ffff::1").status_code == 429
    assert try_in(password=PASSWORD, address="fd00:1:2:4::1").status_code == 302


def test_who_knows_a_name_cannot_keep_its_owner_out_where_they_have_been_before() -> None:
    assert try_in(password=PASSWORD, address="10.2.2.2").status_code == 302
    for number in range(NAME // 5):
        guess(5, USER, f"10.9.9.{number}")

    assert try_in(password=PASSWORD, address="10.3.3.3").status_code == 429
    assert try_in(password=PASSWORD, address="10.2.2.2").status_code == 302


def test_a_network_is_known_for_ninety_days_after_the_last_login(wait: Callable[[timedelta], None]) -> None:
    try_in(password=PASSWORD, address="10.2.2.2")
    assert lockout.known_networks(USER) == {"10.2.2.2"}

    wait(timedelta(days=91))

    assert lockout.known_networks(USER) == frozenset()


def test_of_an_account_only_the_newest_networks_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "MOST_KNOWN", 3)
    for number in (1, 2, 3, 1, 4):
        lockout.succeeded(USER, f"10.2.2.{number}")

    assert lockout.known_networks(USER) == {"10.2.2.3", "10.2.2.1", "10.2.2.4"}
    assert AccessLog.objects.count() == 3


def test_a_login_forgets_the_failures_of_that_name_there_and_no_others(own_file: Path) -> None:
    passwords.set_password("eve", "eves password", own_file)
    guess(PAIR - 1, USER)
    guess(NETWORK - PAIR - 1, "other", "10.1.1.1")
    assert try_in("eve", "eves password").status_code == 302

    assert (
        AccessAttempt.objects.count() == 2
    )  # who has an account cannot go on guessing at others with its help
    assert try_in(password=PASSWORD).status_code == 302
    assert [row.username for row in AccessAttempt.objects.all()] == ["other"]


def test_a_lock_is_written_down_once_when_it_begins() -> None:
    for _ in range(PAIR + 5):
        try_in()

    (one,) = models.AuditEntry.objects.filter(action=Action.LOCK)
    assert one.text == f"locked out {USER} from {HERE} after 10 failures, for 15 minutes"
    assert (one.target, one.address, one.outcome) == (USER, HERE, models.AuditEntry.Outcome.REFUSED)


def test_whoever_is_locked_out_costs_no_write() -> None:
    guess(PAIR)
    try_in()  # the refusal itself is written down once a minute

    with CaptureQueriesContext(connection) as queries:
        assert try_in().status_code == 429

    written = [one["sql"] for one in queries if one["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert written == []
    assert len(queries) <= 6


def test_nothing_of_what_was_posted_is_kept() -> None:
    client = Client(REMOTE_ADDR=HERE, HTTP_USER_AGENT="Lynx", HTTP_ACCEPT="a/b")
    client.post("/login?next=/x", {"username": "anna", "password": "hunter2 hunter2", "pin": "hunter2"})

    row = AccessAttempt.objects.values().get()

    assert row["username"] == "anna"
    kept = ("user_agent", "http_accept", "path_info", "get_data", "post_data")
    assert [row[field] for field in kept] == [""] * 5


def test_made_up_names_push_out_each_other_and_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "MOST_ROWS", 20)
    monkeypatch.setattr(lockout, "DROPPED", 5)
    guess(PAIR, USER)
    for number in range(40):
        lockout.count(f"name{number}", f"10.4.4.{number}", timezone.now())

    assert AccessAttempt.objects.count() <= 20
    assert try_in(password=PASSWORD).status_code == 429


def test_a_name_of_any_length_and_kind_is_counted() -> None:
    for name in ("x" * 150, "a:b", "‮x", "#", "ä" * 150):
        assert try_in(name).status_code == 403
    assert AccessAttempt.objects.count() == 5


# --- guesses of somebody who is logged in


def test_guesses_at_the_present_password_count_as_those_at_the_login(administrator: Client) -> None:
    wrong = {"old": "wrong", "new": "battery staple", "again": "battery staple"}
    for _ in range(PAIR):
        administrator.post("/password", wrong)

    right = wrong | {"old": PASSWORD}
    assert "Wait 15 minutes" in text_of(administrator.post("/password", right))
    assert try_in(password=PASSWORD, address="127.0.0.1").status_code == 429
    assert try_in(password=PASSWORD, address=HERE).status_code == 302


# --- the way back in


def test_administrators_see_who_is_locked_out_and_unlock(
    administrator: Client, cluster: models.Cluster
) -> None:
    assert "Locked out" not in text_of(administrator.get("/accounts"))
    guess(PAIR, "<b>anna</b>")
    for number in range(NAME // 6):
        guess(6, "carl", f"10.9.9.{number}")
    for number in range(NETWORK):
        guess(1, f"name{number}", "fd00::5:1")

    page = text_of(administrator.get("/accounts"))

    assert "&lt;b&gt;anna&lt;/b&gt;" in page
    assert "everywhere it is not known" in page
    assert "fd00::/64" in page
    for kind, name, network in [
        ("PAIR", "<b>anna</b>", HERE),
        ("NAME", "carl", ""),
        ("NETWORK", "", "fd00::"),
    ]:
        administrator.post("/accounts/unlock", {"kind": kind, "name": name, "network": network})
    assert lockout.current() == []
    assert "Locked out" not in text_of(administrator.get("/accounts"))
    texts = [one.text for one in models.AuditEntry.objects.filter(action=Action.LOCK).order_by("pk")]
    assert texts == [
        f"unlocked <b>anna</b> from {HERE}",
        "unlocked carl from everywhere",
        "unlocked everybody from fd00::/64",
    ]


@pytest.mark.parametrize("kind", ["", "pair", "EVERYTHING"])
def test_what_names_no_lock_unlocks_nothing(administrator: Client, kind: str) -> None:
    guess(PAIR)

    assert administrator.post("/accounts/unlock", {"kind": kind, "name": USER}).status_code == 404

    assert try_in(password=PASSWORD).status_code == 429


def test_unlocking_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    guess(PAIR)
    guess(PAIR, "anna\x1b[31m", "fd00::1")
    assert cli.main(["unlock"]) == 0
    out = capsys.readouterr().out
    assert f"{USER} from {HERE}\t10 failures\tends in 15 minutes" in out
    assert "\x1b" not in out

    assert cli.main(["unlock", USER, "--network", "10.7.7.7"]) == 1
    assert try_in(password=PASSWORD).status_code == 429
    assert cli.main(["unlock", USER]) == 0
    assert try_in(password=PASSWORD).status_code == 302
    assert cli.main(["unlock", "--network", "fd00::77"]) == 0
    assert lockout.current() == []
    said = capsys.readouterr().err
    assert "No failure is kept of piranha from 10.7.7.7" in said
    assert "Unlocked everybody from fd00::/64." in said
    console = models.AuditEntry.objects.filter(action=Action.LOCK, address="console").order_by("pk")
    assert [one.text for one in console] == [
        "unlocked piranha from everywhere",
        "unlocked everybody from fd00::/64",
    ]


def test_unlocking_everybody_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    guess(PAIR)
    assert cli.main(["unlock", "--all", USER]) == 2
    assert cli.main(["unlock", "--network", "the office"]) == 2

    assert cli.main(["unlock", "--all"]) == 0

    assert cli.main(["unlock"]) == 0
    assert "Nobody is locked out." in capsys.readouterr().err
    assert not AccessAttempt.objects.exists()


def test_a_removed_account_leaves_neither_failures_nor_known_networks(own_file: Path) -> None:
    passwords.set_password("anna", "annas password", own_file)
    try_in("anna", "annas password")
    guess(2, "anna")
    models.Account.objects.create(name="bob", role=models.UserRole.ADMINISTRATOR)

    assert cli.main(["passwd", "anna", "--remove", "--file", str(own_file)]) == 0

    assert not AccessAttempt.objects.filter(username="anna").exists()
    assert not lockout.known_networks("anna")


def test_the_window_is_the_same_for_axes(site: Any) -> None:
    assert site.AXES_COOLOFF_TIME == WINDOW
