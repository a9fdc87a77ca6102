"""The floating addresses on this router's interfaces, over rtnetlink (rtnetlink(7)).

Each call opens and closes its own socket, in the network namespace of the calling thread. `add_all` and
`remove_all` are as quick as the kernel (`lvs.router.address_batch`), and leave only what is refused to the
calls for one address.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from lvs.config.model import Address
from lvs.errors import KernelError
from lvs.router import address_batch, sysctl
from lvs.router.state import InterfaceAddress

LONGEST_LABEL = 15  # characters; IFNAMSIZ with its final zero, include/uapi/linux/if.h
NOBODYS = "no machine can own such an address: give the floating address of a service"


def read(interfaces: Collection[str] | None) -> frozenset[InterfaceAddress]:
    """Every address on these interfaces (None: on all); an interface that is not there has none.

    The kernel labels an IPv4 address with its interface's name where nobody gave a label: here that is "".
    """
    try:
        found = address_batch.read()
    except OSError as error:
        raise KernelError("read the interfaces' addresses", _reason(error)) from error
    return found if interfaces is None else frozenset(a for a in found if a.interface in interfaces)


def add_all(wanted: Sequence[InterfaceAddress]) -> dict[InterfaceAddress, str]:
    """Adds many at once, each as `add` does; the refused ones with their reasons."""
    there = _interfaces()
    refused = _reasons(lambda each: _check(each, f"add {_name(each)}", there), wanted)
    fit = [each for each in wanted if each not in refused]
    # What is there in another shape, and what has a reason to be told: one by one.
    return refused | _reasons(add, _not_as_wanted(_left(address_batch.add, fit)))


def remove_all(unwanted: Sequence[InterfaceAddress]) -> dict[InterfaceAddress, str]:
    """Removes many at once, each as `remove` does; the refused ones with their reasons."""
    there = _interfaces()
    # Backwards: the first of a net is the primary, at whose removal the kernel moves all the others: seconds
    # for a thousand addresses one after the other.
    present = [each for each in reversed(unwanted) if each.interface in there]
    with ExitStack() as kept:
        for each in {each.interface: each for each in present if not _alone(each)}.values():
            kept.enter_context(_secondaries_kept(each))
        left = _left(address_batch.remove, present)
    return _reasons(remove, left)


def _left(
    change: Callable[[Sequence[InterfaceAddress]], Mapping[InterfaceAddress, int]],
    addresses: Sequence[InterfaceAddress],
) -> Sequence[InterfaceAddress]:
    """Those that a change of many left to do: what was refused, or all if it could not be tried."""
    try:
        return tuple(change(addresses)) if addresses else ()
    except OSError:
        return addresses


def _not_as_wanted(wanted: Sequence[InterfaceAddress]) -> Sequence[InterfaceAddress]:
    """Those that are not there already in just this shape, found with one look for all of them."""
    if not wanted:
        return ()
    try:
        there = read(None)
    except KernelError:
        return wanted  # `add` looks again for each, and says what is wrong
    return [each for each in wanted if each not in there]


def _reasons(
    change: Callable[[InterfaceAddress], None], addresses: Iterable[InterfaceAddress]
) -> dict[InterfaceAddress, str]:
    refused = {}
    for each in addresses:
        try:
            change(each)
        except KernelError as error:
            refused[each] = error.reason
    return refused


def add(address: InterfaceAddress) -> None:
    """Puts an address on its interface, usable at once; fine if it is there already.

    IPv4: with its label, and a broadcast address where the net has one. IPv6: without duplicate address
    detection, whose second of waiting a takeover has not got, and deprecated (RFC 4862, 5.5.4), so that
    the router's own connections never come from an address that may move. Afterwards this prefix and this
    label hold: an IPv4 address with another label is relabelled without being gone for a moment; an IPv6
    address cannot be there with two prefixes and is taken off and put on again.
    """
    change = f"add {_name(address)}"
    _check(address, change, _interfaces())
    try:
        try:
            _put(address)
        except FileExistsError:
            _reshape(address)
    except OSError as error:
        raise KernelError(change, _reason(error, address)) from error


def remove(address: InterfaceAddress) -> None:
    """Takes exactly this address (prefix and label too) off its interface; fine if it is not there.

    Other addresses stay: those in the same net, which the kernel would take along with their primary, are
    promoted.
    """
    change = f"remove {_name(address)}"
    if address.interface not in _interfaces():
        return
    try:
        with _secondaries_kept(address):
            _delete(address)
    except OSError as error:
        raise KernelError(change, _reason(error, address)) from error


def nobodys(address: Address) -> bool:
    """Whether no machine can own this address on a network."""
    special = address.is_multicast or address.is_unspecified or address.is_loopback
    return special or int(address) == 0xFFFFFFFF


def missing_interface(name: str) -> str:
    """The reason and the remedy for an interface that this machine has not got."""
    return (
        f"this machine has no interface {name}: use one of {', '.join(sorted(_interfaces()))}, or create it"
    )


def _interfaces() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex()}


def _check(address: InterfaceAddress, change: str, interfaces: Collection[str]) -> None:
    interface, label = address.interface, address.label
    if interface not in interfaces:
        raise KernelError(change, missing_interface(interface))
    if label and address.address.version == 4 and not label.startswith(interface):
        raise KernelError(change, f"the label must begin with the interface's name: use {interface}:1")
    if len(label) > LONGEST_LABEL:
        raise KernelError(change, f"a label has at most {LONGEST_LABEL} characters: use a shorter one")
    if nobodys(address.address):
        raise KernelError(change, NOBODYS)
    if not 0 < address.prefix <= address.address.max_prefixlen:
        raise KernelError(change, f"the mask must be 1 to {address.address.max_prefixlen} bits: correct it")


def _put(address: InterfaceAddress, flags: int = 0) -> None:
    """Adds it; raises OSError with the kernel's error number."""
    for code in address_batch.add([address], flags).values():
        raise OSError(code, os.strerror(code))


