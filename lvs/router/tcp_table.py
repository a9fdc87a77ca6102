"""The kernel's table of TCP sockets, of the calling thread's network namespace (proc(5), /proc/net/tcp)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from lvs.config.model import Address
from lvs.errors import RouterError
from lvs.router.guards import Connection

FOLDER = Path("/proc/thread-self/net")
ESTABLISHED = "01"  # include/net/tcp_states.h


def connections(port: int, folder: Path = FOLDER) -> tuple[Connection, ...]:
    """The established connections with this port at either end; RouterError where they cannot be seen."""
    found: list[Connection] = []
    for name in ("tcp", "tcp6"):
        try:
            with (folder / name).open() as lines:
                found += established(lines, port)
        except FileNotFoundError as error:
            if name == "tcp":  # without IPv6 there is no tcp6
                raise _unseen(error) from error
        except OSError as error:
            raise _unseen(error) from error
    return tuple(found)


def established(lines: Iterable[str], port: int) -> Iterator[Connection]:
    """The same of a table's lines. Pure.

    Of a hundred thousand sockets only a few are looked at closely. Addresses of IPv4 in a socket of IPv6 are
    given as what they are: netfilter sees packets of IPv4.
    """
    digits = f":{port:04X} "
    for line in lines:
        if digits not in line:
            continue
        words = line.split()
        if words[3] == ESTABLISHED:
            (local, local_port), (remote, remote_port) = map(_end, words[1:3])
            if port in (local_port, remote_port):
                yield Connection(local, local_port, remote, remote_port)


def address_of(digits: str) -> Address:
    """An address as /proc has it: words of 32 bits in the machine's own order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return ip_address(struct.pack(f"={len(words)}I", *words))


def _end(text: str) -> tuple[Address, int]:
    digits, _, port = text.partition(":")
    address = address_of(digits)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address, int(port, 16)


def _unseen(error: OSError) -> RouterError:
    return RouterError(
        f"The connections of this machine cannot be looked at ({error.strerror}: {error.filename}), so "
        "nobody can say whose the guard would cut. Ask for it anyway if you are sure. Nothing was changed."
    )
