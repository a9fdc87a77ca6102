"""A world for hearts without sockets: two cores, a clock turned by hand, wires that can be cut.

Each has a pulse that raises and lowers what it is told to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from lvs.config.model import Address
from lvs.pulse.heart.core import Core
from lvs.pulse.heart.messages import BEAT, Message
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heartbeat import Link
from lvs.router.links import LinkChange
from lvs.router.neighbours import Claim
from lvs.router.state import InterfaceAddress

KEY, NEXT_KEY = "11" * 32, "22" * 32
FLOATING = ip_address("192.0.2.80")
GATEWAY = ip_address("192.0.2.254")
OWN = {
    "primary": {Link.PUBLIC: ip_address("192.0.2.1"), Link.PRIVATE: ip_address("10.0.0.1")},
    "backup": {Link.PUBLIC: ip_address("192.0.2.2"), Link.PRIVATE: ip_address("10.0.0.2")},
}
MAC = {"primary": b"\x02\0\0\0\0\x01", "backup": b"\x02\0\0\0\0\x02"}
OTHER = {"primary": "backup", "backup": "primary"}
INTERFACE = {Link.PUBLIC: "eth0", Link.PRIVATE: "eth1"}


class Machine:
    """One router: a core, and the outside that it believes to have (it follows `heart.edges.Edges`)."""

    def __init__(self, world: World, node: str) -> None:
        self.world, self.node = world, node
        self.session = itertools.count(1000 if node == "primary" else 2000)
        self.held: set[Address] = set()  # the floating addresses on its interfaces
        self.stuck: tuple[str, ...] = ()  # what it says when addresses are to be lowered
        self.eyes = True
        self.pulse = False
        self.reads = True  # whether pulse takes in what it is told, and speaks
        self.works = True  # whether it carries that out
        self.faults: list[str] = []  # what it says when it is to raise addresses, which it then does not
        self.inbox: list[Message] = []
        self.unread: list[Message] = []
        self.logged: list[str] = []
        self.probed: list[tuple[str, Address]] = []
        self.up = {"eth0": True, "eth1": True}
        self.trouble: tuple[str, ...] = ()
        self.deaf = False  # whether it has no socket on any link
        self.ended = False
        self.alive = True
        self.beat_at = world.now
        self.core = Core(self, world.now)

    # As pulse

    def settings(self, **changes: Any) -> Message:
        own, peer = OWN[self.node], OWN[OTHER[self.node]]
        message = {
            "say": "settings",
            "node": self.node,
            "name": self.node,
            "links": {link.name.lower(): {"own": str(own[link]), "peer": str(peer[link])} for link in Link},
            "port": 539,
            "keepalive": 0.1,
            "deadtime": 0.4,
            "failback": 0,
            "gateway": None,
            "keys": [KEY],
            "watched": ["eth0", "eth1"],
            "monitor_links": False,
            "addresses": [{"address": str(FLOATING), "prefix": 24, "interface": "eth0", "label": "eth0:1"}],
            "serial": 1,
            "sha256": "ab" * 32,
            "held": FLOATING in self.held,
            "forced": False,
        }
        return message | changes

    def start_pulse(self, **changes: Any) -> None:
        """pulse connects, as a new process or again."""
        self.unread.clear()
        self.pulse, self.reads, self.beat_at = True, True, self.world.now
        self.core.came(self.world.now)
        self.say(self.settings(**changes))
        self.say(
            {"say": "condition", "unfit": [], "serial": 1, "sha256": "ab" * 32, "healthy": 2, "total": 2}
        )

    def kill_pulse(self) -> None:
        self.pulse = False
        self.core.left(self.world.now)

    def say(self, message: Message) -> None:
        self.core.said(self.world.now, message)
        self.core.tick(self.world.now)

    def read(self) -> None:
        """pulse takes in what it was told."""
        if not self.works:
            return
        unread, self.unread = self.unread, []
        for message in unread:
            if message["say"] == "role" and message["role"] == "active":
                self.held |= set() if self.faults else {FLOATING}
                self.say({"say": "raised", "problems": self.faults})
            elif message["say"] == "role":
                self.held.clear()
                self.say({"say": "lowered"})

    def heard(self, say: str) -> list[Message]:
        """All messages of a kind that pulse was sent."""
        return [message for message in self.inbox if message["say"] == say]

    @property
    def role(self) -> str:
        return str(self.status["role"])

    @property
    def status(self) -> Message:
        return self.core.status(self.world.now) or {}

    # As the outside

    def use(self, settings: Settings) -> None:
        pass

    def send(self, link: Link, datagram: bytes) -> None:
        self.world.carry(self.node, link, datagram)

    def tell(self, message: Message) -> None:
        if self.pulse:
            self.inbox.append(message)
            self.unread.append(message)

    def log(self, level: str, text: str) -> None:
        self.logged.append(text)

    def watches(self) -> bool:
        return self.eyes

    def probe(self, wanted: Iterable[tuple[str, Address]]) -> None:
        wanted = list(wanted)
        self.probed += wanted
        self.world.ask(self.node, wanted)

    def lower(self, addresses: Iterable[InterfaceAddress]) -> tuple[str, ...]:
        if not self.stuck:
            self.held -= {one.address for one in addresses}
        return self.stuck

    def neighbour_mac(self, address: Address) -> bytes | None:
        return None

    def interface_of(self, address: Address) -> str | None:
        return next((INTERFACE[link] for link, own in OWN[self.node].items() if own == address), None)

    def own_macs(self) -> frozenset[bytes]:
        return frozenset((MAC[self.node],))

    def carriers(self) -> Mapping[str, bool]:
        return self.up

    def listens(self) -> bool:
        return not self.deaf

    def troubles(self) -> tuple[str, ...]:
        return self.trouble

    def wall(self) -> float:
        return 1_000_000 + self.world.now

    def new_session(self) -> int:
        return next(self.session)

    def end(self) -> None:
        self.ended = True


class World:
    """Two machines and what lies between them. Datagrams take a millisecond, time goes on in milliseconds."""

    STEP = 0.001

    def __init__(self) -> None:
        self.now = 100.0
        self.cut: set[tuple[str, Link]] = set()  # who is not heard on which link
        self.no_arp: set[str] = set()  # whose answers to ARP are lost
        self.gateway = True
        self.on_the_way: list[tuple[str, Link, bytes]] = []
        self.recorded: list[tuple[str, Link, bytes]] = []
        self.claims: list[tuple[str, Claim]] = []
        self.primary, self.backup = Machine(self, "primary"), Machine(self, "backup")

    @property
    def machines(self) -> tuple[Machine, Machine]:
        return self.primary, self.backup

    def carry(self, sender: str, link: Link, datagram: bytes) -> None:
        self.recorded.append((sender, link, datagram))
        if (sender, link) not in self.cut:
            self.on_the_way.append((sender, link, datagram))

    def ask(self, asker: str, wanted: list[tuple[str, Address]]) -> None:
        """A kernel answers for what its machine has, whether its processes live or not."""
        other = self.primary if asker == "backup" else self.backup
        for interface, address in wanted:
            has = address in other.held or address in OWN[other.node].values()
            if has and other.node not in self.no_arp:
                self.claims.append((asker, Claim(interface, address, MAC[other.node], self.now)))
            if address == GATEWAY and self.gateway:
                self.claims.append((asker, Claim(interface, address, b"\x02\0\0\0\0\x99", self.now)))

    def run(self, seconds: float) -> None:
        """Lets time go by."""
        end = self.now + seconds
        while self.now < end:
            self.now += self.STEP
            self.step()

    def step(self) -> None:
        arriving, self.on_the_way = self.on_the_way, []
        for sender, link, datagram in arriving:
            receiver = self.backup if sender == "primary" else self.primary
            if receiver.alive:
                receiver.core.received(self.now, link, datagram, from_peer=True)
        seen, self.claims = self.claims, []
        for asker, claim in seen:
            machine = self.primary if asker == "primary" else self.backup
            if machine.alive:
                machine.core.claimed(self.now, [claim])
        for machine in self.machines:
            if not machine.alive:
                continue
            if machine.pulse and machine.reads:
                machine.read()
                if self.now >= machine.beat_at:
                    machine.beat_at = self.now + BEAT
                    machine.say({"say": "beat"})
            if arriving or seen or self.now >= machine.core.next_at(self.now - self.STEP):
                machine.core.tick(self.now)

    def until(self, holds: Callable[[], bool], within: float) -> float:
        """Runs until holds() is true; the seconds that took."""
        start = self.now
        while not holds():
            assert self.now < start + within, f"it did not happen within {within} s"
            self.run(self.STEP)
        return self.now - start

    def start(self, **settings: Any) -> None:
        """Both pulses start; the primary is active at the end, as both agree."""
        for machine in self.machines:
            machine.start_pulse(**settings)
        self.until(lambda: self.primary.held == {FLOATING} and self.backup.role == "standby", 2)
        self.run(1)
        assert (self.primary.role, self.backup.role, self.backup.held) == ("active", "standby", set())

    def change(self, machine: Machine, interface: str, *, up: bool) -> None:
        machine.up[interface] = up
        machine.core.changed(self.now, [LinkChange(interface, up)])
        machine.core.tick(self.now)
