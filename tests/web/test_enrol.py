"""Enrolling a router: the command, who may use it, how often, and what an attacker gets."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client

from lvs import dispatch, models
from lvs.errors import NotPossible
from lvs.machines import redis_users, signing
from lvs.machines.invitation import Invitation, digest, read
from piranha_web import audit, enrolling
from piranha_web.enrolling import BROKER_VARIABLE
from piranha_web.views import enrol
from tests.conftest import RedisServer
from tests.web.enrolment import able, invited, knock
from tests.web.pages import text_of

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrol, "TRIED", enrol.Tried())
    monkeypatch.setattr(audit, "REFUSALS", audit.Refusals())
    for name in ("r1", "r2"):
        redis_users.revoke(dispatch.broker(), name)


@pytest.fixture
def r1(cluster: models.Cluster) -> models.Router:
    return cluster.routers.get(name="r1")


def page_of(client: Client, address: str) -> str:
    return unescape(text_of(client.get(address)))


def command_on(page: str) -> Invitation:
    found = re.search(r"piranha join ([\w-]+)", page)
    assert found, page
    return read(found[1])


def test_the_page_shows_the_command_once_and_keeps_only_a_hash(
    administrator: Client, r1: models.Router
) -> None:
    before = datetime.now(UTC)
    with able() as serving:
        page = unescape(administrator.post(f"/routers/{r1.pk}/enrol").content.decode())
        found = command_on(page)
        again = page_of(administrator, f"/routers/{r1.pk}/enrol")
    assert found.router == "r1"
    assert found.addresses == ("https://192.0.2.1:3636",)
    assert found.fingerprint == serving.ensure(NOW)[0].fingerprint.replace(":", "").lower()
    row = models.Enrolment.objects.get()
    assert row.secret == digest(found.secret)
    assert timedelta(hours=1) <= row.ends_at - before < timedelta(hours=2)
    assert found.token not in again
    assert "one is out, made by piranha" in again
    entry = models.AuditEntry.objects.get(action="enrol")
    assert "made a token to enrol r1" in entry.text
    assert found.secret.hex() not in str(entry.details) + entry.text


def test_the_address_that_the_administrator_uses_comes_first(
    administrator: Client, r1: models.Router, site: Any
) -> None:
    site.PIRANHA_HOSTS = ["lb.example.org"]
    with able():
        response = administrator.post(
            f"/routers/{r1.pk}/enrol", secure=True, HTTP_HOST="lb.example.org", HTTP_ORIGIN="null"
        )
        here = administrator.post(f"/routers/{r1.pk}/enrol", secure=True, HTTP_HOST="127.0.0.1:3636")
    assert command_on(unescape(response.content.decode())).addresses[0] == "https://lb.example.org"
    # What leads a router to itself is none of its manager's addresses.
    assert command_on(unescape(here.content.decode())).addresses == ("https://192.0.2.1:3636",)


def test_a_router_gets_its_own_user_of_redis_the_managers_keys_and_the_authority(r1: models.Router) -> None:
    answer = knock(invited(r1))

    assert answer.status_code == 200
    said = answer.json()
    assert said["router"] == "r1"
    assert re.fullmatch(r"rediss://router\.r1:[\w-]{40,}@192\.0\.2\.1:6380/0", said["broker_url"])
    assert said["manager_keys"] == signing.public_texts(settings.VAR)
    assert said["ca"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in said["ca"]
    assert said["serial"] > 0
    assert redis_users.has_user(dispatch.broker(), "r1")
    entry = models.AuditEntry.objects.filter(action="enrol").get()
    assert entry.text == "enrolled r1"
    assert (entry.address, entry.cluster, entry.target) == ("127.0.0.1", "lab", "r1")


def test_a_token_counts_once(r1: models.Router) -> None:
    one = invited(r1)
    assert knock(one).status_code == 200
    again = knock(one)
    assert again.status_code == 410
    assert "was used on" in again.content.decode()
    assert "from 127.0.0.1" in again.content.decode()
    assert models.AuditEntry.objects.filter(action="enrol", outcome="refused").count() == 1


def test_of_two_who_have_read_the_same_row_one_is_let_in(r1: models.Router) -> None:
    """Between the look at a token and its use nothing is locked: the use itself decides."""
    invited(r1)
    first, second = models.Enrolment.objects.get(), models.Enrolment.objects.get()
    assert first.use("10.0.0.1", NOW)
    assert not second.use("10.0.0.2", NOW)
    assert models.Enrolment.objects.get().used_from == "10.0.0.1"


def test_a_token_ends(r1: models.Router) -> None:
    answer = knock(invited(r1, now=NOW - timedelta(minutes=61)))
    assert answer.status_code == 410
    assert "ended on" in answer.content.decode()
    assert not redis_users.has_user(dispatch.broker(), "r1")


def test_a_newer_token_takes_the_place_of_one_that_nobody_used(r1: models.Router) -> None:
    older, newer = invited(r1), invited(r1)
    assert knock(older).status_code == 404
    assert knock(newer).status_code == 200


def test_a_token_is_for_one_router(r1: models.Router, cluster: models.Cluster) -> None:
    one = invited(r1)
    answer = knock(replace(one, router="r2"))
    assert answer.status_code == 409
    assert "for r1, and not for r2" in answer.content.decode()
    assert not redis_users.has_user(dispatch.broker(), "r2")
    assert knock(one).status_code == 200  # who tried the wrong name did not use it up


def test_a_guess_tells_nothing_and_leaves_nothing(r1: models.Router) -> None:
    invited(r1)
    answer = knock(Invitation(addresses=(), fingerprint="", router="r1", secret=bytes(32)))
    assert answer.status_code == 404
    assert "r1" not in answer.content.decode()
    assert not redis_users.has_user(dispatch.broker(), "r1")


def test_who_tries_often_waits_and_others_do_not(r1: models.Router) -> None:
    one = invited(r1)
    guess = replace(one, secret=bytes(32))
    assert [knock(guess).status_code for _ in range(12)] == [404] * 10 + [429] * 2
    assert knock(one, Client(REMOTE_ADDR="10.0.0.9")).status_code == 200
    # One entry for each kind in a minute, however often.
    assert models.AuditEntry.objects.filter(action="enrol", outcome="refused").count() == 2


def test_what_many_addresses_try_is_kept_in_mind_within_bounds() -> None:
    tried = enrol.Tried()
    for number in range(3000):
        tried.may(f"2001:db8::{number:x}", 100.0)
    assert len(tried.floods) <= enrol.MOST_ADDRESSES + 1
    assert not tried.may("2001:db8::ffff", 100.0)
    assert tried.may("2001:db8::ffff", 161.0)
    assert len(tried.floods) == 1


def test_by_plain_http_no_token_is_looked_at(r1: models.Router) -> None:
    one = invited(r1)
    with able():
        answer = Client().post(
            "/enrol", {"router": "r1", "secret": one.secret.hex()}, content_type="application/json"
        )
    assert answer.status_code == 404
    assert "TLS" in answer.content.decode()
    assert models.Enrolment.objects.get().used_at is None


def test_from_outside_the_allowed_networks_the_refusal_names_the_address_and_the_remedy(
    r1: models.Router, stranger: Client
) -> None:
    one = invited(r1)
    answer = knock(one, stranger)
    assert answer.status_code == 403
    assert "piranha allow add 203.0.113.9" in answer.content.decode()
    assert knock(one).status_code == 200


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", "7", '"x"', '{"router": 1, "secret": "' + "a" * 64 + '"}', '{"router": "r1"}',
     '{"router": "r1", "secret": "' + "A" * 64 + '"}', '{"router": "r1", "secret": null}', "[" * 3000,
     "x" * 5000],
)  # fmt: skip
def test_what_is_no_token_at_all_is_told_so(body: str) -> None:
    answer = Client().post("/enrol", body, "application/json", secure=True)
    assert answer.status_code == 404
    assert "piranha join" in answer.content.decode()


def test_when_redis_is_away_the_token_is_used_up_and_the_next_one_counts(
    r1: models.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = invited(r1)

    def away(*_words: object, **_more: object) -> str:
        raise redis.ConnectionError("Connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(redis_users, "grant", away)
        answer = knock(one)
    assert answer.status_code == 503
    assert "used up" in answer.content.decode()
    assert models.Enrolment.last_of(r1) is None
    assert knock(one).status_code == 410
    assert knock(invited(r1)).status_code == 200


def test_what_the_web_server_is_not_set_up_for_uses_no_token_up(
    r1: models.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = invited(r1)

    def nowhere(*_words: object) -> str:
        raise NotPossible("Routers cannot reach Redis: PIRANHA_ROUTER_BROKER_URL is not set.")

    with monkeypatch.context() as patch:
        patch.setattr(enrolling, "url_for_routers", nowhere)
        answer = knock(one)
    assert answer.status_code == 503
    assert "PIRANHA_ROUTER_BROKER_URL is not set. The token still counts" in answer.content.decode()
    assert knock(one).status_code == 200


def test_a_router_that_is_enrolled_again_has_another_password(r1: models.Router) -> None:
    first, second = (knock(invited(r1)).json()["broker_url"] for _ in range(2))
    assert first != second


def test_a_revoked_router_has_no_user_no_queue_and_no_token(administrator: Client, r1: models.Router) -> None:
    assert knock(invited(r1)).status_code == 200
    out = invited(r1)
    client = dispatch.broker()
    client.lpush("router.r1", "a task with the cluster's key")
    page = unescape(text_of(administrator.post(f"/routers/{r1.pk}/revoke", follow=True)))
    assert "r1 is revoked" in page
    assert "revoked" in page_of(administrator, f"/routers/{r1.pk}/enrol")
    assert not redis_users.has_user(client, "r1")
    assert not client.exists("router.r1")
    assert knock(out).status_code == 404
    assert models.AuditEntry.objects.filter(action="enrol", text="revoked r1").exists()


def test_where_routers_could_not_reach_redis_the_page_says_what_to_set(
    administrator: Client, r1: models.Router
) -> None:
    page = page_of(administrator, f"/routers/{r1.pk}/enrol")
    assert BROKER_VARIABLE in page
    assert "Make the command" not in page
    page = unescape(text_of(administrator.post(f"/routers/{r1.pk}/enrol", follow=True)))
    assert "No token was made" in page
    assert not models.Enrolment.objects.exists()


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({BROKER_VARIABLE: "rediss://:geheim@lb.example.org:6380/0?x=y"}, "rediss://lb.example.org:6380/0"),
        ({"PIRANHA_BROKER_URL": "redis://user:geheim@10.0.0.5:6379/1"}, "redis://10.0.0.5:6379/1"),
        ({"PIRANHA_BROKER_URL": "redis://:x@127.0.0.1:6379/0"}, None),
        ({"PIRANHA_BROKER_URL": "redis+socket:///run/redis.sock"}, None),
        ({BROKER_VARIABLE: "rediss://localhost:6380/0"}, None),
        ({}, None),
    ],
)
def test_the_way_to_redis_is_one_that_a_router_can_go_and_has_none_of_our_passwords(
    variables: dict[str, str], url: str | None
) -> None:
    if url is not None:
        assert enrolling.url_for_routers(variables) == url
    else:
        with pytest.raises(NotPossible, match=BROKER_VARIABLE):
            enrolling.url_for_routers(variables)


def test_behind_a_proxy_its_address_and_certificate_are_to_be_named(r1: models.Router) -> None:
    with able() as serving:
        replace(serving, tls=False).remember()
        with pytest.raises(NotPossible, match="--fingerprint"):
            enrolling.invite(r1, by="bob", now=NOW)
        with pytest.raises(NotPossible, match="--address"):
            enrolling.invite(r1, by="bob", now=NOW, fingerprint="ab" * 32)
        with pytest.raises(NotPossible, match="64 hexadecimal"):
            enrolling.invite(r1, by="bob", now=NOW, fingerprint="abc")
        made = enrolling.invite(
            r1, by="bob", now=NOW, fingerprint="AB:" * 31 + "AB", addresses=["https://lb.example.org/"]
        )
    found = read(made.token)
    assert (found.addresses, found.fingerprint) == (("https://lb.example.org",), "ab" * 32)


@pytest.mark.parametrize("valid", [timedelta(), timedelta(seconds=-1), timedelta(days=8)])
def test_a_token_that_is_valid_for_too_long_is_not_made(r1: models.Router, valid: timedelta) -> None:
    with able(), pytest.raises(NotPossible, match="7 days at most"):
        enrolling.invite(r1, by="bob", now=NOW, valid=valid)


def test_a_way_to_redis_without_tls_is_pointed_out(r1: models.Router) -> None:
    with able("redis://192.0.2.1:6379/0"):
        assert "without TLS" in enrolling.invite(r1, by="bob", now=NOW).remarks[0]
