"""What somebody tries who guesses: passwords, codes, names, and ways around the second step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from lvs import models
from piranha_web.access import passwords, second_factor
from piranha_web.access.failures import Kind
from tests.web.conftest import PASSWORD, USER
from tests.web.factors import app_of, code_of, first_step, in_the_making, wrong
from tests.web.test_every_address import EVERY, METHODS, OPEN

pytestmark = pytest.mark.thorough

COOKIE, TOKEN = "piranha_session", "piranha_csrf"
LOGIN = {"username": USER, "password": PASSWORD}


@pytest.fixture
def own_file(site: Any, tmp_path: Path, password_file: Path) -> Path:
    """A password file that a test may change."""
    own = tmp_path / "piranha.passwd"
    own.write_bytes(password_file.read_bytes())
    site.PIRANHA_PASSWORD_FILE = own
    return own


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a password of each account was looked at; none takes its time, and only PASSWORD is right."""
    counter: Counter[str] = Counter()

    def check(user: str, password: str, path: Path) -> bool:
        counter[user] += 1
        return user == USER and password == PASSWORD

    monkeypatch.setattr(passwords, "check_password", check)
    return counter


def guess(address: str, name: str = USER, password: str = "wrong password", **more: str) -> int:
    client = Client(REMOTE_ADDR=address, **more)  # type: ignore[arg-type]
    return client.post("/login", {"username": name, "password": password}).status_code


# --- passwords


def test_of_a_thousand_guesses_from_one_address_ten_are_looked_at(judged: Counter[str]) -> None:
    for number in range(300):
        guess("10.0.0.1", password=PASSWORD if number > Kind.PAIR.value else f"guess {number}")

    assert judged[USER] == Kind.PAIR.value
    assert not models.Login.objects.exists()


@pytest.mark.parametrize(
    "names",
    [
        [USER, f" {USER}", f"{USER} ", f"\t{USER}\n", f"\u00a0{USER}"],
        [USER, USER.upper(), USER.title(), "pir\u0430nha", f"{USER}\u200b"],
    ],
    ids=["blanks around", "others that look alike"],
)
def test_another_spelling_of_a_name_gives_no_more_guesses_at_it(
    judged: Counter[str], names: list[str]
) -> None:
    for number in range(60):
        guess("10.0.0.1", names[number % len(names)])

    assert judged[USER] <= Kind.PAIR.value
    assert sum(judged.values()) <= Kind.NETWORK.value


def test_neither_another_browser_nor_another_session_gives_more_guesses(judged: Counter[str]) -> None:
    for number in range(40):
        guess(
            "10.0.0.1",
            HTTP_USER_AGENT=f"browser {number}",
            HTTP_ACCEPT=f"text/{number}",
            HTTP_X_FORWARDED_FOR=f"10.0.9.{number}",
            HTTP_COOKIE=f"{COOKIE}={'abcdefgh' * 4}",
        )

    assert judged[USER] == Kind.PAIR.value


def test_one_password_tried_on_many_names_stops_after_thirty(judged: Counter[str]) -> None:
    for number in range(100):
        guess("10.0.0.1", f"name{number}")

    assert sum(judged.values()) == Kind.NETWORK.value


def test_many_addresses_together_get_sixty_guesses_at_a_name(judged: Counter[str]) -> None:
    for number in range(150):
        guess(f"10.0.{number % 50}.1")

    assert judged[USER] == Kind.NAME.value


def test_addresses_of_one_ipv6_network_are_one(judged: Counter[str]) -> None:
    for number in range(60):
        guess(f"fd00:0:0:1:{number:x}::{number:x}")

    assert judged[USER] == Kind.PAIR.value


