"""What the heart's core needs of the outside: the protocol that the process and the tests' fakes follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from lvs.config.address import Address
from lvs.pulse.heart.messages import Message
from lvs.pulse.heart.settings import Settings
from lvs.pulse.heartbeat import Link
from lvs.router.floating import InterfaceAddress


class Edges(Protocol):
    """Nothing here may wait or raise: what goes wrong is told by `troubles`, or by what is returned."""

    def use(self, settings: Settings) -> None:
        """Listen and send on these links from now on."""

    def send(self, link: Link, datagram: bytes) -> None:
        """To the other router."""

    def tell(self, message: Message) -> None:
        """To pulse; lost if it is not connected."""

    def log(self, level: str, text: str) -> None:
        """For the administrator, where pulse cannot be told."""

    def watches(self) -> bool:
        """Whether the network can be watched and asked."""

    def probe(self, wanted: Iterable[tuple[str, Address]]) -> None:
        """Ask who has these addresses, each on an interface."""

    def lower(self, addresses: Iterable[InterfaceAddress]) -> tuple[str, ...]:
        """Take these addresses off; a sentence for each that is still there."""

    def neighbour_mac(self, address: Address) -> bytes | None:
        """What the kernel knows of a neighbour."""

    def interface_of(self, address: Address) -> str | None:
        """Which interface has this address of ours."""

    def own_macs(self) -> frozenset[bytes]:
        """Of all interfaces."""

    def carriers(self) -> Mapping[str, bool]:
        """Which interfaces can carry now."""

    def listens(self) -> bool:
        """Whether the other router could be heard on any link."""

    def troubles(self) -> tuple[str, ...]:
        """Why a link cannot be used, in sentences."""

    def wall(self) -> float:
        """Seconds since the epoch."""

    def new_session(self) -> int:
        """A random number from 1 to 2**64 - 1."""

    def end(self) -> None:
        """The heart is done."""
