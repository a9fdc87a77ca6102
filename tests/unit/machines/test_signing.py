"""The manager's signature: what it covers, whose it is, and its key in a file."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.machines import signing
from lvs.machines.signing import Forged, SignedTask, Unsigned, UnusableKey
from piranha_web.cli import main

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TASK = SignedTask(
    router="r1",
    task="piranha.apply",
    task_id="deployment-1-x",
    arguments=[{"name": "Löwe\n\u2028", "weight": 0.1, "none": None}, None, ["ab" * 32], 60],
    serial=1_795_000_000_000_000_001,
)


def test_what_is_signed_comes_out_as_it_was() -> None:
    text, signature = signing.seal(KEY, TASK)
    assert signing.unseal(text, signature, [KEY.public_key()]) == TASK
    assert signing.opened(text) == TASK


def test_one_of_the_trusted_keys_is_enough() -> None:
    sealed = signing.seal(KEY, TASK)
    assert signing.unseal(*sealed, [OTHER.public_key(), KEY.public_key()]) == TASK
    with pytest.raises(Forged):
        signing.unseal(*sealed, [OTHER.public_key()])
    with pytest.raises(Forged):
        signing.unseal(*sealed, [])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_sign_of_the_text_and_no_bit_of_the_signature_can_be_another(data: st.DataObject) -> None:
    text, signature = signing.seal(KEY, TASK)
    at = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.characters().filter(lambda one: one != text[at]))
    with pytest.raises((Forged, Unsigned)):
        signing.unseal(text[:at] + sign + text[at + 1 :], signature, [KEY.public_key()])
    raw = bytearray(base64.b64decode(signature))
    raw[data.draw(st.integers(0, 63))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Forged):
        signing.unseal(text, base64.b64encode(raw).decode(), [KEY.public_key()])


def test_a_signature_over_something_else_than_a_task_does_not_count() -> None:
    text, _ = signing.seal(KEY, TASK)
    signature = base64.b64encode(KEY.sign(text.encode())).decode()
    with pytest.raises(Forged):
        signing.unseal(text, signature, [KEY.public_key()])


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (None, None),
        ("{}", None),
        (None, "x"),
        (7, "x"),
        ("{}", "ä"),
        ("{}", "x"),
        ("{}", b"x"),
        ("\ud800", ""),
    ],
)
def test_what_is_no_signature_is_said_to_be_none(text: Any, signature: Any) -> None:
    with pytest.raises(Unsigned):
        signing.unseal(text, signature, [KEY.public_key()])


def test_another_version_of_the_protocol_is_not_guessed_at() -> None:
    said = json.dumps({**json.loads(signing.seal(KEY, TASK)[0]), "version": 2})
    signature = base64.b64encode(KEY.sign(signing.CONTEXT + said.encode())).decode()
    with pytest.raises(Forged, match="version 2"):
        signing.unseal(said, signature, [KEY.public_key()])


@pytest.mark.parametrize("arguments", [[float("nan")], [float("inf")], [object()], [{1, 2}]])
def test_what_json_cannot_say_is_not_signed(arguments: list[Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        signing.seal(KEY, SignedTask(router="r1", task="t", task_id="i", arguments=arguments, serial=1))


def test_the_key_is_made_at_first_need_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    made = signing.public_text(signing.manager_key(folder))
    path = folder / signing.KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert signing.public_text(signing.manager_key(folder)) == made
    assert signing.public_texts(folder) == [made]
    assert len(signing.key_id(made)) == 8


def test_processes_that_need_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: signing.public_text(signing.manager_key(tmp_path)), range(32)))
    assert len(found) == 1


def test_a_key_that_was_put_in_its_place_is_the_one_that_signs(tmp_path: Path) -> None:
    before = signing.public_text(signing.manager_key(tmp_path))
    other = tmp_path / "other"
    other.write_text(signing.pem(OTHER))
    other.rename(tmp_path / signing.KEY_FILE)
    assert signing.public_text(signing.manager_key(tmp_path)) == signing.public_text(OTHER) != before


def test_who_is_enrolled_while_a_key_is_replaced_trusts_both(tmp_path: Path) -> None:
    first = signing.public_text(signing.manager_key(tmp_path))
    (tmp_path / signing.NEXT_FILE).write_text(signing.pem(OTHER))
    assert signing.public_texts(tmp_path) == [first, signing.public_text(OTHER)]


def elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("content", ["", "no key", elliptic()], ids=["empty", "text", "another kind"])
def test_a_file_that_is_no_such_key_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / signing.KEY_FILE).write_text(content)
    with pytest.raises(UnusableKey, match="put it back from a backup"):
        signing.manager_key(tmp_path)


@pytest.mark.parametrize(
    "texts",
    [[], ["x"], [""], ["ä"], [base64.b64encode(b"x" * 31).decode()], [signing.public_text(KEY)] * 3],
    ids=str,
)
def test_a_router_trusts_one_key_or_two_and_nothing_else(texts: list[str]) -> None:
    with pytest.raises(UnusableKey):
        signing.trusted(texts)
    assert len(signing.trusted([signing.public_text(KEY), signing.public_text(OTHER)])) == 2


def test_a_key_is_replaced_in_two_steps_between_which_routers_trust_both(tmp_path: Path) -> None:
    first = signing.public_text(signing.manager_key(tmp_path))
    with pytest.raises(UnusableKey, match="piranha signing next"):
        signing.switch(tmp_path)
    following = signing.make_next(tmp_path)
    assert following != first
    assert signing.public_text(signing.manager_key(tmp_path)) == first
    assert (tmp_path / signing.NEXT_FILE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnusableKey, match="already"):
        signing.make_next(tmp_path)
    assert signing.public_texts(tmp_path) == [first, following]
    assert signing.switch(tmp_path) == following
    assert signing.public_texts(tmp_path) == [following]


def test_the_command_shows_ids_and_leads_through_both_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIRANHA_VAR", str(tmp_path))
    first = signing.public_text(signing.manager_key(tmp_path))
    assert main(["signing"]) == 0
    assert capsys.readouterr().out == f"{signing.key_id(first)}  signs  {first}\n"
    assert main(["signing", "switch"]) == 1
    assert "piranha signing next makes one" in capsys.readouterr().err
    assert main(["signing", "next"]) == 0
    assert "enrol each router again" in capsys.readouterr().out
    assert main(["signing", "show"]) == 0
    assert "is to sign next" in capsys.readouterr().out
    assert main(["signing", "switch"]) == 0
    assert "signs from now on" in capsys.readouterr().out
    assert signing.public_text(signing.manager_key(tmp_path)) != first