def test_an_own_account_does_not_help_to_guess_at_others(
    judged: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        if number % 5 == 4:
            guess("10.0.0.1", USER, PASSWORD)  # the attacker's own
        guess("10.0.0.1", "victim")

    assert judged["victim"] == Kind.PAIR.value


def test_nothing_tells_an_account_that_there_is_from_one_that_there_is_not(own_file: Path) -> None:
    passwords.set_password("existing", "its password", own_file)
    answers = {}
    for name, address in (("existing", "10.0.0.1"), ("imagined", "10.0.0.2")):
        client = Client(REMOTE_ADDR=address)
        said = [client.post("/login", {"username": name, "password": "x"}) for _ in range(15)]
        answers[name] = [(one.status_code, len(one.content)) for one in said]

    assert answers["existing"] == answers["imagined"]


# --- codes


def test_codes_are_guessed_ten_times_however_many_first_steps_are_made(judged: Counter[str]) -> None:
    guess("10.0.0.1", password=PASSWORD)  # the network is known: codes do not slow each other down there
    device = app_of(USER)
    clients = [first_step(USER, PASSWORD, REMOTE_ADDR="10.0.0.1") for _ in range(12)]

    answers = [client.post("/login/code", {"code": wrong(device)}) for client in clients]

    assert [one.status_code for one in answers] == [403] * (Kind.PAIR.value - 1) + [302] * 3
    assert {one["Location"] for one in answers if one.status_code == 302} == {"/login"}
    assert clients[0].post("/login/code", {"code": code_of(device)})["Location"] == "/login"
    assert not models.Login.objects.filter(account=USER).exclude(address="10.0.0.1").exists()


def test_from_a_network_that_is_not_known_one_code_is_looked_at_and_the_next_waits(
    judged: Counter[str],
) -> None:
    device = app_of(USER)
    device.throttling_failure_count = 12
    device.save()
    client = first_step(USER, PASSWORD, REMOTE_ADDR="10.0.0.9")

    for _ in range(5):
        client.post("/login/code", {"code": wrong(device)})

    device.refresh_from_db()
    assert device.throttling_failure_count == 13
    assert client.post("/login/code", {"code": code_of(device)}).status_code == 403


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "000000000000",
        "1e5",
        "-1",
        "+12345",
        "0x1234",
        "１２３４５６",
        "12345٦",
        "' OR 1=1 --",
        "\0" * 6,
        "x" * 32,
    ],
)
def test_what_is_no_code_opens_nothing(judged: Counter[str], text: str) -> None:
    app_of(USER)
    client = first_step(USER, PASSWORD)

    assert client.post("/login/code", {"code": text}).status_code == 403
    assert client.get("/sessions").status_code == 302


def test_a_code_counts_once_for_all_sessions(judged: Counter[str]) -> None:
    device = app_of(USER)
    code = code_of(device)
    overheard = first_step(USER, PASSWORD)
    assert first_step(USER, PASSWORD).post("/login/code", {"code": code}).status_code == 302

    assert overheard.post("/login/code", {"code": code}).status_code == 403
    assert overheard.get("/sessions").status_code == 302


def test_a_code_that_is_older_than_one_that_counted_counts_no_more(judged: Counter[str]) -> None:
    device = app_of(USER)
    assert first_step(USER, PASSWORD).post("/login/code", {"code": code_of(device, 1)}).status_code == 302

    assert first_step(USER, PASSWORD).post("/login/code", {"code": code_of(device)}).status_code == 403


def test_the_code_of_the_set_up_is_no_code_for_a_login(judged: Counter[str], administrator: Client) -> None:
    device = in_the_making(USER)
    code = code_of(device)
    administrator.post("/second-factor/confirm", {"code": code})
    assert second_factor.device_of(USER) == device

    assert first_step(USER, PASSWORD).post("/login/code", {"code": code}).status_code == 403


def test_recovery_codes_of_another_account_open_nothing(judged: Counter[str]) -> None:
    other = User.objects.create(username="other", password="!")
    app_of(USER)
    app_of("other")
    codes = second_factor.new_codes(other)

    for code in codes[:3]:
        assert first_step(USER, PASSWORD).post("/login/code", {"code": code}).status_code == 403
    assert second_factor.codes_left(other) == 10


# --- around the second step


