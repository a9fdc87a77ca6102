"""How routers tell each other of the administrator's hand: datagrams, their rhythm, and two hearts at it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.nanny.hand import LONGEST_ENTRY
from lvs.pulse import gossip
from lvs.pulse.gossip import LARGEST, is_gossip, opened, packed, seal
from lvs.pulse.heart.telling import AT_ONCE, PAUSE, ROUND_EVERY, Telling
from lvs.pulse.heartbeat import Link, Refusal
from lvs.router.state import Node
from tests.unit.pulse.hearts import World

KEY, OTHER_KEY = bytes([1] * 32), bytes([2] * 32)


def entry(name: str = "web3", **more: Any) -> dict[str, Any]:
    return {
        "virtual_server": "shop",
        "real_server": name,
        "order": "drain",
        "at": 1000.25,
        "by": "anna",
        "reason": "new disk",
        "until": None,
    } | more


def told(entries: list[dict[str, Any]], key: bytes = KEY, node: Node = Node.PRIMARY) -> list[bytes]:
    """The datagrams that say all of entries."""
    datagrams, number = [], 0
    while number < len(entries):
        said, number = packed(entries, number)
        datagrams.append(seal(said, node, key))
    return datagrams


ENTRIES = st.builds(
    entry,
    name=st.text(max_size=20),
    by=st.text(st.characters(exclude_categories=["C"]), max_size=80),
    reason=st.text(st.characters(exclude_categories=["C"]), max_size=120),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(ENTRIES, max_size=12))
def test_what_is_told_is_read_again_whole_and_in_datagrams_that_are_never_cut(
    entries: list[dict[str, Any]],
) -> None:
    datagrams = told(entries)
    assert all(len(one) <= LARGEST and is_gossip(one) for one in datagrams)
    read = [found for one in datagrams for found in opened(one, Node.BACKUP, [OTHER_KEY, KEY])]
    assert read == entries


def test_the_longest_entry_that_there_can_be_fits() -> None:
    assert gossip.ROOM >= LONGEST_ENTRY


def test_entries_whose_names_fit_nowhere_are_passed_over() -> None:
    entries = [entry("n" * LARGEST), entry("web4")]
    said, following = packed(entries)
    assert (json.loads(said), following) == ([entry("web4")], 2)


@pytest.mark.parametrize(
    ("datagram", "refusal"),
    [
        (told([entry()], OTHER_KEY)[0], Refusal.FOREIGN),
        (told([entry()], node=Node.BACKUP)[0], Refusal.FOREIGN),
        (told([entry()])[0][:-1] + b"\0", Refusal.FORGED),
        (told([entry()])[0].replace(b"drain", b"auto "), Refusal.FORGED),
        (told([entry()])[0][:40], Refusal.MALFORMED),
        (told([entry()])[0] + bytes(LARGEST), Refusal.MALFORMED),
        (seal(b"{}", Node.PRIMARY, KEY), Refusal.MALFORMED),
        (seal(b"[1]", Node.PRIMARY, KEY), Refusal.MALFORMED),
        (seal(b"\xff", Node.PRIMARY, KEY), Refusal.MALFORMED),
        (seal(b"[" * 1000, Node.PRIMARY, KEY), Refusal.MALFORMED),
        (b"PIRG\x02" + told([entry()])[0][5:], Refusal.MALFORMED),
        (b"PIRG", Refusal.MALFORMED),
    ],
)
def test_what_the_other_router_did_not_say_is_refused(datagram: bytes, refusal: Refusal) -> None:
    assert opened(datagram, Node.BACKUP, [KEY]) is refusal


# ---- when


def read(said: list[bytes]) -> list[dict[str, Any]]:
    return [one for part in said for one in json.loads(part)]


def test_news_go_out_at_once_and_everything_again_every_five_seconds() -> None:
    telling = Telling()
    assert telling.due(0.0) == []
    assert telling.next_at == float("inf")
    telling.use(10.0, [entry("a"), entry("b")])
    assert read(telling.due(10.0)) == [entry("a"), entry("b")]
    assert telling.next_at == 10.0 + ROUND_EVERY
    telling.use(11.0, [entry("a"), entry("b", order="up")])
    assert read(telling.due(11.0)) == [entry("b", order="up")]
    assert telling.due(14.9) == []
    assert read(telling.due(15.0)) == [entry("a"), entry("b", order="up")]
    assert telling.next_at == 15.0 + ROUND_EVERY
    telling.use(16.0, [])
    assert telling.next_at == float("inf")


def test_thousands_are_told_in_portions_and_none_is_left_out() -> None:
    telling, entries = Telling(), [entry(f"s{number}") for number in range(5000)]
    telling.use(0.0, entries)
    now, heard = 0.0, []
    while len(heard) < len(entries):
        said = telling.due(now)
        assert len(said) <= AT_ONCE
        heard += read(said)
        assert telling.next_at >= now + PAUSE
        now = telling.next_at
    assert sorted(one["real_server"] for one in heard[:5000]) == sorted(f"s{n}" for n in range(5000))
    assert now < 60


def test_a_router_that_has_just_begun_is_told_everything_at_once() -> None:
    telling = Telling()
    telling.use(0.0, [entry("a")])
    telling.due(0.0)
    telling.begin(1.0)
    assert read(telling.due(1.0)) == [entry("a")]


# ---- two hearts


def test_the_hand_reaches_the_other_router_over_whatever_link_there_is() -> None:
    world = World()
    world.start()
    world.cut = {("primary", Link.PUBLIC)}
    world.primary.say({"say": "gossip", "entries": [entry()]})
    world.until(lambda: bool(world.backup.heard("gossip")), 0.01)
    assert world.backup.heard("gossip")[0]["entries"] == [entry()]
    assert not world.primary.heard("gossip")


def test_a_lost_datagram_and_a_router_that_was_away_are_made_up_for() -> None:
    world = World()
    world.start()
    world.cut = {("primary", Link.PUBLIC), ("primary", Link.PRIVATE)}
    world.primary.say({"say": "gossip", "entries": [entry()]})
    world.run(0.1)
    world.cut = set()
    world.until(lambda: bool(world.backup.heard("gossip")), ROUND_EVERY + 0.1)


def test_forged_gossip_is_counted_and_goes_no_further() -> None:
    world = World()
    world.start()
    for datagram, from_peer in (
        (told([entry()], OTHER_KEY)[0], True),
        (told([entry()], bytes.fromhex("11" * 32))[0], False),
        (told([entry()], bytes.fromhex("11" * 32))[0][:-1] + b"\0", True),
        (seal(b"[", Node.PRIMARY, bytes.fromhex("11" * 32)), True),
    ):
        world.backup.core.received(world.now, Link.PUBLIC, datagram, from_peer=from_peer)
    refused = world.backup.status["refused"]
    assert (refused["foreign"], refused["forged"], refused["malformed"]) == (2, 1, 1)
    assert not world.backup.heard("gossip")


def test_gossip_that_makes_no_sense_is_said_and_the_heart_goes_on() -> None:
    world = World()
    world.start()
    world.primary.say({"say": "gossip"})
    assert "does not understand pulse's 'gossip'" in world.primary.heard("event")[-1]["text"]
    world.run(1)
    assert world.primary.role == "active"
