"""Where no alert goes, however the address is written; and what an address shows of itself."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from piranha_web.alerts import hosts, targets
from piranha_web.alerts.apprised import Guard
from piranha_web.alerts.targets import Target, TargetRefused

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "fe80::1%lo",
        "fd00:ec2::254",
        "100.100.100.200",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "0.0.0.7",
        "::",
        "255.255.255.255",
    ],
)
def test_addresses_that_only_an_attacker_asks_for_are_refused(address: str) -> None:
    assert hosts.is_refused(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"])
def test_machines_of_a_network_are_not(address: str) -> None:
    assert not hosts.is_refused(address)


@pytest.mark.parametrize(
    "url",
    [
        "json://2852039166/latest",
        "json://0xA9FEA9FE/",
        "json://169.254.43518/",
        "json://0251.0376.0251.0376/",
        "json://[::ffff:169.254.169.254]/",
        "jsons://user:word@0xa9fea9fe:443/x",
        "mailto://u:p@example.org?smtp=169.254.169.254",
        "mailto://u:p@example.org?%73mtp=2852039166",
        "workflows://0xA9FEA9FE:443/abcd1234abcd/ABCDEFGHIJKL",
    ],
)
def test_no_way_of_writing_a_number_hides_the_address(url: str) -> None:
    with pytest.raises(TargetRefused, match="no machine that alerts can go to"):
        targets.judged(url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("json://h/?method=GET", "method="),
        ("json://h/?%6Dethod=GET", "method="),
        ("json://h/#?METHOD=GET", "method="),
        ("workflows://h:443/abcd1234abcd/ABCDEFGHIJKL?template=/etc/passwd", "template="),
        ("mailtos://u:p@h?to=a@example.org&pgppub=/etc/passwd", "pgppub="),
        ("mailtos://u:p@h?to=a@example.org&format=html", "format="),
        ("jsons://h/?redirect=yes", "redirect="),
        ("ntfy://h/topic?attach=file:///etc/passwd", "attach="),
    ],
)
def test_what_reads_files_asks_or_leads_elsewhere_is_refused(url: str, word: str) -> None:
    with pytest.raises(TargetRefused, match=f"^{word} cannot be used"):
        targets.judged(url)


def test_a_host_that_cannot_be_understood_is_refused() -> None:
    with pytest.raises(TargetRefused, match="cannot be understood"):
        targets.judged("json://[x/")


def test_a_name_is_judged_by_what_it_resolves_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(host: str, _port: int, *, flags: int, **_more: Any) -> list[Any]:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        assert host == "rebound.example.org"
        return [(0, 0, 0, "", ("192.0.2.1", 0)), (0, 0, 0, "", ("169.254.169.254", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    target = Target("x", targets.judged("json://rebound.example.org/"))

    with pytest.raises(TargetRefused, match=r"rebound\.example\.org \(169\.254\.169\.254\)"):
        targets.judge_hosts(target, ask=True)


def test_the_process_that_sends_connects_to_no_refused_address_whoever_named_it() -> None:
    guard = Guard()

    guard("socket.connect", (None, ("127.0.0.1", 80)))
    guard("socket.connect", (None, "/run/some.socket"))
    guard("open", (("169.254.169.254",),))
    assert guard.refused == ""
    with pytest.raises(PermissionError):
        guard("socket.connect", (None, ("::ffff:169.254.169.254", 80, 0, 0)))

    assert guard.refused == "::ffff:169.254.169.254"


@pytest.mark.parametrize(
    ("url", "mask"),
    [
        (f"ntfy://{TOKEN}", "ntfy://…"),
        (f"ntfys://{TOKEN}/", "ntfys://…"),
        (f"ntfys://{TOKEN}/second?mode=cloud", "ntfys://…"),
        (f"ntfys://ntfy.example.org/{TOKEN}", "ntfys://ntfy.example.org/…"),
        (f"matrixs://{TOKEN}?mode=t2bot", "matrixs://…"),
        (f"matrixs://{TOKEN}", "matrixs://…"),
        (f"matrixs://me@{TOKEN}", "matrixs://…"),
        (f"matrixs://me:{TOKEN}@matrix.example.org/#room", "matrixs://matrix.example.org/…"),
    ],
)
def test_a_topic_or_a_token_in_the_place_of_a_host_is_not_shown(url: str, mask: str) -> None:
    target = Target("x", url)

    assert target.mask == mask
    assert TOKEN not in target.without_secrets(f"it failed at {TOKEN} of {url}")
