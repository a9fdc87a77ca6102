"""Where the kernel would send what is for an address (rtnetlink(7), RTM_GETROUTE): nothing is sent.

In the network namespace of the calling thread, by all of its routing rules. Reading needs no capability.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_address

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router.genetlink import RouteNetlink, attribute, attributes
from lvs.router.seen import Way

RTM_GETROUTE = 26
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5  # include/uapi/linux/rtnetlink.h
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_NUMBER = struct.Struct("=I")
# What the kernel says where there is no way, or one that ends there (unreachable, prohibit, blackhole).
NOWHERE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ENETDOWN, errno.EOPNOTSUPP}
)


def ways(addresses: Iterable[Address]) -> dict[Address, Way | None]:
    """The way to each; None: there is none. Raises KernelError."""
    names = dict(socket.if_nameindex())
    found: dict[Address, Way | None] = {}
    try:
        netlink = RouteNetlink()
    except OSError as error:
        raise KernelError("ask for routes", f"{error.strerror}: netlink must be allowed here") from error
    try:
        for address in addresses:
            found[address] = _way(netlink, address, names)
    except OSError as error:
        raise KernelError("ask for routes", error.strerror or str(error)) from error
    finally:
        netlink.close()
    return found


def _way(netlink: RouteNetlink, address: Address, names: dict[int, str]) -> Way | None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    head = _ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)

    def decode(buffer: bytearray, start: int, end: int) -> Way | None:
        places = attributes(buffer, start + _ROUTE.size, end)
        if RTA_OIF not in places:
            return None
        (index,) = _NUMBER.unpack_from(buffer, places[RTA_OIF])
        gateway = None
        if RTA_GATEWAY in places:
            begin = places[RTA_GATEWAY]
            gateway = ip_address(bytes(buffer[begin : begin + len(address.packed)]))
        return Way(names.get(index, ""), gateway)

    try:
        return netlink.get(RTM_GETROUTE, head + attribute(RTA_DST, address.packed), decode)
    except OSError as error:
        if error.errno not in NOWHERE:
            raise
        return None
