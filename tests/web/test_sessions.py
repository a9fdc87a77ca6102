"""How long a session lasts, what counts as use, and ending one's sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from lvs import models
from piranha_web.access import passwords, sessions
from tests.web.conftest import PASSWORD, USER
from tests.web.pages import text_of

Clock = Callable[[timedelta], None]

# What pages ask for by themselves, written down by hand.
POLLING = [
    "/live",
    "/status-line",
    "/redundancy/live",
    "/virtual-servers/1/real-servers/live",
    "/real-servers/everywhere/live",
    "/history/1/deployments",
]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Lets time pass for the sessions' rows."""
    shift = timedelta()
    real = timezone.now

    def now() -> datetime:
        return real() + shift

    def pass_by(length: timedelta) -> None:
        nonlocal shift
        shift += length

    monkeypatch.setattr(sessions, "timezone", SimpleNamespace(now=now))
    return pass_by


@pytest.fixture
def own_file(site: Any, tmp_path: Path, password_file: Path) -> Path:
    """A password file that a test may change."""
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own
    return own


def logged_in(**where: str) -> Client:
    client = Client(**where)
    response = client.post("/login", {"username": USER, "password": PASSWORD})
    assert response.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/help").status_code == 200


def test_a_session_that_is_not_used_ends_and_the_login_page_says_why(
    cluster: models.Cluster, wait: Clock
) -> None:
    client = logged_in()
    wait(timedelta(minutes=29))
    assert is_in(client)
    wait(timedelta(minutes=31))

    response = client.get("/redundancy")

    assert response["Location"] == "/login?next=/redundancy"
    assert "30 minutes without use" in text_of(client.get("/login"))
    assert not is_in(client)
    assert not models.Login.objects.exists()


def test_use_prolongs_a_session_but_never_beyond_its_longest_time(
    cluster: models.Cluster, wait: Clock
) -> None:
    client = logged_in()
    for _ in range(11 * 3 + 2):
        wait(timedelta(minutes=20))
        assert is_in(client)

    wait(timedelta(minutes=20))

    assert client.get("/help").status_code == 302
    assert "12 hours at most" in text_of(client.get("/login"))


@pytest.mark.parametrize("address", POLLING)
def test_a_page_that_asks_by_itself_keeps_nobody_logged_in(
    cluster: models.Cluster, wait: Clock, address: str
) -> None:
    client = logged_in()
    wait(timedelta(minutes=20))
    assert client.get(address).status_code in (200, 404)

    wait(timedelta(minutes=11))

    assert client.get(address).status_code == 302


def test_a_live_part_of_a_session_that_is_over_has_the_whole_page_loaded_again(
    cluster: models.Cluster, wait: Clock
) -> None:
    client = logged_in()
    wait(timedelta(minutes=31))

    response = client.get("/live", headers={"HX-Request": "true"})

    assert (response.status_code, response["HX-Refresh"]) == (401, "true")
    assert not response.content


def test_an_ended_session_is_nothing_even_on_pages_that_are_not_there(
    cluster: models.Cluster, wait: Clock
) -> None:
    client = logged_in()
    assert "status-line" in text_of(client.get("/nothing"))
    wait(timedelta(minutes=31))

    assert "status-line" not in text_of(client.get("/nothing"))


def test_the_limits_are_settings(site: Any, cluster: models.Cluster, wait: Clock) -> None:
    site.PIRANHA_SESSION_IDLE = timedelta(minutes=2)
    client = logged_in()
    wait(timedelta(minutes=3))

    assert not is_in(client)


def test_the_page_lists_ones_sessions_and_marks_this_one(cluster: models.Cluster) -> None:
    logged_in(REMOTE_ADDR="127.0.0.7", HTTP_USER_AGENT="Lynx <b>\x1b[31m")

    text = text_of(logged_in(HTTP_USER_AGENT="Firefox").get("/sessions"))

    assert "127.0.0.7" in text
    assert "Lynx &lt;b&gt;[31m" in text
    assert "Firefox" in text
    assert text.count("this one") == 1


