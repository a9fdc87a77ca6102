"""The lab's switch, for faults: cables pulled, frames lost without a word, heartbeats lost alone."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterable

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import batch, inside

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # netdevice(7)
NEW_LINK, REQUEST_ACK, IFLA_GROUP = 16, 0x5, 27  # rtnetlink(7), include/uapi/linux/if_link.h
GROUPS = {"r1": 101, "r2": 102}
PORT = 539

FROM_ROUTERS = 'iifname { "r1-eth0", "r2-eth0" } ip saddr'
HUSH = (
    f"{FROM_ROUTERS} {{ {network.NAT_VIP}, {network.DIRECT_VIP} }} tcp flags & rst == rst drop",
    f"{FROM_ROUTERS} 10.11.12.0/24 drop",
)


def cables(*routers: str) -> tuple[str, ...]:
    return tuple(f"{router}-{interface}" for router in routers for interface in ("eth0", "eth1"))


class Switch:
    """Where both bridges can be disturbed.

    A pulled cable shows as lost carrier at the machine. What the bridge drops (nftables' family bridge, which
    User-Mode Linux has) does not show: `silence` loses every frame of a cable, `deafen` only the heartbeats
    that come from these addresses.

    hushes: what pulse keeps back for some seconds after a hand-over, with nftables' family inet, is kept
    back here all the time, as this kernel may lack that family (`lvs.router.netfilter.hold_resets`): resets
    that routers send from virtual addresses, and what of NAT's real servers passes a router untranslated.
    """

    def __init__(self, lab: Lab, *, hushes: bool = False) -> None:
        self.lab = lab
        self._always = list(HUSH) if hushes else []
        with inside(network.SWITCH):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        batch(
            [f"link set dev {name} group {GROUPS[router]}" for router in GROUPS for name in cables(router)],
            network.SWITCH,
        )
        self._rules: list[str] = []
        self._rule()

    def close(self) -> None:
        self.mend()
        self._socket.close()
        self._netlink.close()

    def pull(self, *cables: str) -> None:
        """Pulls cables ("r1-eth0")."""
        self._set(cables, up=False)

    def pull_both(self, router: str) -> None:
        """Pulls both cables of a router in one step, so that it cannot tell over one that the other is gone.

        One message to the kernel changes all links of a group, and no carrier event is told meanwhile.
        """
        group = struct.pack("=HHI", 8, IFLA_GROUP, GROUPS[router])
        link = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, IFF_UP)
        size = 16 + len(link) + len(group)
        self._netlink.send(struct.pack("=IHHII", size, NEW_LINK, REQUEST_ACK, 1, 0) + link + group)
        answer = self._netlink.recv(4096)
        (error,) = struct.unpack_from("=i", answer, 16)
        if error:
            raise OSError(-error, f"pulling the cables of {router}")

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
        chain = "\n".join(("type filter hook forward priority 0", *self._always, *self._rules))
        fresh = "table bridge faults {}\ndelete table bridge faults\n"
        text = f"{fresh}table bridge faults {{\nchain frames {{\n{chain}\n}}\n}}\n"
        self.lab.run(network.SWITCH, ["nft", "-f", "-"], text=text)
