"""Which networks may reach the site: the page, the file behind it, and that nobody locks themselves out."""

from __future__ import annotations

import html
import logging
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from lvs import models
from piranha_web import audit
from piranha_web.access import allowed
from piranha_web.access.allowed import is_allowed
from piranha_web.access.backend import bound
from tests.web.conftest import USER
from tests.web.pages import text_of as html_of

STRANGER = "203.0.113.9"


@pytest.fixture(autouse=True)
def file(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for the list, and nothing in it."""
    site.PIRANHA_ALLOW_FILE = tmp_path / "allow"
    site.PIRANHA_ALLOW = [ip_network(text) for text in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "fc00::/7")]
    site.PIRANHA_PROXIES = []
    monkeypatch.setattr(audit, "REFUSALS", audit.Refusals())
    return tmp_path / "allow"


def administrator_at(address: str) -> Client:
    """Somebody who has logged in there."""
    user = bound(User.objects.get_or_create(username=USER, defaults={"password": "!"})[0])
    assert user is not None
    client = Client(REMOTE_ADDR=address)
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", html_of(response))).split())


def networks() -> list[str]:
    return [str(network) for network in allowed.in_force().networks]


def test_without_a_file_the_environments_networks_count_and_loopback_is_not_among_them() -> None:
    assert networks() == ["10.0.0.0/8", "fc00::/7"]
    assert all(map(is_allowed, ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::1")))
    assert not is_allowed(STRANGER)


def test_a_network_that_is_added_may_ask_from_the_next_request_on(file: Path) -> None:
    stranger = Client(REMOTE_ADDR=STRANGER)
    assert stranger.get("/login").status_code == 403
    own = administrator_at("10.0.0.7")

    response = own.post("/access", {"network": " 203.0.113.0/24", "note": "the office"}, follow=True)

    assert "203.0.113.0/24 may reach this site." in text_of(response)
    assert stranger.get("/login").status_code == 200
    assert networks() == ["10.0.0.0/8", "fc00::/7", "203.0.113.0/24"]
    assert file.read_text().splitlines()[-1].endswith("Z piranha: the office")
    page = text_of(own.get("/access"))
    assert "the office" in page
    entry = models.AuditEntry.objects.get(action="allow")
    assert (entry.user, entry.address, entry.text) == (
        "piranha",
        "10.0.0.7",
        "allowed 203.0.113.0/24 “the office”",
    )


def test_a_network_that_is_removed_may_not_ask_from_the_next_request_on() -> None:
    own, other = administrator_at("10.0.0.7"), Client(REMOTE_ADDR="fd00::1")
    assert other.get("/login").status_code == 200

    response = own.post("/access/remove", {"network": "fc00::/7"}, follow=True)

    assert "Removed fc00::/7." in text_of(response)
    assert other.get("/login").status_code == 403
    assert other.get("/static/css/piranha.css").status_code == 403
    assert models.AuditEntry.objects.get(action="allow").text == "no longer allowed fc00::/7"


def test_what_covers_ones_own_address_stays_as_long_as_nothing_else_does(file: Path) -> None:
    own = administrator_at("10.0.0.7")

    refused = text_of(own.post("/access/remove", {"network": "10.0.0.0/8"}, follow=True))

    assert "your own address 10.0.0.7 is in no other network of the list" in refused
    assert not file.exists()
    assert not models.AuditEntry.objects.filter(action="allow").exists()

    own.post("/access", {"network": "10.0.0.7"})
    own.post("/access/remove", {"network": "10.0.0.0/8"})

    assert networks() == ["fc00::/7", "10.0.0.7/32"]
    assert own.get("/access").status_code == 200


@pytest.mark.parametrize("spelling", ["::ffff:10.0.0.7", "::ffff:a00:7"])
def test_ones_own_address_is_known_in_ipv6s_words(spelling: str) -> None:
    own = administrator_at(spelling)

    assert "your own address 10.0.0.7" in text_of(
        own.post("/access/remove", {"network": "10.0.0.0/8"}, follow=True)
    )


def test_behind_a_proxy_ones_own_address_is_the_one_that_the_proxy_names(site: Any) -> None:
    site.PIRANHA_PROXIES = [ip_network("10.0.0.5")]
    site.PIRANHA_ALLOW = [ip_network("10.0.0.0/8"), ip_network("198.51.100.0/24")]
    own = administrator_at("10.0.0.5")
    own.defaults["HTTP_X_FORWARDED_FOR"] = "10.0.0.9, 198.51.100.7"

    page = text_of(own.get("/access"))
    assert "Your address is 198.51.100.7, as the proxy at 10.0.0.5 says" in page
    own.post("/access/remove", {"network": "198.51.100.0/24"})
    assert networks() == ["10.0.0.0/8", "198.51.100.0/24"]
    own.post("/access/remove", {"network": "10.0.0.0/8"})
    assert networks() == ["198.51.100.0/24"]
    assert own.get("/access").status_code == 200


def test_from_the_machine_itself_the_last_network_can_go() -> None:
    own = administrator_at("127.0.0.1")
    for network in ("10.0.0.0/8", "fc00::/7"):
        page = text_of(own.post("/access/remove", {"network": network}, follow=True))

    assert "Now only the machine that serves this site may reach it" in page
    assert networks() == []
    assert own.get("/access").status_code == 200
    assert Client(REMOTE_ADDR="10.0.0.7").get("/login").status_code == 403


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("10.0.0.5/8", "write 10.0.0.0/8 for the whole network, or 10.0.0.5 for that address alone"),
        ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        ("fe80::1%eth0", "names a zone"),
        ("10.0.0.0/8", "is on the list already"),
        ("127.0.0.1", "Loopback always may reach the site"),
        ("::1", "Loopback always may reach the site"),
        ("<script>", "is no network"),
        ("", "This field is required"),
        ("1" * 65, "at most 64"),
    ],
)
def test_what_is_typed_wrong_is_refused_at_the_field_with_what_to_write(typed: str, said: str) -> None:
    response = administrator_at("10.0.0.7").post("/access", {"network": typed})

    assert said in text_of(response)
    assert "Nothing was changed: look at the network that you typed" in text_of(response)
    assert networks() == ["10.0.0.0/8", "fc00::/7"]
    assert not models.AuditEntry.objects.filter(action="allow").exists()


@pytest.mark.parametrize("everything", ["0.0.0.0/0", "::/0", "0.0.0.0/0.0.0.0"])
def test_everybody_is_let_in_only_by_whoever_says_so_twice(everything: str) -> None:
    own = administrator_at("10.0.0.7")
    assert "I mean it" not in text_of(own.get("/access"))

    asked = text_of(own.post("/access", {"network": everything}))

    assert "may then try passwords" in asked
    assert "I mean it: every address may reach this site" in asked
    assert len(networks()) == 2

    own.post("/access", {"network": everything, "everybody": "on"})

    assert len(networks()) == 3
    assert "only passwords keep strangers out" in text_of(own.get("/access"))


@pytest.mark.parametrize(
    ("typed", "remark"),
    [("10.1.0.0/16", "It is within 10.0.0.0/8"), ("8.0.0.0/5", "It holds 10.0.0.0/8 as well")],
)
def test_a_network_inside_or_around_another_is_taken_with_a_remark(typed: str, remark: str) -> None:
    page = text_of(administrator_at("10.0.0.7").post("/access", {"network": typed}, follow=True))

    assert remark in page
    assert typed in networks()


def test_a_note_stays_one_line_of_the_file_whatever_is_in_it(file: Path) -> None:
    own = administrator_at("10.0.0.7")
    for number, note in enumerate(("a\nb", "\x1b[31m", "# 0.0.0.0/0", "<b>x</b>", "a: b: c", "\u202e0/0")):
        own.post("/access", {"network": f"192.0.2.{number}", "note": note})

    assert len(networks()) == 8
    assert "\x1b" not in file.read_text()
    assert "<b>x</b>" not in own.get("/access").content.decode()
    assert [entry.note for entry in allowed.in_force().entries[4:7]] == ["# 0.0.0.0/0", "<b>x</b>", "a: b: c"]


def test_the_list_takes_a_bounded_number(file: Path) -> None:
    file.write_text("".join(f"10.{number // 250}.{number % 250}.0/24\n" for number in range(allowed.MOST)))

    page = text_of(administrator_at("127.0.0.1").post("/access", {"network": "192.0.2.0/24"}))

    assert "as many as it takes" in page


def test_a_broken_file_shuts_all_but_the_machine_itself_out_and_is_named(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("10.0.0.0/8\n10.0.0/8\n")
    with caplog.at_level(logging.ERROR, "piranha.access"):
        for _ in range(5):
            refused = Client(REMOTE_ADDR="10.0.0.7").get("/login")

    assert refused.status_code == 403
    assert "its list of allowed networks cannot be used" in refused.content.decode()
    assert str(file) not in refused.content.decode()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"only loopback may reach the site: {file}, line 2: '10.0.0/8' is no network. Write one as "
        "192.0.2.0/24 or 2001:db8::/32, or an address as 192.0.2.7: each number in decimal, without zeros "
        "before it."
    ]
    own = administrator_at("127.0.0.1")
    page = text_of(own.get("/access"))
    assert "line 2: '10.0.0/8' is no network" in page
    assert "piranha allow reset" in page
    assert "line 2" in text_of(own.post("/access", {"network": "192.0.2.0/24"}))
    assert file.read_text() == "10.0.0.0/8\n10.0.0/8\n"


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_logged_as_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("piranha_web.access.allow_file.replace", refuse)
    own = administrator_at("10.0.0.7")

    assert "cannot be written (Permission denied)" in text_of(own.post("/access", {"network": "192.0.2.1"}))
    removed = own.post("/access/remove", {"network": "fc00::/7"}, follow=True)
    assert "cannot be written (Permission denied)" in text_of(removed)
    assert not models.AuditEntry.objects.filter(action="allow").exists()


def test_the_guard_of_the_port_lets_the_proxies_through_besides(site: Any) -> None:
    site.PIRANHA_PROXIES = [ip_network("192.0.2.5"), ip_network("127.0.0.1")]

    assert [str(network) for network in allowed.guarded()] == ["10.0.0.0/8", "fc00::/7", "192.0.2.5/32"]


@pytest.mark.parametrize(
    "address",
    ["0177.0.0.1", "127.1", "2130706433", "0x7f000001", "010.0.0.7", "10.0.0.07", "10.7", "::ffff:0a00:0007x",
     "::10.0.0.7", "64:ff9b::a00:7", "2002:a00:7::", "10.0.0.7%eth0", "10.0.0.7/8", " 10.0.0.7", "１0.0.0.7"],
)  # fmt: skip
def test_an_odd_spelling_of_an_allowed_address_is_none(address: str) -> None:
    assert not is_allowed(address)
    assert Client(REMOTE_ADDR=address).get("/login").status_code == 403
