"""What this machine says of itself: its networks, and from where its console is used. Only reads."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from piranha_web.access.networks import Address, Network, address_of
from piranha_web.setup.answers import EVERYWHERE, EVERYWHERE_6
from piranha_web.tls import names
from piranha_web.tls.binds import is_socket

ROUTES = Path("/proc/net/route")
IF_INET6 = Path("/proc/net/if_inet6")
PROC = Path("/proc")
SSH = "SSH_CONNECTION"  # sshd(8): client's address, its port, server's address, its port
UP, BY_GATEWAY = 0x1, 0x2  # linux/route.h: RTF_UP, RTF_GATEWAY
GLOBAL_SCOPE = 0x00
TENTATIVE = 0x40  # if_addr.h
MOST_PARENTS = 32
CLOCK_SLACK = 86_400.0  # seconds: two machines' clocks, and a build that was just made
MADE_AT = Path(__file__).stat().st_mtime


def own_networks() -> list[tuple[str, Network]]:
    """The networks that this machine is in, with the interface, in the namespace of the calling thread."""
    return [*ipv4_networks(text_of(ROUTES)), *ipv6_networks(text_of(IF_INET6))]


def everywhere(found: Sequence[str] | None = None) -> str:
    """By which address the pages are served at all of this machine's. found: its addresses."""
    known = [address_of(one) for one in (names.addresses() if found is None else found)]
    versions = {one.version for one in known if one is not None and not one.is_loopback}
    return EVERYWHERE_6 if versions == {6} else EVERYWHERE


def clock_trouble(now: float, made_at: float) -> str:
    """Why this machine's clock cannot be right, in a sentence; "": it may be. made_at: when this code was.

    A machine without a battery wakes up in 1970. Certificates that begin then have ended by today.
    """
    if now >= made_at - CLOCK_SLACK:
        return ""
    return f"it is {moment(now)} by this machine's clock, and this version was made on {moment(made_at)}"


def moment(at: float) -> str:
    """For reading."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def text_of(path: Path) -> str:
    """A file of the kernel's; "" where this kernel has none."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def ipv4_networks(routes: str) -> list[tuple[str, Network]]:
    """Those that are reached without a gateway. routes: /proc/net/route; its numbers are in memory order."""
    found: dict[tuple[str, Network], None] = {}
    for line in routes.splitlines()[1:]:
        interface, destination, _gateway, flags, _refs, _use, _metric, mask, *_ = line.split()
        if int(flags, 16) & (UP | BY_GATEWAY) != UP:
            continue
        address, bits = (
            int.from_bytes(struct.pack("=L", int(one, 16)), "big") for one in (destination, mask)
        )
        network = IPv4Network((address, bits.bit_count()))
        if 0 < network.prefixlen < 32 and not network.is_loopback:
            found[interface, network] = None
    return list(found)


def ipv6_networks(addresses: str) -> list[tuple[str, Network]]:
    """Those of lasting global addresses, unique local ones among them. addresses: /proc/net/if_inet6."""
    found: dict[tuple[str, Network], None] = {}
    for line in addresses.splitlines():
        digits, _index, prefix, scope, flags, interface = line.split()
        length = int(prefix, 16)
        if int(scope, 16) == GLOBAL_SCOPE and not int(flags, 16) & TENTATIVE and length < 128:
            found[interface, IPv6Network((int(digits, 16), length), strict=False)] = None
    return list(found)


def console_address(environment: Mapping[str, str] = os.environ) -> Address | None:
    """From where this console is used by SSH; None: it is this machine's own, or nobody says."""
    words = environment.get(SSH, "").split() or connection_of_parents(os.getppid()).split()
    return address_of(words[0]) if words else None


def connection_of_parents(process: int, proc: Path = PROC) -> str:
    """SSH_CONNECTION of the nearest parent that has it: sudo and su take it from the environment."""
    for _ in range(MOST_PARENTS):
        if process <= 1:
            break
        try:
            variables = (proc / str(process) / "environ").read_bytes().split(b"\0")
            status = (proc / str(process) / "stat").read_text(errors="replace")
        except OSError:  # it ended, or is none of ours
            break
        for variable in variables:
            name, _, value = variable.partition(b"=")
            if name == SSH.encode():
                return value.decode("ascii", "replace")
        process = int(status.rpartition(")")[2].split()[1])  # proc(5): the name may have blanks and brackets
    return ""


def trouble_at(binds: Sequence[str], port: int) -> str:
    """Why a server cannot listen there now, in a sentence; "": it can."""
    for bind in binds:
        if is_socket(bind):
            continue
        try:
            family = socket.AF_INET6 if ":" in bind else socket.AF_INET
            with socket.socket(family) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((bind, port))
                one.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"Something listens at port {port} already (ss -ltnp shows what): take another one."
            if error.errno == errno.EAFNOSUPPORT:
                return f"{bind} is an address of IPv6, which this kernel has not."
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{bind} is no address of this machine now."
            if error.errno == errno.EACCES and not os.geteuid():
                return f"Port {port} cannot be taken: {error.strerror}."
    return ""
