"""The names and addresses by which this machine is reached, for a certificate that it makes itself."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

SIOCGIFADDR = 0x8915  # netdevice(7): an interface's first IPv4 address, so none that floats between routers
IF_INET6 = Path("/proc/net/if_inet6")
GLOBAL_SCOPE = 0x00
PASSING = 0x01 | 0x20 | 0x40  # if_addr.h: temporary (privacy), deprecated, tentative
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
                        r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*")  # fmt: skip

Address = IPv4Address | IPv6Address


def of_this_machine(further: Iterable[str] = ()) -> tuple[str, ...]:
    """Host names, then addresses, each once and in order; further: of the settings (PIRANHA_HOSTS, the bind).

    What can stand in no certificate (`*`, a wildcard address) is left out.
    """
    return sorted_out(["localhost", socket.gethostname(), *further, *addresses()])


def sorted_out(words: Iterable[str]) -> tuple[str, ...]:
    """Each once: host names first, then addresses by family and number."""
    names: dict[str, None] = {}
    found: set[Address] = {IPv4Address("127.0.0.1"), IPv6Address("::1")}
    for word in words:
        text = word.strip("[]").lower().rstrip(".")
        try:
            address = ip_address(text)
        except ValueError:
            if _HOST_NAME.fullmatch(text):
                names[text] = None
            continue
        if not (address.is_unspecified or address.is_link_local):
            found.add(address)
    ordered = sorted(found, key=lambda one: (one.version, int(one)))
    return (*names, *map(str, ordered))


def addresses() -> list[str]:
    """The lasting addresses of this machine's interfaces, in the namespace of the calling thread."""
    return [*ipv4_addresses(), *ipv6_addresses()]


def ipv4_addresses() -> list[str]:
    """The first IPv4 address of each interface that has one."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for _index, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(one.fileno(), SIOCGIFADDR, request)
            except OSError:  # this interface has none
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def ipv6_addresses() -> list[str]:
    """Those of global scope that do not pass by themselves."""
    try:
        lines = IF_INET6.read_text(encoding="ascii").splitlines()
    except OSError:  # a kernel without IPv6
        return []
    found = []
    for line in lines:
        digits, _index, _prefix, scope, flags, *_name = line.split()
        if int(scope, 16) == GLOBAL_SCOPE and not int(flags, 16) & PASSING:
            found.append(str(IPv6Address(int(digits, 16))))
    return found
