"""The heartbeat's datagram: what it says, how it is written, and which ones are believed. Pure.

A datagram has one fixed size, network byte order, and ends with the HMAC-SHA-256 (RFC 2104) of all before it.
Which key signed it is told by the first 4 bytes of that key's SHA-256.

Freshness needs no clocks, which two routers do not share. Each start of a heart draws a random *session*,
each link counts its datagrams, and each datagram *echoes* the session that its sender knows of the receiver:

* Of the other router's current session, only a higher number than the last on that link is believed.
* Another session is believed only if it echoes my session, so that it was made after mine began, and if it is
  none that was left behind since then. The same holds for the first datagram on each link.
* An authentic datagram that fails this only teaches me what to echo, and is answered at once; the answer
  proves my session to a living sender, and nothing to a recording.

What is not shut out: somebody between the routers who holds back every datagram of a living session can
deliver them later, in order. He could as well cut the link.

Keys rotate without an outage: a router with two keys accepts both, and signs with the newest one that the
other router is known to hold, by what that one signed with and by the newest key it names.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from lvs.errors import HeartbeatError
from lvs.router.floating import Node, Role

MAGIC = b"PIRH"
VERSION = 1
KEY_BYTES = 32  # the least length of a key (RFC 2104, 3: not shorter than the hash)
MAX_KEYS = 2
MAX_PAST = 1024  # sessions left behind that are remembered; then it is time for a session of one's own
MAX_SECONDS = 86_400.0  # of keepalive and deadtime; more is no heartbeat
_MAX_32, _MAX_64 = 2**32 - 1, 2**64 - 1
TAG_BYTES = 32  # of an HMAC-SHA-256

# magic, version, link, node, role; key id, newest key id; session, sequence, echo, round; flags, serial,
# SHA-256 of lvs.cf; healthy, total; keepalive, deadtime.
_FORM = struct.Struct("!4sBBBB4s4sQQQQHQ32sIIdd")
SIZE = _FORM.size + TAG_BYTES  # bytes of a datagram

_NODES = {Node.PRIMARY: 1, Node.BACKUP: 2}
_ROLES = {Role.ACTIVE: 1, Role.STANDBY: 2}
_NODE_OF = {number: node for node, number in _NODES.items()}
_ROLE_OF = {number: role for role, number in _ROLES.items()}
_FLAGS = ("fit", "yielding", "asks", "leaving", "released", "hears", "forced")  # bit 0 first


class Link(IntEnum):
    """The two ways between the routers; the number is the datagram's."""

    PUBLIC = 1
    PRIVATE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What a router says of itself.

    fit: it could take over now, or serves well. yielding: it is active and asks the receiver to take over.
    asks: it is standby and its administrator asks for the active role. leaving: its pulse ends after this;
    released: it does not hold all floating addresses (yet, or any more); if it leaves: it holds none. hears:
    it has accepted a heartbeat of the receiver within its dead time. forced: its administrator made it
    active. serial, sha256: the installed lvs.cf (0 and 32 zero bytes: none). healthy, total: its real
    servers, but those that an order by hand is about. keepalive, deadtime: its own, in seconds.
    """

    node: Node
    role: Role
    fit: bool = True
    yielding: bool = False
    asks: bool = False
    leaving: bool = False
    released: bool = False
    hears: bool = False
    forced: bool = False
    serial: int = 0
    sha256: bytes = bytes(32)
    healthy: int = 0
    total: int = 0
    keepalive: float = 0.0
    deadtime: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What makes a datagram fresh.

    sequence counts from 1 on each link; echo: 0 if no session is known yet; newest: the id of the sender's
    newest key; round: grows with what is said, and is the same on both links when the same is said.
    """

    link: Link
    session: int
    sequence: int
    echo: int
    newest: bytes
    round: int = 0


class Refusal(StrEnum):
    """Why a datagram is not believed."""

    MALFORMED = "malformed"  # length, magic, version, or values that no router says
    FOREIGN = "foreign"  # a key that we do not have; a source that is not the peer; our own node's name
    FORGED = "forged"  # the HMAC is not that of the key it names
    REPLAYED = "replayed"  # seen before, older than one that was, or of the other link
    UNVERIFIED = "unverified"  # authentic, but nothing shows yet that it is of now


