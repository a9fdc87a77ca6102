"""The one way into a router's worker: what comes is let in as it was signed, or refused and counted."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.machines import doorway, serials, signing
from lvs.machines.doorway import Doorway, Refused
from lvs.machines.refusals import Kind, Refusals
from lvs.machines.signing import SignedTask

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TASK = SignedTask(router="r1", task="piranha.guard", task_id="guard-1", arguments=[80, ["::/0"]], serial=5)


class Counted(Refusals):
    """Refusals that a test can read."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[Kind] = []

    def note(self, kind: Kind, why: str) -> None:
        self.kinds.append(kind)
        assert why


@pytest.fixture
def door(tmp_path: Path) -> Doorway:
    serials.begin(tmp_path / "serials")
    seen = serials.SeenSerials(tmp_path / "serials")
    return Doorway("r1", [KEY.public_key()], seen, Counted(), {"piranha.guard"})


def refusals(door: Doorway) -> list[Kind]:
    assert isinstance(door.refusals, Counted)
    return door.refusals.kinds


def envelope(*arguments: object) -> dict[str, Any]:
    body = json.dumps([list(arguments), {}, {"callbacks": ["evil"]}]).encode()
    return {"body": base64.b64encode(body).decode(), "headers": {"task": "evil", "eta": "x"}, "x": 1}


def test_what_is_let_in_is_made_anew_of_what_was_signed(door: Doorway) -> None:
    admitted = door.admit(envelope(*signing.seal(KEY, TASK)))
    assert "evil" not in json.dumps(admitted)
    assert admitted["headers"]["task"] == "piranha.guard"
    assert admitted["headers"]["id"] == "guard-1"
    assert "eta" not in admitted["headers"]
    assert json.loads(admitted["body"])[0] == [80, ["::/0"]]
    assert refusals(door) == []


def test_of_a_task_that_the_worker_does_not_have_only_the_name_is_let_in(door: Doorway) -> None:
    newer = SignedTask(router="r1", task="piranha.newer", task_id="i", arguments=["geheim"], serial=6)
    admitted = door.admit(envelope(*signing.seal(KEY, newer)))
    assert admitted["headers"]["task"] == doorway.UNKNOWN
    assert json.loads(admitted["body"])[0] == ["piranha.newer"]


def test_no_argument_is_shown_to_who_looks_at_the_headers(door: Doorway) -> None:
    admitted = door.admit(envelope(*signing.seal(KEY, TASK)))
    assert "::/0" not in json.dumps({**admitted, "body": ""})


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (SignedTask(router="r2", task="t", task_id="i", arguments=[], serial=6), Kind.FOREIGN),
        (SignedTask(router="R1", task="t", task_id="i", arguments=[], serial=6), Kind.FOREIGN),
        (TASK, Kind.REPLAYED),
        (SignedTask(router="r1", task="t", task_id="i", arguments=[], serial=0), Kind.LATE),
    ],
)
def test_what_is_signed_and_not_for_now_and_here_is_refused(
    door: Doorway, task: SignedTask, kind: Kind
) -> None:
    door.admit(envelope(*signing.seal(KEY, TASK)))
    with pytest.raises(Refused):
        door.admit(envelope(*signing.seal(KEY, task)))
    assert refusals(door) == [kind]


def test_a_task_for_another_router_uses_up_no_number(door: Doorway) -> None:
    foreign = SignedTask(router="r2", task="t", task_id="i", arguments=[], serial=TASK.serial)
    with pytest.raises(Refused):
        door.admit(envelope(*signing.seal(KEY, foreign)))
    door.admit(envelope(*signing.seal(KEY, TASK)))


def test_what_is_not_signed_uses_up_no_number(door: Doorway) -> None:
    text, _ = signing.seal(KEY, TASK)
    with pytest.raises(Refused):
        door.admit(envelope(text, base64.b64encode(bytes(64)).decode()))
    door.admit(envelope(*signing.seal(KEY, TASK)))
    assert refusals(door) == [Kind.FORGED]


def test_a_number_that_cannot_be_written_down_lets_nothing_in(tmp_path: Path) -> None:
    door = Doorway("r1", [KEY.public_key()], serials.SeenSerials(tmp_path / "none"), Counted())
    with pytest.raises(Refused):
        door.admit(envelope(*signing.seal(KEY, TASK)))
    assert refusals(door) == [Kind.UNRECORDED]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON, JSON)
def test_whatever_comes_it_is_refused_and_nothing_else_happens(raw: Any, body: Any) -> None:
    door = Doorway("r1", [KEY.public_key()], serials.SeenSerials(Path("/nowhere/serials")), Counted())
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    for message in (raw, {"body": raw}, {"body": encoded}, envelope(raw), envelope(raw, body)):
        with pytest.raises(Refused):
            door.admit(message)
    assert set(refusals(door)) <= {Kind.UNSIGNED, Kind.FORGED}


def test_a_body_nested_without_end_is_refused(door: Doorway) -> None:
    body = base64.b64encode(b"[" * 200_000).decode()
    with pytest.raises(Refused):
        door.admit({"body": body})
    assert refusals(door) == [Kind.UNSIGNED]


def test_the_parts_of_a_message_are_those_that_were_sealed() -> None:
    sealed = signing.seal(KEY, TASK)
    assert doorway.parts_of(envelope(*sealed)) == sealed
