"""The second factor: setting it up, logging in with it, recovery codes, and who must have one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from lvs import models
from piranha_web import cli
from piranha_web.access import accounts, entering, passwords, second_factor
from piranha_web.access.failures import Kind
from tests.web.conftest import PASSWORD, USER
from tests.web.factors import app_of, code_of, first_step, in_the_making, wrong
from tests.web.pages import text_of

Action = models.AuditEntry.Action
ADMINISTRATOR, OPERATOR, VIEWER = (
    models.UserRole.ADMINISTRATOR,
    models.UserRole.OPERATOR,
    models.UserRole.VIEWER,
)
ANNA = "annas own password"


@pytest.fixture(autouse=True)
def own_file(site: Any, tmp_path: Path, password_file: Path) -> Path:
    """A password file that a test may change."""
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own
    return own


def log_in(name: str = USER, password: str = PASSWORD, **where: str) -> Client:
    """A browser that has given the password."""
    client = Client(**where)  # type: ignore[arg-type]
    assert client.post("/login", {"username": name, "password": password}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/sessions").status_code == 200


def codes_on(page: str) -> list[str]:
    return re.findall(r"(?<=[>\n])[a-z2-9]{5}-[a-z2-9]{5}(?=\n)", page)


def set_up(client: Client, name: str = USER, password: str = PASSWORD) -> list[str]:
    """Goes the whole way of the page; the recovery codes."""
    client.post("/second-factor/start", {"old": password})
    device = in_the_making(name)
    return codes_on(text_of(client.post("/second-factor/confirm", {"code": code_of(device)})))


# --- setting it up


def test_it_is_set_up_with_the_password_a_picture_or_a_text_and_a_code(cluster: models.Cluster) -> None:
    client, elsewhere = log_in(), log_in()
    assert "Set it up" in text_of(client.get("/second-factor"))

    client.post("/second-factor/start", {"old": PASSWORD})
    page = text_of(client.get("/second-factor"))

    device = in_the_making(USER)
    assert '<svg viewBox="0 0' in page
    assert "style=" not in page
    assert second_factor.key_in_words(device) in page
    assert re.search(r"[A-Z2-7]{4}( [A-Z2-7]{4}){7}", page)
    assert "otpauth://totp/Piranha%20Web%20" in page
    assert client.post("/second-factor/confirm", {"code": wrong(device)}).status_code == 200
    assert second_factor.device_of(USER) is None
    codes = codes_on(text_of(client.post("/second-factor/confirm", {"code": code_of(device)})))
    assert len(set(codes)) == 10
    assert second_factor.device_of(USER) == device
    page = text_of(client.get("/second-factor"))
    assert "On</span> for" in page
    assert second_factor.key_in_words(device) not in page
    assert not codes_on(page)
    assert is_in(client)
    assert not is_in(elsewhere)


def test_what_was_begun_and_not_confirmed_is_not_asked_for(cluster: models.Cluster) -> None:
    log_in().post("/second-factor/start", {"old": PASSWORD})

    assert is_in(log_in())


def test_a_key_that_was_not_taken_up_is_not_left_lying_for_whoever_comes_to_the_session(
    cluster: models.Cluster,
) -> None:
    client = log_in()
    client.post("/second-factor/start", {"old": PASSWORD})
    device = in_the_making(USER)
    TOTPDevice.objects.filter(pk=device.pk).update(created_at=timezone.now() - second_factor.SET_UP_LASTS)

    assert second_factor.key_in_words(device) not in text_of(client.get("/second-factor"))
    told = client.post("/second-factor/confirm", {"code": code_of(device)}, follow=True)

    assert "made too long ago, and counts no more" in text_of(told)
    assert second_factor.device_of(USER) is None
    assert set_up(client)


def test_a_session_that_was_left_open_is_not_enough_to_begin(cluster: models.Cluster) -> None:
    client = log_in()

    assert "not your present password" in text_of(client.post("/second-factor/start", {"old": "wrong"}))

    assert not TOTPDevice.objects.exists()


def test_who_has_one_makes_no_other_beside_it(cluster: models.Cluster) -> None:
    client = log_in()
    set_up(client)
    device = second_factor.device_of(USER)

    client.post("/second-factor/start", {"old": PASSWORD})
    client.post("/second-factor/confirm", {"code": "123456"})

    assert list(TOTPDevice.objects.all()) == [device]


# --- logging in


def test_a_login_takes_the_password_and_a_code(cluster: models.Cluster) -> None:
    device = app_of(USER)
    client = Client()
    response = client.post("/login", {"username": USER, "password": PASSWORD, "next": "/redundancy"})
    assert response["Location"] == "/login/code"
    assert not models.Login.objects.exists()
    page = text_of(client.get("/login/code"))
    assert 'autocomplete="one-time-code"' in page
    assert "user-menu" not in page

    refused = client.post("/login/code", {"code": wrong(device)})
    TOTPDevice.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(minutes=1))
    response = client.post("/login/code", {"code": f" {code_of(device)[:3]} {code_of(device)[3:]}"})

    assert refused.status_code == 403
    assert "not right" in text_of(refused)
    assert (response.status_code, response["Location"]) == (302, "/redundancy")
    assert is_in(client)
    assert models.Login.objects.count() == 1
    texts = [one.text for one in models.AuditEntry.objects.order_by("pk")]
    assert texts == [f"gave a wrong code for {USER}", "logged in by password and a code"]


def test_a_recovery_code_lets_in_once_and_says_how_many_are_left(cluster: models.Cluster) -> None:
    codes = set_up(log_in())
    client = first_step(USER, PASSWORD)

    response = client.post("/login/code", {"code": codes[3].upper().replace("-", " ")}, follow=True)

    assert "9 remain" in text_of(response)
    assert is_in(client)
    again = first_step(USER, PASSWORD).post("/login/code", {"code": codes[3]})
    assert again.status_code == 403
    assert StaticToken.objects.count() == 9
    logged = models.AuditEntry.objects.filter(action=Action.LOGIN, text__contains="recovery")
    assert [one.text for one in logged] == ["logged in by password and a recovery code, of which 9 remain"]


def test_recovery_codes_are_kept_as_hashes_of_this_account(cluster: models.Cluster) -> None:
    codes = set_up(log_in())
    user = User.objects.get(username=USER)
    other = User.objects.create(username="other", password="!")

    kept = set(StaticToken.objects.values_list("token", flat=True))

    assert not kept & {form for code in codes for form in (code, code.replace("-", ""))}
    assert second_factor.digest(user, second_factor.plain(codes[0])) in kept
    assert second_factor.digest(other, second_factor.plain(codes[0])) not in kept


def test_new_recovery_codes_take_a_code_and_end_the_old_ones(cluster: models.Cluster) -> None:
    client = log_in()
    old = set_up(client)
    assert "not right" in text_of(client.post("/second-factor/codes", {"code": "aaaaa-aaaaa"}))
    StaticDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)

    new = codes_on(text_of(client.post("/second-factor/codes", {"code": old[0]})))

    assert len(new) == 10
    assert not set(new) & set(old)
    assert first_step(USER, PASSWORD).post("/login/code", {"code": old[1]}).status_code == 403
    StaticDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert first_step(USER, PASSWORD).post("/login/code", {"code": new[1]}).status_code == 302


def test_switching_it_off_takes_password_and_code(cluster: models.Cluster) -> None:
    client = log_in()
    device = app_of(USER)
    for old, code in (("wrong", code_of(device)), (PASSWORD, "")):
        assert client.post("/second-factor/off", {"old": old, "code": code}).status_code == 200
    assert second_factor.device_of(USER) is not None

    client.post("/second-factor/off", {"old": PASSWORD, "code": code_of(device)})

    assert not TOTPDevice.objects.exists()
    assert is_in(log_in())


def test_the_second_step_waits_five_minutes_and_no_longer(
    cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = app_of(USER)
    clients = [first_step(USER, PASSWORD) for _ in range(2)]
    later = timezone.now() + timedelta(minutes=4, seconds=50)
    monkeypatch.setattr(entering, "timezone", SimpleNamespace(now=lambda: later))
    assert clients[0].get("/login/code").status_code == 200
    later += timedelta(seconds=15)

    response = clients[1].post("/login/code", {"code": code_of(device)})

    assert (response.status_code, response["Location"]) == (302, "/login")
    assert not is_in(clients[1])


def test_a_new_password_between_the_steps_ends_the_first(cluster: models.Cluster, own_file: Path) -> None:
    device = app_of(USER)
    client = first_step(USER, PASSWORD)

    passwords.set_password(USER, "battery staple", own_file)

    assert client.post("/login/code", {"code": code_of(device)})["Location"] == "/login"
    assert not is_in(client)


# --- wrong codes


def test_wrong_codes_make_the_next_one_wait(cluster: models.Cluster) -> None:
    device = app_of(USER)
    client = first_step(USER, PASSWORD)
    now = timezone.now()
    TOTPDevice.objects.update(throttling_failure_count=12, throttling_failure_timestamp=now)

    response = client.post("/login/code", {"code": code_of(device)})

    assert response.status_code == 403
    assert "Too many wrong codes. Wait 3" in text_of(response)  # 2 ** 11 seconds
    TOTPDevice.objects.update(throttling_failure_timestamp=now - timedelta(seconds=2**11))
    assert client.post("/login/code", {"code": code_of(device)}).status_code == 302


def test_who_has_the_password_cannot_keep_the_owner_out_where_they_have_been_before(
    cluster: models.Cluster,
) -> None:
    log_in(REMOTE_ADDR="10.2.2.2")
    device = app_of(USER)
    TOTPDevice.objects.update(throttling_failure_count=20, throttling_failure_timestamp=timezone.now())

    stranger = first_step(USER, PASSWORD, REMOTE_ADDR="10.9.9.9")
    owner = first_step(USER, PASSWORD, REMOTE_ADDR="10.2.2.2")

    assert stranger.post("/login/code", {"code": code_of(device)}).status_code == 403
    assert owner.post("/login/code", {"code": wrong(device)}).status_code == 403
    device.refresh_from_db()
    assert device.throttling_failure_count == 20
    assert owner.post("/login/code", {"code": code_of(device)}).status_code == 302


def test_piranha_unlock_ends_the_wait_for_codes_as_well(
    cluster: models.Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    device = app_of(USER)
    TOTPDevice.objects.update(throttling_failure_count=20, throttling_failure_timestamp=timezone.now())

    assert cli.main(["unlock", USER]) == 0

    assert first_step(USER, PASSWORD).post("/login/code", {"code": code_of(device)}).status_code == 302


def test_after_ten_wrong_codes_the_first_step_is_worth_nothing_either(cluster: models.Cluster) -> None:
    log_in(REMOTE_ADDR="10.2.2.2")
    device = app_of(USER)
    client = first_step(USER, PASSWORD, REMOTE_ADDR="10.2.2.2")
    for _ in range(Kind.PAIR.value):
        last = client.post("/login/code", {"code": wrong(device)})

    assert last["Location"] == "/login"
    assert "Wait 15 minutes" in text_of(client.get("/login"))
    assert client.post("/login/code", {"code": code_of(device)})["Location"] == "/login"
    again = Client(REMOTE_ADDR="10.2.2.2").post("/login", {"username": USER, "password": PASSWORD})
    assert again.status_code == 429


# --- who must have one


@pytest.fixture
def anna(own_file: Path) -> str:
    """An operator."""
    passwords.set_password("anna", ANNA, own_file)
    models.Account.objects.create(name="anna", role=OPERATOR)
    return "anna"


def test_who_must_have_one_can_only_set_one_up(
    administrator: Client, anna: str, cluster: models.Cluster
) -> None:
    before = log_in(anna, ANNA)
    administrator.post("/accounts/second-factor", {"name": anna, "verb": "must"})
    assert "must be set up at the next login" in text_of(administrator.get("/accounts"))

    for client in (before, log_in(anna, ANNA)):
        assert client.get("/virtual-servers")["Location"] == "/second-factor"
        assert client.post("/redundancy/switch")["Location"] == "/second-factor"
        page = text_of(client.get("/second-factor"))
        assert "must have a second factor" in page
        assert "Panels" not in page
        assert 'role="search"' not in page
        assert client.get("/password").status_code == 200
    set_up(client, anna, ANNA)

    assert client.get("/virtual-servers").status_code == 200
    assert not is_in(before)


@pytest.mark.parametrize(
    ("least", "held"), [(ADMINISTRATOR, False), (OPERATOR, True), (VIEWER, True), ("", False)]
)
def test_a_rule_is_for_whoever_has_that_role_somewhere(
    administrator: Client, anna: str, cluster: models.Cluster, least: object, held: bool
) -> None:
    models.Account.objects.filter(name=anna).update(role=VIEWER)
    models.ClusterRole.objects.create(
        account=models.Account.objects.get(name=anna), cluster=cluster, role=OPERATOR
    )
    app_of(USER)
    administrator.post("/accounts/second-factor-rule", {"least_role": least})

    assert (log_in(anna, ANNA).get("/help").status_code == 302) is held
    assert administrator.get("/accounts").status_code == 200
    assert ("must be set up" in text_of(administrator.get("/accounts"))) is held


def test_a_rule_that_makes_no_sense_changes_nothing(administrator: Client, cluster: models.Cluster) -> None:
    app_of(USER)
    administrator.post("/accounts/second-factor-rule", {"least_role": "1"})
    response = administrator.post("/accounts/second-factor-rule", {"least_role": "7"}, follow=True)

    assert "Nothing was changed" in text_of(response)
    assert accounts.factor_rule() == VIEWER


def test_an_administrator_takes_away_what_somebody_has_lost(
    administrator: Client, anna: str, cluster: models.Cluster
) -> None:
    lost = log_in(anna, ANNA)
    set_up(lost, anna, ANNA)
    assert "since" in text_of(administrator.get("/accounts"))

    administrator.post("/accounts/second-factor", {"name": anna, "verb": "take-away"})

    assert not is_in(lost)
    assert is_in(log_in(anna, ANNA))
    assert not StaticToken.objects.exists()
    again = administrator.post("/accounts/second-factor", {"name": anna, "verb": "take-away"}, follow=True)
    assert "anna has no second factor" in text_of(again)
    entry = models.AuditEntry.objects.filter(action=Action.SECOND_FACTOR, user=USER).latest("pk")
    assert (entry.text, entry.target) == ("took the second factor of anna away", "anna")


def test_the_console_takes_it_away_from_the_last_administrator(
    cluster: models.Cluster, own_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app_of(USER)
    words = ["passwd", "--no-second-factor", "--file", str(own_file)]

    assert cli.main(["passwd", "--list", "--file", str(own_file)]) == 0
    assert capsys.readouterr().out.strip().endswith(f"second factor since {datetime.now():%Y-%m-%d}")
    assert cli.main(words) == 0
    assert cli.main(words) == 1

    assert "piranha has no second factor" in capsys.readouterr().err
    assert is_in(log_in())
    entry = models.AuditEntry.objects.filter(action=Action.SECOND_FACTOR).latest("pk")
    assert entry.address == "console"


def test_nobody_inherits_a_second_factor_with_a_name(
    administrator: Client, anna: str, cluster: models.Cluster
) -> None:
    log_in(anna, ANNA)
    app_of(anna)
    administrator.post("/accounts/remove", {"name": anna})

    administrator.post(
        "/accounts/add", {"name": anna, "role": "1", "password": "made anew", "again": "made anew"}
    )

    assert is_in(log_in(anna, "made anew"))


def test_no_key_and_no_code_gets_into_the_audit_log(administrator: Client, cluster: models.Cluster) -> None:
    client = log_in()
    client.post("/second-factor/start", {"old": PASSWORD})
    device = in_the_making(USER)
    code = code_of(device)
    codes = codes_on(text_of(client.post("/second-factor/confirm", {"code": code})))
    first_step(USER, PASSWORD).post("/login/code", {"code": codes[0]})

    entries = models.AuditEntry.objects.all()
    whole = "".join(f"{one.text} {one.target} {one.details}" for one in entries)

    for secret in (device.key, second_factor.key_in_words(device), code, *codes, PASSWORD):
        assert secret not in whole
        assert secret.replace("-", "").replace(" ", "") not in whole


# --- sessions of others


def test_an_administrator_ends_single_sessions_of_somebody_else(
    administrator: Client, anna: str, cluster: models.Cluster
) -> None:
    clients = [log_in(anna, ANNA, REMOTE_ADDR=f"10.0.0.{number}") for number in range(1, 5)]
    page = text_of(administrator.get("/accounts/one?name=anna"))
    assert all(f"10.0.0.{number}" in page for number in range(1, 5))
    rows = models.Login.objects.filter(account=anna)

    administrator.post(
        "/accounts/sessions/end", {"name": anna, "session": str(rows.get(address="10.0.0.2").pk)}
    )
    assert [is_in(client) for client in clients] == [True, False, True, True]
    administrator.post("/accounts/sessions/end", {"name": anna, "session": "all"})

    assert not any(is_in(client) for client in clients)
    assert is_in(administrator)
    assert "not logged in anywhere" in text_of(administrator.get("/accounts/one?name=anna"))


def test_a_session_is_ended_only_as_one_of_the_account_that_is_named(
    administrator: Client, anna: str, cluster: models.Cluster
) -> None:
    client = log_in(anna, ANNA)
    own = models.Login.objects.get(account=anna)

    for name, session in ((USER, str(own.pk)), (anna, "x"), (anna, "")):
        response = administrator.post(
            "/accounts/sessions/end", {"name": name, "session": session}, follow=True
        )
        assert "over already" in text_of(response)

    assert is_in(client)
    assert administrator.post("/accounts/sessions/end", {"name": "ghost"}).status_code == 404