@functools.lru_cache(maxsize=16)
def key_id(key: bytes) -> bytes:
    """What names a key in a datagram and on a page; tells nothing about it."""
    return hashlib.sha256(key).digest()[:4]


def signed(body: bytes, key: bytes) -> bytes:
    """The body with its HMAC-SHA-256 (RFC 2104) behind it."""
    return body + hmac.digest(key, body, "sha256")


def signed_with(datagram: bytes, named: bytes, keys: Sequence[bytes]) -> bytes | Refusal:
    """The one of keys that signed the datagram, by the id that it names there; or why it is not believed."""
    key = next((one for one in keys if key_id(one) == named), None)
    if key is None:
        return Refusal.FOREIGN
    tag = hmac.digest(key, datagram[:-TAG_BYTES], "sha256")
    return key if hmac.compare_digest(tag, datagram[-TAG_BYTES:]) else Refusal.FORGED


def encode(heartbeat: Heartbeat, envelope: Envelope, key: bytes) -> bytes:
    """The datagram, signed with key. Numbers too large for their field are written as the largest."""
    flags = sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(heartbeat, name))
    body = _FORM.pack(
        MAGIC,
        VERSION,
        envelope.link,
        _NODES[heartbeat.node],
        _ROLES[heartbeat.role],
        key_id(key),
        envelope.newest,
        envelope.session,
        envelope.sequence,
        envelope.echo,
        envelope.round,
        flags,
        min(heartbeat.serial, _MAX_64),
        heartbeat.sha256,
        min(heartbeat.healthy, _MAX_32),
        min(heartbeat.total, _MAX_32),
        heartbeat.keepalive,
        heartbeat.deadtime,
    )
    return signed(body, key)


def decode(body: bytes) -> tuple[Heartbeat, Envelope]:
    """What a datagram whose HMAC is right says; HeartbeatError if no router would say it.

    body: at least the datagram without its HMAC.
    """
    (_, _, link, node, role, _, newest, session, sequence, echo, turn, flags, *rest) = _FORM.unpack_from(body)
    serial, sha256, healthy, total, keepalive, deadtime = rest
    numbers_known = link in Link.__members__.values() and node in _NODE_OF and role in _ROLE_OF
    if not numbers_known or flags >> len(_FLAGS) or not session or not sequence:
        raise HeartbeatError("a link, node, role, flag, session or number that does not exist")
    if healthy > total or not all(
        math.isfinite(one) and 0 <= one <= MAX_SECONDS for one in (keepalive, deadtime)
    ):
        raise HeartbeatError("more healthy real servers than there are, or times that no router has")
    heartbeat = Heartbeat(
        node=_NODE_OF[node],
        role=_ROLE_OF[role],
        **{name: bool(flags >> bit & 1) for bit, name in enumerate(_FLAGS)},
        serial=serial,
        sha256=sha256,
        healthy=healthy,
        total=total,
        keepalive=keepalive,
        deadtime=deadtime,
    )
    return heartbeat, Envelope(
        link=Link(link), session=session, sequence=sequence, echo=echo, newest=newest, round=turn
    )


