"""The token: what it says, and what is taken for none."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.machines.invitation import Invitation, NoInvitation, digest, is_address, read

ONE = Invitation(
    addresses=("https://lb.example.org:3636", "https://[2001:db8::1]"),
    fingerprint="ab" * 32,
    router="r1",
    secret=bytes(range(32)),
)


def test_a_token_is_one_word_that_says_everything_and_shows_nothing_in_a_log():
    assert read(ONE.token) == ONE
    assert read(f" {ONE.token[:50]}\n{ONE.token[50:]} ") == ONE  # as a terminal breaks it
    assert "000102" not in repr(ONE)
    assert ONE.secret.hex() not in digest(ONE.secret)
    assert set(ONE.token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "change",
    [
        {"router": "../r1"},
        {"router": "r 1"},
        {"router": ""},
        {"fingerprint": "AB" * 32},
        {"fingerprint": "ab" * 31},
        {"secret": b"short"},
        {"addresses": ()},
        {"addresses": ("http://lb.example.org",)},
        {"addresses": ("https://a@evil/",)},
        {"addresses": ("https://x",) * 9},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(change):
    with pytest.raises(NoInvitation):
        read(replace(ONE, **change).token)


def token(**said: object) -> str:
    text = json.dumps(json.loads(base64.urlsafe_b64decode(ONE.token + "==")) | said)
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "hello", "e30", "W10", "bnVsbA", ONE.token[:-9], ONE.token + "A", "é", "A" * 5000, token(at="https://x"),
     token(at=[1]), token(at=None), token(router=7), token(sha256=None), token(secret="?"), token(secret=[])],
)  # fmt: skip
def test_what_is_no_token_is_told_to_be_copied_again_or_made_anew(text):
    with pytest.raises(NoInvitation, match=r"(?i)token"):
        read(text)


def test_a_token_of_another_version_is_told_so():
    with pytest.raises(NoInvitation, match="version"):
        read(token(v=2))


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_no_text_does_anything_but_be_refused(text):
    with pytest.raises(NoInvitation):
        read(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://lb.example.org", True),
        ("https://[::1]:3636", True),
        ("https://lb:0", False),
        ("https://lb:99999", False),
        ("https://lb/x", False),
        ("https://lb?x", False),
        ("https://u:p@lb", False),
        ("https://", False),
        ("https://l b", False),
        ("https://[::1", False),
        ("ftp://lb", False),
        ("https://lb\n", False),
    ],
)
def test_an_address_is_a_scheme_a_host_and_a_port(text, is_one):
    assert is_address(text) is is_one