def test_between_the_steps_no_address_gives_anything(judged: Counter[str], cluster: models.Cluster) -> None:
    app_of(USER)
    client = first_step(USER, PASSWORD)
    edition = cluster.edition
    anonymous = Client()
    for name, address in EVERY:
        for method in METHODS:
            if name == "login-code" or (name, method) == ("login", "POST"):
                continue  # the second step itself, and a first one anew
            answers = [one.generic(method, address) for one in (client, anonymous)]
            said = [(one.status_code, one.get("Location", "")) for one in answers]
            assert said[0] == said[1], (method, address)
            assert said[0][0] != 200 or name in OPEN, (method, address)

    cluster.refresh_from_db()
    assert cluster.edition == edition
    assert not models.Login.objects.exists()
    assert not models.Revision.objects.exists()
    assert SESSION_KEY not in client.session
    assert client.get("/login/code").status_code == 200


def test_the_second_step_alone_opens_nothing(judged: Counter[str]) -> None:
    device = app_of(USER)
    for client in (Client(), Client(HTTP_COOKIE=f"{COOKIE}={'abcdefgh' * 4}")):
        for fields in ({"code": code_of(device)}, {"code": code_of(device), **LOGIN, "user": "1"}):
            response = client.post("/login/code", fields)
            assert (response.status_code, response["Location"]) == (302, "/login")


def test_logging_in_as_somebody_else_between_the_steps_keeps_nothing_of_the_first(own_file: Path) -> None:
    passwords.set_password("eve", "eves password", own_file)
    victims, eves = app_of(USER), app_of("eve")
    client = first_step(USER, PASSWORD)
    client.post("/login", {"username": "eve", "password": "eves password"})

    assert client.post("/login/code", {"code": code_of(victims)}).status_code == 403
    device = second_factor.device_of("eve")
    assert device is not None
    device.throttle_reset()
    assert client.post("/login/code", {"code": code_of(eves)}).status_code == 302
    assert [row.account for row in models.Login.objects.all()] == ["eve"]


def test_the_session_and_its_token_are_others_after_each_step(judged: Counter[str]) -> None:
    device = app_of(USER)
    client = Client()
    client.get("/login")
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key or ""
    client.cookies[COOKIE] = planted
    seen = [(planted, client.cookies[TOKEN].value)]
    client.post("/login", LOGIN)
    between = client.cookies[COOKIE].value
    assert "planted" not in client.session
    seen.append((between, client.cookies[TOKEN].value))
    client.post("/login/code", {"code": code_of(device)})
    seen.append((client.cookies[COOKIE].value, client.cookies[TOKEN].value))

    sessions, tokens = zip(*seen, strict=True)
    assert len(set(sessions)) == len(set(tokens)) == 3
    for known in (planted, between):
        spy = Client()
        spy.cookies[COOKIE] = known
        assert spy.get("/sessions").status_code == 302
        assert spy.get("/login/code")["Location"] == "/login"
        assert not Session.objects.filter(session_key=known).exists()


def test_a_session_that_was_logged_in_is_not_while_a_code_is_awaited(
    judged: Counter[str], administrator: Client
) -> None:
    app_of(USER)
    administrator.get("/sessions")
    stolen = administrator.cookies[COOKIE].value

    assert administrator.post("/login", LOGIN)["Location"] == "/login/code"

    assert administrator.get("/sessions").status_code == 302
    thief = Client()
    thief.cookies[COOKIE] = stolen
    assert thief.get("/sessions").status_code == 302


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_the_second_step_leads_to_no_other_site(judged: Counter[str], wanted: str) -> None:
    device = app_of(USER)
    client = Client()
    client.post("/login", {**LOGIN, "next": wanted})

    assert (
        client.post(f"/login/code?next={wanted}", {"code": code_of(device), "next": wanted})["Location"]
        == "/"
    )


def test_a_code_is_taken_from_pages_of_this_site_alone(judged: Counter[str]) -> None:
    device = app_of(USER)
    client = Client(enforce_csrf_checks=True)
    client.cookies = first_step(USER, PASSWORD).cookies

    assert client.post("/login/code", {"code": code_of(device)}).status_code == 403
    assert not models.Login.objects.exists()