def test_one_session_can_be_ended_from_another(cluster: models.Cluster) -> None:
    there, here = logged_in(REMOTE_ADDR="127.0.0.7"), logged_in()
    row = models.Login.objects.get(address="127.0.0.7")

    assert here.post("/sessions/end", {"session": str(row.pk)}).status_code == 302

    assert not is_in(there)
    assert is_in(here)


def test_all_others_can_be_ended_at_once(cluster: models.Cluster) -> None:
    others, here = [logged_in(), logged_in()], logged_in()

    here.post("/sessions/end", {"session": "others"})

    assert not any(is_in(one) for one in others)
    assert is_in(here)


@pytest.mark.parametrize("named", ["", "x", "00000000-0000-4000-8000-000000000000", "' OR 1=1 --"])
def test_what_names_no_session_ends_none(cluster: models.Cluster, named: str) -> None:
    here = logged_in()

    assert here.post("/sessions/end", {"session": named}).status_code == 302

    assert is_in(here)
    assert models.Login.objects.count() == 1


def test_nobody_ends_or_sees_the_sessions_of_somebody_else(cluster: models.Cluster, own_file: Path) -> None:
    passwords.set_password("anna", "annas password", own_file)
    anna = Client(REMOTE_ADDR="127.0.0.9")
    anna.post("/login", {"username": "anna", "password": "annas password"})
    here = logged_in()
    row = models.Login.objects.get(account="anna")

    here.post("/sessions/end", {"session": str(row.pk)})
    here.post("/sessions/end", {"session": "others"})

    assert is_in(anna)
    assert "127.0.0.9" not in text_of(here.get("/sessions"))


def test_logging_out_takes_the_session_off_the_list(cluster: models.Cluster) -> None:
    logged_in().post("/logout")

    assert not models.Login.objects.exists()


def test_logging_in_again_begins_another_session_and_ends_the_old_one(cluster: models.Cluster) -> None:
    client = logged_in()
    old = models.Login.objects.get().pk

    client.post("/login", {"username": USER, "password": PASSWORD})

    assert models.Login.objects.get().pk != old
    assert is_in(client)


def test_a_login_never_goes_on_with_a_session_that_was_there_before(cluster: models.Cluster) -> None:
    client = Client()
    client.get("/login")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    client.cookies["piranha_session"] = planted = session.session_key or ""

    client.post("/login", {"username": USER, "password": PASSWORD})

    assert client.cookies["piranha_session"].value != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_after_a_new_password_only_this_session_is_on_the_list(
    cluster: models.Cluster, own_file: Path
) -> None:
    there, here = logged_in(), logged_in()

    here.post("/password", {"old": PASSWORD, "new": "battery staple", "again": "battery staple"})

    assert not is_in(there)
    assert models.Login.objects.count() == 1
    assert text_of(here.get("/sessions")).count("this one") == 1


def test_sessions_of_an_old_password_are_not_listed(cluster: models.Cluster, own_file: Path) -> None:
    logged_in(REMOTE_ADDR="127.0.0.7")
    passwords.set_password(USER, "battery staple", own_file)
    client = Client()
    client.post("/login", {"username": USER, "password": "battery staple"})

    assert "127.0.0.7" not in text_of(client.get("/sessions"))


def test_sessions_that_are_over_are_cleared_away_by_the_next_login(
    cluster: models.Cluster, wait: Clock
) -> None:
    logged_in()
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    wait(timedelta(hours=1))

    logged_in()

    assert models.Login.objects.count() == 1
    assert Session.objects.count() == 1


def test_use_is_noted_seldom_enough_to_cost_nothing(cluster: models.Cluster, wait: Clock) -> None:
    client = logged_in()
    noted = models.Login.objects.get().used_at
    wait(timedelta(seconds=20))
    client.get("/help")
    assert models.Login.objects.get().used_at == noted

    wait(timedelta(seconds=20))
    client.get("/help")

    assert models.Login.objects.get().used_at > noted