@dataclass(frozen=True, slots=True)
class Sender:
    """What an authentic datagram told of who sent it. holds: ids of keys that it has."""

    session: int
    holds: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a datagram: the gate as it is now, and a heartbeat with its envelope or a refusal.

    lost: how many datagrams of this link never came, by the numbers. answer: who should be answered at once,
    so that it learns of my session (at a limited rate: recordings ask for it too). new: a session began.
    same_node: refused since its sender has my key and calls itself the node that I am.
    """

    gate: Gate
    heartbeat: Heartbeat | None = None
    envelope: Envelope | None = None
    refusal: Refusal | None = None
    lost: int = 0
    answer: Sender | None = None
    new: bool = False
    same_node: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a heart remembers to tell a fresh heartbeat from anything else.

    keys: newest first. peer: the session that is believed; numbers: its last number on each link. stranger:
    the last authentic sender while none is believed yet. past: the peer's sessions left behind in my session.
    """

    node: Node
    session: int
    keys: tuple[bytes, ...]
    peer: Sender | None = None
    numbers: Mapping[Link, int] = field(default_factory=dict)
    stranger: Sender | None = None
    past: frozenset[int] = frozenset()

    @property
    def crowded(self) -> bool:
        """Whether so many sessions were left behind that `renewed` should end mine."""
        return len(self.past) >= MAX_PAST

    @property
    def newest(self) -> bytes:
        return key_id(self.keys[0])

    @property
    def peer_has_newest(self) -> bool:
        return self.peer is not None and self.newest in self.peer.holds

    @property
    def signing_key(self) -> bytes:
        """The newest key that the other router is known to hold."""
        return self._key_for(self.peer or self.stranger)

    def with_keys(self, keys: tuple[bytes, ...]) -> Gate:
        """The same with other keys, newest first."""
        return replace(self, keys=keys)

    def renewed(self, session: int) -> Gate:
        """In a new session of mine, everything that echoes the old one is void: nothing past to remember."""
        return replace(self, session=session, past=frozenset())

    def seal(
        self, heartbeat: Heartbeat, link: Link, sequence: int, turn: int = 0, to: Sender | None = None
    ) -> bytes:
        """The datagram with this number and round; to: for this sender, else for the peer as it is known."""
        receiver = to or self.peer or self.stranger
        envelope = Envelope(
            link=link,
            session=self.session,
            sequence=sequence,
            echo=receiver.session if receiver else 0,
            newest=self.newest,
            round=turn,
        )
        return encode(heartbeat, envelope, self._key_for(receiver))

    def accept(self, datagram: bytes, link: Link) -> Verdict:
        """Judges what came in on a link. What is refused leaves the gate as it is, unless unverified."""
        key = self._signed_with(datagram)
        if isinstance(key, Refusal):
            return Verdict(gate=self, refusal=key)
        try:
            heartbeat, envelope = decode(datagram)
        except HeartbeatError:
            return Verdict(gate=self, refusal=Refusal.MALFORMED)
        if heartbeat.node is self.node:
            # With another session it is another machine; with mine, my own datagram came back.
            same = envelope.session != self.session
            return Verdict(gate=self, refusal=Refusal.FOREIGN, same_node=same)
        if envelope.link is not link:
            return Verdict(gate=self, refusal=Refusal.REPLAYED)
        sender = Sender(envelope.session, frozenset((key_id(key), envelope.newest)))
        return self._judge(heartbeat, envelope, sender)

    def _judge(self, heartbeat: Heartbeat, envelope: Envelope, sender: Sender) -> Verdict:
        known = self.peer is not None and self.peer.session == sender.session
        last = self.numbers.get(envelope.link) if known else None
        if sender.session in self.past or (last is not None and envelope.sequence <= last):
            return Verdict(gate=self, refusal=Refusal.REPLAYED)
        if last is None and envelope.echo != self.session:
            gate = self if self.peer else replace(self, stranger=sender)
            return Verdict(gate=gate, refusal=Refusal.UNVERIFIED, answer=sender)
        numbers = {**(self.numbers if known else {}), envelope.link: envelope.sequence}
        past = self.past if known or self.peer is None else self.past | {self.peer.session}
        return Verdict(
            gate=replace(self, peer=sender, numbers=numbers, stranger=None, past=past),
            heartbeat=heartbeat,
            envelope=envelope,
            lost=0 if last is None else envelope.sequence - last - 1,
            new=not known,
        )

    def _signed_with(self, datagram: bytes) -> bytes | Refusal:
        """The key of ours that signed it."""
        if len(datagram) != SIZE or datagram[:4] != MAGIC or datagram[4] != VERSION:
            return Refusal.MALFORMED
        return signed_with(datagram, datagram[8:12], self.keys)

    def _key_for(self, receiver: Sender | None) -> bytes:
        if receiver is None:
            return self.keys[-1]
        return next((key for key in self.keys if key_id(key) in receiver.holds), self.keys[-1])
