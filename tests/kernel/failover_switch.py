"""The lab's switch, for faults: cables pulled, frames lost without a word, heartbeats lost alone."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterable

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import inside

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # netdevice(7)
PORT = 539


class Switch:
    """Where both bridges can be disturbed.

    A pulled cable shows as lost carrier at the machine. What the bridge drops (nftables' family bridge, which
    User-Mode Linux has) does not show: `silence` loses every frame of a cable, `deafen` only the heartbeats
    that come from these addresses.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        with inside(network.SWITCH):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rules: list[str] = []

    def close(self) -> None:
        self.mend()
        self._socket.close()

    def pull(self, *cables: str) -> None:
        """Pulls cables ("r1-eth0")."""
        self._set(cables, up=False)

    def plug(self, *cables: str) -> None:
        self._set(cables, up=True)

    def _set(self, cables: Iterable[str], *, up: bool) -> None:
        for name in cables:
            request = struct.pack("16sH14x", name.encode(), 0)
            (flags,) = struct.unpack_from("H", fcntl.ioctl(self._socket, SIOCGIFFLAGS, request), 16)
            flags = flags | IFF_UP if up else flags & ~IFF_UP
            fcntl.ioctl(self._socket, SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), flags))

    def silence(self, *cables: str) -> None:
        """Nothing gets through these cables any more, and nobody is told."""
        ports = ", ".join(f'"{name}"' for name in cables)
        self._rule(f"iifname {{ {ports} }} drop", f"oifname {{ {ports} }} drop")

    def deafen(self, *senders: str) -> None:
        """Heartbeats from these addresses are lost; everything else gets through."""
        self._rule(*(f"ip saddr {sender} udp dport {PORT} drop" for sender in senders))

    def lose(self, percent: int) -> None:
        """So many of a hundred heartbeats are lost at random, both ways."""
        self._rule(f"udp dport {PORT} numgen random mod 100 < {percent} drop")

    def mend(self) -> None:
        """All cables are in, and the bridges lose nothing."""
        if self._rules:
            self._rules.clear()
            self._rule()
        self.plug(*(f"{link.namespace}-{link.interface}" for link in network.links()))

    def _rule(self, *rules: str) -> None:
        """These rules too, until all is mended; in one transaction (nft(8))."""
        self._rules += rules
        chain = "\n".join(("type filter hook forward priority 0", *self._rules))
        fresh = "table bridge faults {}\ndelete table bridge faults\n"
        text = f"{fresh}table bridge faults {{\nchain frames {{\n{chain}\n}}\n}}\n"
        self.lab.run(network.SWITCH, ["nft", "-f", "-"], text=text)
