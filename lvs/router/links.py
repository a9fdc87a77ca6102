"""This machine's own interfaces: which can carry, what changed, whose addresses; and taking addresses down.

Part of the heart, like `lvs.router.neighbours`: standard library only, no call waits for anything but the
kernel itself, in the network namespace of the calling thread (a `Watcher`: of the one that made it).
`lower` is the one thing in the heart that changes the kernel: it fences a pulse that is gone, and needs
CAP_NET_ADMIN.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from lvs.config.address import Address
from lvs.errors import KernelError
from lvs.router import rtnetlink, sysctl
from lvs.router.floating import InterfaceAddress
from lvs.router.frames import ETHERNET
from lvs.router.rtnetlink import Link, LocalAddress, Rtnetlink

MESSAGES_A_READ: Final = 256  # a storm must not keep the heart from its other work
MESSAGES_DROPPED: Final = 4096  # at most, before everything is read anew

# The states in which the neighbour table's MAC is of use (include/uapi/linux/neighbour.h), the surest first:
# reachable, permanent, delay, probe, stale. Not: incomplete, failed, noarp.
USABLE: Final = (0x02, 0x80, 0x08, 0x10, 0x04)


@dataclass(frozen=True, slots=True)
class LinkChange:
    """An interface can carry now (up), or cannot any more; one that was removed cannot."""

    interface: str
    up: bool


def states() -> dict[str, bool]:
    """Of each interface, whether it can carry (`Link.is_up`); raises KernelError."""
    return {link.name: link.is_up for link in _links()}


def own_macs() -> frozenset[bytes]:
    """The MACs of this machine's Ethernet interfaces, those that are down too; raises KernelError."""
    return frozenset(link.mac for link in _links() if link.kind == ETHERNET and any(link.mac))


def interface_of(address: Address) -> str | None:
    """The interface that has this address of this machine, None: none has; raises KernelError."""
    try:
        with Rtnetlink() as netlink:
            for found in netlink.addresses(_family(address)):
                if found.local == address.packed:
                    return _name(found.index)
    except OSError as error:
        raise KernelError(f"find the interface of {address}", _reason(error)) from error
    return None


def neighbour_mac(address: Address, interface: str | None = None) -> bytes | None:
    """Where the kernel itself would send what is for this neighbour; raises KernelError.

    From its neighbour table, of one interface or of all; None: it does not know, or has given up on it. An
    entry stays for minutes after the neighbour was last heard, so it tells whose MAC a MAC is, and nothing
    of whether that machine lives.
    """
    try:
        with Rtnetlink() as netlink:
            found = [
                entry for entry in netlink.neighbours(_family(address)) if entry.address == address.packed
            ]
    except OSError as error:
        raise KernelError(f"look {address} up among the neighbours", _reason(error)) from error
    known = [entry for entry in found if entry.state in USABLE and entry.mac]
    if interface is not None:
        known = [entry for entry in known if _name(entry.index) == interface]
    known.sort(key=lambda entry: USABLE.index(entry.state))
    return known[0].mac if known else None


def lower(addresses: Iterable[InterfaceAddress]) -> tuple[str, ...]:
    """Takes exactly these (prefix and label too) off their interfaces, and reads back that they are gone.

    Fine if one is not there. Other addresses of the net stay: the kernel is told to promote them, where it
    would take them along with their primary. Gives a sentence for what was refused and never raises: what
    can be lowered is.
    """
    wanted = frozenset(addresses)
    if not wanted:
        return ()
    try:
        with Rtnetlink() as netlink:
            present = _present(netlink, wanted)
            # Secondaries first: else the kernel promotes, one after the other, what is to go as well.
            doomed = sorted(present, key=lambda one: not present[one].flags & rtnetlink.IFA_F_SECONDARY)
            with _secondaries_kept(present.values()) as troubles:
                codes = netlink.carry_out([present[one].deletion() for one in doomed])
            left = _present(netlink, wanted)
    except OSError as error:
        return (f"could not lower the floating addresses: {_reason(error)}",)
    said = dict(zip(doomed, codes, strict=True))
    return (*troubles, *(_still_there(one, said.get(one, 0)) for one in sorted(left, key=str)))


