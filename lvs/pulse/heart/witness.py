"""Who on the network answers for the floating addresses: the other router, or a stranger? Pure.

The other router's machine is known by its MAC: one that answers for one of its own addresses, by its own word
or in the kernel's neighbour table. When its programs are dead but its kernel still has a floating address,
taking over would make two owners.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lvs.config.address import Address
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heartbeat import Link
from lvs.router.neighbours import Claim

AT_ONCE = 8  # floating addresses that one round of questions asks for
MAC_KEPT = 60.0  # seconds for which a MAC is the other router's after it said so
PATIENCE = 1.0  # seconds in which an unknown MAC may turn out to be the other router's
GONE_AFTER = 35.0  # seconds without a claim, though an active router asks every ten: it says no more
TELL_AGAIN = 600.0  # seconds after which a stranger is worth an event again
MAX_WAITING = 64
Question = tuple[str, Address]  # interface and address


@dataclass(frozen=True, slots=True)
class Stranger:
    """A machine that is neither router and claims a floating address; at: seconds of the heart's clock."""

    address: Address
    mac: bytes
    interface: str
    at: float

    def __str__(self) -> str:
        return (
            f"{self.mac.hex(':')} on {self.interface} answers for the floating address {self.address} and is "
            "neither router: find that machine and take the address away, or its ARP answers (arp_ignore)"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a round of claims showed. peer: its machine answers for a floating address; news: for the log."""

    peer: bool = False
    news: tuple[Stranger, ...] = ()


class Witness:
    """Judges claims; mac_of: what the kernel's neighbour table has for an address."""

    def __init__(self, mac_of: Callable[[Address], bytes | None]) -> None:
        self._mac_of = mac_of
        self._peers: dict[Link, Address] = {}
        self._ways: Mapping[Link, str | None] = {}
        self._floating: tuple[Question, ...] = ()
        self._addresses: frozenset[Address] = frozenset()
        self._turn = 0
        self._macs: dict[bytes, float] = {}
        self._waiting: deque[Claim] = deque(maxlen=MAX_WAITING)
        self._told: dict[tuple[Address, bytes], float] = {}
        self.seen_at: float | None = None  # when the peer's machine last answered for a floating address
        self._strangers: deque[Stranger] = deque(maxlen=20)

    def use(self, settings: Settings, interfaces: Mapping[Link, str | None]) -> None:
        """interfaces: which one each link goes over, as far as that is known."""
        self._peers = {link: way.peer for link, way in settings.ways.items()}
        self._ways = interfaces
        self._floating = tuple((one.interface, one.address) for one in settings.addresses)
        self._addresses = frozenset(one.address for one in settings.addresses)

    def questions(self) -> list[Question]:
        """A round: some floating addresses, in turn, and the peer's own on the links.

        A floating address whose interface has no link is asked for on the links as well: Linux answers there
        too, and from a MAC that is known.
        """
        links = [interface for interface in self._ways.values() if interface]
        some = [self._floating[(self._turn + n) % len(self._floating)] for n in range(self._round)]
        self._turn += self._round
        wanted = list(some)
        wanted += [(link, address) for name, address in some if name not in links for link in links]
        return wanted + self.peer_questions()

    def peer_questions(self) -> list[Question]:
        return [(name, self._peers[link]) for link, name in self._ways.items() if name]

    def own_questions(self) -> list[Question]:
        """A round of floating addresses only: does anybody else have them?"""
        return [one for one in self.questions() if one[1] in self._addresses]

    @property
    def _round(self) -> int:
        return min(AT_ONCE, len(self._floating))

    def strangers(self, now: float) -> list[Stranger]:
        """Those that have a floating address, as far as they were heard; more addresses take more rounds."""
        rounds = -(-len(self._floating) // AT_ONCE)
        return [
            one
            for one in self._strangers
            if one.address in self._addresses and now - one.at < GONE_AFTER * rounds
        ]

    @property
    def curious(self) -> bool:
        """Whether a MAC waits for being known: then asking for the peer's own addresses helps."""
        return bool(self._waiting)

    def heard(self, now: float, claims: Iterable[Claim], *, active: bool, own_macs: frozenset[bytes]) -> Seen:
        """Takes in claims; to be called also without any, while `curious`."""
        theirs = frozenset(self._peers.values())
        for claim in claims:
            if claim.mac in own_macs:
                continue
            if claim.address in theirs:
                self._macs[claim.mac] = now
            if claim.address in self._addresses:
                self._put(claim)
        peer, news = False, []
        for claim in tuple(self._waiting):
            if self._is_peers(now, claim.mac):
                self._waiting.remove(claim)
                peer = True
            elif now - claim.at >= PATIENCE:
                self._waiting.remove(claim)
                if active or claim.interface in self._ways.values():
                    news += self._stranger(now, claim)
        if peer:
            self.seen_at = now
        return Seen(peer, tuple(news))

    def _put(self, claim: Claim) -> None:
        if not any((one.address, one.mac) == (claim.address, claim.mac) for one in self._waiting):
            self._waiting.append(claim)

    def _is_peers(self, now: float, mac: bytes) -> bool:
        known = self._macs.get(mac)
        if known is not None and now - known < MAC_KEPT:
            return True
        return any(self._mac_of(address) == mac for address in self._peers.values())

    def _stranger(self, now: float, claim: Claim) -> list[Stranger]:
        found = Stranger(claim.address, claim.mac, claim.interface, now)
        key = (claim.address, claim.mac)
        rest = [one for one in self._strangers if (one.address, one.mac) != key]
        self._strangers = deque([*rest, found], maxlen=self._strangers.maxlen)
        told = self._told.get(key)
        if told is not None and now - told < TELL_AGAIN:
            return []
        self._told = {one: at for one, at in self._told.items() if now - at < TELL_AGAIN} | {key: now}
        return [found]