def _delete(address: InterfaceAddress) -> None:
    """Removes it, if it is there; raises OSError with the kernel's error number."""
    for code in address_batch.remove([address]).values():
        if code != errno.EADDRNOTAVAIL:
            raise OSError(code, os.strerror(code))


def _reshape(address: InterfaceAddress) -> None:
    """Gives an address that is on the interface already the prefix and the label of `address`."""
    there = (address.address, address.interface)
    twins = [each for each in address_batch.read() if (each.address, each.interface) == there]
    if address in twins:
        return
    if address.address.version == 6:
        for twin in twins:
            _delete(twin)
        _put(address)
        return
    # IPv4 may hold one address with two prefixes: a stand-in keeps it local while the label is exchanged,
    # so that no packet is refused, no socket loses its address and the interface is never without one
    # (which would take its routes along).
    stand_in = InterfaceAddress(address.address, 31 if address.prefix == 32 else 32, address.interface)
    put_in = stand_in not in twins
    if put_in:
        _put(stand_in, address_batch.IFA_F_NOPREFIXROUTE)
    with _secondaries_kept(address):
        for twin in twins:
            if twin.prefix == address.prefix:
                _delete(twin)
    _put(address)
    if put_in:
        _delete(stand_in)


@contextmanager
def _secondaries_kept(address: InterfaceAddress) -> Iterator[None]:
    """Has the kernel promote the other addresses of the net instead of deleting them with their primary.

    (net/ipv4/devinet.c, __inet_del_ifa; ip-sysctl.rst, promote_secondaries.) Put back afterwards: the
    parameter is the administrator's.
    """
    path = f"net/ipv4/conf/{address.interface}/promote_secondaries"
    if _alone(address) or sysctl.read([path])[path] != "0":
        yield
        return
    sysctl.write(path, "1")
    try:
        yield
    finally:
        sysctl.write(path, "0")


def _alone(address: InterfaceAddress) -> bool:
    """Whether no other address can go with it."""
    return address.address.version == 6 or address.prefix == 32


def _name(address: InterfaceAddress) -> str:
    label = f" as {address.label}" if address.label else ""
    return f"{address.address}/{address.prefix} on {address.interface}{label}"


def _reason(error: OSError, address: InterfaceAddress | None = None) -> str:
    """What the kernel said, and what to do about it."""
    code = error.errno
    if code == errno.EPERM:
        return "permission denied: pulse needs to run as root or with CAP_NET_ADMIN"
    if address and code == errno.ENODEV:
        return missing_interface(address.interface)
    if address and address.address.version == 6 and code in (errno.EACCES, errno.EOPNOTSUPP):
        return (
            f"IPv6 is switched off on {address.interface}: "
            f"set net/ipv6/conf/{address.interface}/disable_ipv6 to 0"
        )
    said = os.strerror(code) if code else str(error)
    return f"the kernel refused it ({said}): check the address, its mask and the interface"
