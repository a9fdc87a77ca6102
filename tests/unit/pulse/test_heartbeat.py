"""The heartbeat's datagram: what is said comes back, and only what is fresh and authentic is believed."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvs.pulse import heartbeat as hb
from lvs.pulse.heartbeat import SIZE, Envelope, Gate, Heartbeat, Link, Refusal, Verdict
from lvs.router.state import Node, Role

OLD, NEW, THIRD = b"o" * 32, b"n" * 32, b"t" * 40
HEARTBEAT = Heartbeat(node=Node.BACKUP, role=Role.STANDBY, keepalive=0.1, deadtime=0.5)
PUBLIC, PRIVATE = Link.PUBLIC, Link.PRIVATE

seconds = st.floats(0, hb.MAX_SECONDS)
ids = st.binary(min_size=4, max_size=4)
words = st.integers(1, 2**64 - 1)
heartbeats = st.integers(0, 2**32 - 1).flatmap(
    lambda total: st.builds(
        Heartbeat,
        node=st.sampled_from(Node),
        role=st.sampled_from(Role),
        fit=st.booleans(),
        yielding=st.booleans(),
        asks=st.booleans(),
        leaving=st.booleans(),
        released=st.booleans(),
        hears=st.booleans(),
        forced=st.booleans(),
        serial=st.integers(0, 2**63 - 1),
        sha256=st.binary(min_size=32, max_size=32),
        healthy=st.integers(0, total),
        total=st.just(total),
        keepalive=seconds,
        deadtime=seconds,
    )
)
envelopes = st.builds(
    Envelope,
    link=st.sampled_from(Link),
    session=words,
    sequence=words,
    echo=st.integers(0, 2**64 - 1),
    newest=ids,
    round=st.integers(0, 2**64 - 1),
)


class Side:
    """One router: a gate, and a number for each datagram it sends."""

    def __init__(self, node: Node, session: int, *keys: bytes) -> None:
        self.gate = Gate(node=node, session=session, keys=keys or (OLD,))
        self.sequences: Counter[Link] = Counter()

    def says(self, link: Link = PUBLIC, **changes: object) -> bytes:
        self.sequences[link] += 1
        said = replace(HEARTBEAT, node=self.gate.node, **changes)
        return self.gate.seal(said, link, self.sequences[link])

    def hears(self, datagram: bytes, link: Link = PUBLIC) -> Verdict:
        verdict = self.gate.accept(datagram, link)
        self.gate = verdict.gate
        return verdict

    def restarts(self, session: int) -> None:
        self.gate = Gate(node=self.gate.node, session=session, keys=self.gate.keys)
        self.sequences.clear()


def meet(one: Side, other: Side, link: Link = PUBLIC) -> None:
    """Both say something until both believe."""
    for _ in range(2):
        other.hears(one.says(link), link)
        one.hears(other.says(link), link)


def pair() -> tuple[Side, Side]:
    """A primary and a backup that believe each other on both links."""
    primary, backup = Side(Node.PRIMARY, 100), Side(Node.BACKUP, 200)
    for link in Link:
        meet(primary, backup, link)
    return primary, backup


@given(heartbeats, envelopes, st.binary(min_size=32, max_size=64))
def test_what_is_encoded_is_decoded(said: Heartbeat, envelope: Envelope, key: bytes) -> None:
    datagram = hb.encode(said, envelope, key)
    assert len(datagram) == SIZE
    assert hb.decode(datagram) == (said, envelope)


def test_two_routers_believe_each_other_after_a_datagram_each_and_an_answer() -> None:
    primary, backup = Side(Node.PRIMARY, 100), Side(Node.BACKUP, 200)
    first = backup.hears(primary.says())
    assert (first.heartbeat, first.refusal) == (None, Refusal.UNVERIFIED)
    assert first.answer
    second = primary.hears(backup.says(fit=False))
    assert second.heartbeat == replace(HEARTBEAT, fit=False)
    assert second.new
    assert backup.hears(primary.says()).heartbeat


def test_a_lone_answer_is_enough_for_a_router_that_has_just_started() -> None:
    primary, backup = pair()
    backup.restarts(201)
    asked = primary.hears(backup.says())
    assert asked.refusal is Refusal.UNVERIFIED
    assert asked.answer
    answer = primary.gate.seal(replace(HEARTBEAT, node=Node.PRIMARY), PUBLIC, 50, to=asked.answer)
    assert backup.hears(answer).heartbeat
    assert primary.hears(backup.says()).new


def test_each_datagram_is_believed_once_and_none_older_than_the_last() -> None:
    primary, backup = pair()
    early, late = primary.says(), primary.says()
    assert backup.hears(late).heartbeat
    for replayed in (late, early):
        before = backup.gate
        assert backup.hears(replayed).refusal is Refusal.REPLAYED
        assert backup.gate is before


def test_the_numbers_tell_how_many_were_lost() -> None:
    primary, backup = pair()
    for _ in range(3):
        primary.says()
    assert backup.hears(primary.says()).lost == 3
    assert backup.hears(primary.says()).lost == 0


def test_a_datagram_of_one_link_is_refused_on_the_other() -> None:
    primary, backup = pair()
    datagram = primary.says(PUBLIC)
    assert backup.hears(datagram, PRIVATE).refusal is Refusal.REPLAYED
    assert backup.hears(datagram, PUBLIC).heartbeat


def test_recordings_of_an_earlier_session_are_refused_after_either_router_has_restarted() -> None:
    primary, backup = pair()
    recorded = [primary.says(link) for link in Link]
    primary.restarts(101)
    meet(primary, backup)
    for datagram, link in zip(recorded, Link, strict=True):
        assert backup.hears(datagram, link).refusal is Refusal.REPLAYED
    backup.restarts(201)
    for datagram, link in zip(recorded, Link, strict=True):
        assert backup.hears(datagram, link).refusal is Refusal.UNVERIFIED
    assert backup.gate.peer is None


def test_a_recording_asks_for_an_answer_but_moves_no_session_that_is_believed() -> None:
    primary, backup = pair()
    recorded = primary.says()
    for side, session in ((primary, 101), (backup, 201)):
        side.restarts(session)
    meet(primary, backup)
    before = backup.gate
    assert backup.hears(recorded).answer
    assert backup.gate == before
    assert backup.hears(primary.says()).heartbeat


def test_the_first_datagram_of_a_link_must_echo_my_session_too() -> None:
    primary, backup = Side(Node.PRIMARY, 100), Side(Node.BACKUP, 200)
    recorded = primary.says(PRIVATE)
    meet(primary, backup, PUBLIC)
    assert backup.hears(recorded, PRIVATE).refusal is Refusal.UNVERIFIED
    assert backup.hears(primary.says(PRIVATE), PRIVATE).heartbeat


def test_a_peer_that_restarts_without_end_makes_for_a_new_session_that_forgets_the_past() -> None:
    primary, backup = pair()
    recorded = primary.says()
    for session in range(1000, 1000 + hb.MAX_PAST):
        assert not backup.gate.crowded
        primary.restarts(session)
        backup.hears(primary.says())
        meet(primary, backup)
    assert backup.gate.crowded
    backup.gate = backup.gate.renewed(999)
    assert backup.hears(recorded).refusal is Refusal.UNVERIFIED
    meet(primary, backup)
    assert backup.hears(primary.says()).heartbeat
    assert not backup.gate.crowded


def test_my_own_node_is_foreign_and_another_machine_with_its_name_is_told_apart() -> None:
    primary, _ = pair()
    assert primary.hears(primary.says()) == Verdict(gate=primary.gate, refusal=Refusal.FOREIGN)
    impostor = Side(Node.PRIMARY, 300)
    assert primary.hears(impostor.says()).same_node


def sealed(body: bytes, key: bytes = OLD) -> bytes:
    return body + hb.hmac.digest(key, body, "sha256")


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (5, b"\x03"),  # link
        (6, b"\x00"),  # node
        (7, b"\x09"),  # role
        (16, bytes(8)),  # session
        (24, bytes(8)),  # sequence
        (48, b"\xff\xff"),  # flags
        (90, b"\xff\xff\xff\xff"),  # healthy
        (98, bytes.fromhex("7ff8000000000000")),  # keepalive: not a number
        (106, bytes.fromhex("bff0000000000000")),  # deadtime: -1
        (106, bytes.fromhex("7ff0000000000000")),  # deadtime: infinite
    ],
)
def test_values_that_no_router_says_are_malformed_even_when_signed(offset: int, value: bytes) -> None:
    primary, backup = pair()
    body = bytearray(primary.says()[:-32])
    body[offset : offset + len(value)] = value
    assert backup.hears(sealed(bytes(body))).refusal is Refusal.MALFORMED


def test_every_byte_of_a_datagram_is_covered_by_its_hmac() -> None:
    primary, backup = pair()
    datagram = primary.says()
    before = backup.gate
    for place in range(SIZE):
        changed = bytearray(datagram)
        changed[place] ^= 1
        assert backup.hears(bytes(changed)).refusal in (
            Refusal.FORGED,
            Refusal.MALFORMED,
            Refusal.FOREIGN,
        )
    assert backup.gate is before
    assert backup.hears(datagram).heartbeat


# Keys: rings newest first. A manager puts the next rings in force only when both routers have the last ones.
ROTATIONS = [
    [(OLD,), (NEW, OLD), (NEW,)],
    [(OLD,), (NEW, OLD), (THIRD, NEW), (THIRD,)],
]


@pytest.mark.parametrize("rings", ROTATIONS, ids=["two keys", "three keys"])
@pytest.mark.parametrize("firsts", list(itertools.product([0, 1], repeat=3)), ids=str)
def test_a_rotation_loses_no_heartbeat_whichever_router_gets_it_first(
    rings: list[tuple[bytes, ...]], firsts: tuple[int, ...]
) -> None:
    sides = pair()
    for ring, first in zip(rings[1:], firsts, strict=False):
        for one in (first, 1 - first):
            sides[one].gate = sides[one].gate.with_keys(ring)
            for speaker in (0, 1, 1, 0):
                assert sides[1 - speaker].hears(sides[speaker].says()).heartbeat
    assert all(side.gate.peer_has_newest for side in sides)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("restarting", [0, 1])
def test_routers_find_together_when_one_restarts_in_the_middle_of_a_rotation(
    first: int, restarting: int
) -> None:
    for rings in (((NEW, OLD), (OLD,)), ((NEW,), (NEW, OLD)), ((THIRD, NEW), (NEW, OLD))):
        sides = pair()
        sides[first].gate = sides[first].gate.with_keys(rings[0])
        sides[1 - first].gate = sides[1 - first].gate.with_keys(rings[1])
        sides[restarting].restarts(300)
        for _ in range(3):
            for speaker in (0, 1):
                verdict = sides[1 - speaker].hears(sides[speaker].says())
                if verdict.answer:
                    listener = sides[1 - speaker]
                    listener.sequences[PUBLIC] += 1
                    said = replace(HEARTBEAT, node=listener.gate.node)
                    number = listener.sequences[PUBLIC]
                    sides[speaker].hears(listener.gate.seal(said, PUBLIC, number, to=verdict.answer))
        for speaker in (0, 1):
            assert sides[1 - speaker].hears(sides[speaker].says()).heartbeat


def test_a_router_whose_key_is_gone_is_foreign() -> None:
    primary, backup = pair()
    backup.gate = backup.gate.with_keys((NEW,))
    assert backup.hears(primary.says()).refusal is Refusal.FOREIGN


def test_a_hundred_thousand_hostile_datagrams_change_nothing_but_the_counters() -> None:
    """Forged, replayed (also from before a restart), truncated and random ones, between true heartbeats."""
    chance = random.Random(3)
    primary, backup = Side(Node.PRIMARY, 100), Side(Node.BACKUP, 200)
    recorded = [(primary.says(link, serial=n), link) for n in range(200) for link in Link]
    primary.restarts(101)
    backup.restarts(201)
    for link in Link:
        meet(primary, backup, link)
    refused: Counter[Refusal] = Counter()
    for number in range(100_000):
        datagram, link = hostile(chance, recorded, primary)
        before = backup.gate
        verdict = backup.hears(datagram, link)
        assert verdict.heartbeat is None
        assert backup.gate == before
        refused[verdict.refusal or pytest.fail("neither believed nor refused")] += 1
        if number % 1000 == 0:  # a true one now and then; the attacker records that too
            true = primary.says(serial=number)
            assert backup.hears(true).heartbeat == replace(HEARTBEAT, node=Node.PRIMARY, serial=number)
            recorded.append((true, PUBLIC))
    assert refused.total() == 100_000
    assert set(refused) == set(Refusal)


def hostile(chance: random.Random, recorded: list[tuple[bytes, Link]], speaker: Side) -> tuple[bytes, Link]:
    datagram, link = chance.choice(recorded)
    match chance.randrange(6):
        case 0:  # as recorded
            return datagram, link
        case 1:  # on the other link
            return datagram, Link(3 - link)
        case 2:  # cut short, or with something after it
            return datagram[: chance.randrange(SIZE)] if chance.random() < 0.5 else datagram + b"\0", link
        case 3:  # with a byte changed
            place = chance.randrange(SIZE)
            return datagram[:place] + bytes([datagram[place] ^ 0x55]) + datagram[place + 1 :], link
        case 4:  # of the living session, with a number to come, signed with a guessed key
            body = speaker.gate.seal(replace(HEARTBEAT, role=Role.ACTIVE), link, 10**6)[:-32]
            return sealed(body, chance.randbytes(32)), link
        case _:
            return os.urandom(chance.randrange(2 * SIZE)), link