class Watcher:
    """Tells which interfaces become able to carry, or unable; not for several threads at once.

    The kernel tells of the first loss of carrier at once, of another within the same second up to one second
    late, lest a flapping port floods everybody (net/core/link_watch.c); `states` is never late.
    """

    def __init__(self) -> None:
        """From the state as it is now; raises KernelError."""
        try:
            self._socket = rtnetlink.listener(rtnetlink.RTMGRP_LINK)
        except OSError as error:
            raise KernelError("watch the interfaces", _reason(error)) from error
        try:
            # Read after the socket listens: a change in between is told again, none is missed.
            self._links = {link.index: link for link in _links()}
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """What to wait on: readable when there may be changes to read."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> tuple[LinkChange, ...]:
        """What changed since the last call, in order; raises KernelError. Never waits.

        An interface that lost its carrier and has it again is told as both, even where the kernel made one
        message of it: the switch behind it may have forgotten this machine meanwhile. So is one that was
        renamed: down under its old name, up under the new one.
        """
        changes: list[LinkChange] = []
        try:
            for _ in range(MESSAGES_A_READ):
                received, (sender, _) = self._socket.recvfrom(rtnetlink.LONGEST)
                if sender:  # not the kernel
                    continue
                for kind, _, _, body in rtnetlink.split(received):
                    changes += self._told(kind, body)
        except BlockingIOError:
            pass  # that was all
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise KernelError("watch the interfaces", _reason(error)) from error
            changes += self._read_anew()
        return tuple(changes)

    def _told(self, kind: int, body: bytes) -> Iterator[LinkChange]:
        if kind not in (rtnetlink.RTM_NEWLINK, rtnetlink.RTM_DELLINK) or rtnetlink.is_bridge_port(body):
            return
        link = rtnetlink.link(body)
        before = self._links.pop(link.index, None)
        after = link if kind == rtnetlink.RTM_NEWLINK else None
        if after:
            self._links[link.index] = after
        yield from differences(before, after)

    def _read_anew(self) -> Iterator[LinkChange]:
        """The kernel had more to tell than fits: what is still queued is older than what is read now."""
        for _ in range(MESSAGES_DROPPED):
            try:
                self._socket.recv(1)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
        before, self._links = self._links, {link.index: link for link in _links()}
        for index in sorted(before.keys() | self._links.keys()):
            yield from differences(before.get(index), self._links.get(index))


def differences(before: Link | None, after: Link | None) -> Iterator[LinkChange]:
    """What is to be told of one interface; None: it is not there."""
    was = (before.name, before.carrier_changes) if before and before.is_up else None
    now = (after.name, after.carrier_changes) if after and after.is_up else None
    if was == now:
        return
    if was:
        yield LinkChange(was[0], False)
    if now:
        yield LinkChange(now[0], True)


def _links() -> list[Link]:
    try:
        with Rtnetlink() as netlink:
            return netlink.links()
    except OSError as error:
        raise KernelError("read the interfaces", _reason(error)) from error


def _present(netlink: Rtnetlink, wanted: frozenset[InterfaceAddress]) -> dict[InterfaceAddress, LocalAddress]:
    """Those of the wanted addresses that are there, as the kernel tells them."""
    names = {index: name for index, name in socket.if_nameindex()}
    packed = {one.address.packed for one in wanted}
    found = {}
    for local in netlink.addresses():
        name = names.get(local.index)
        if name is None or local.local not in packed:
            continue
        label = "" if local.label == name else local.label
        one = InterfaceAddress(ip_address(local.local), local.prefix, name, label)
        if one in wanted:
            found[one] = local
    return found


@contextmanager
def _secondaries_kept(doomed: Iterable[LocalAddress]) -> Iterator[list[str]]:
    """Has the kernel promote the other addresses of a net instead of deleting them with their primary.

    (net/ipv4/devinet.c, __inet_del_ifa.) Put back afterwards: the parameter is the administrator's. Where it
    cannot be set the list says so, and the addresses go down all the same: two routers that answer for one
    address do more harm than one that has lost an address.
    """
    troubles: list[str] = []
    changed = []
    primaries = {
        local.index
        for local in doomed
        if local.family == socket.AF_INET
        and local.prefix < 32
        and not local.flags & rtnetlink.IFA_F_SECONDARY
    }
    for index in sorted(primaries):
        path = f"net/ipv4/conf/{_name(index)}/promote_secondaries"
        try:
            if sysctl.read([path])[path] == "0":
                sysctl.write(path, "1")
                changed.append(path)
        except KernelError as error:
            troubles.append(f"other addresses of the net may have gone too: {error}")
    try:
        yield troubles
    finally:
        for path in changed:
            try:
                sysctl.write(path, "0")
            except KernelError as error:
                troubles.append(str(error))


def _still_there(address: InterfaceAddress, code: int) -> str:
    where = f"{address.address}/{address.prefix} on {address.interface}"
    why = _reason(OSError(code, os.strerror(code))) if code else "somebody put it back"
    return (
        f"{where} is still there ({why}): take it off by hand "
        f"(ip address del {address.address}/{address.prefix} dev {address.interface})"
    )


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _name(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:  # removed meanwhile
        return None


def _reason(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "permission denied: pulse needs to run as root or with CAP_NET_ADMIN"
    return f"the kernel refused it ({error.strerror}): see its log (dmesg)"
