"""libnftables: nft(8)'s own library, called in this process (libnftables(3)).

Starting nft for each change costs more than the change. Each call makes a context of its own, which
speaks to the network namespace of the calling thread.
"""

from __future__ import annotations

import ctypes
import functools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lvs.errors import KernelError

LIBRARY = "libnftables.so.1"
NETLINK_NETFILTER = 12  # include/uapi/linux/netlink.h
# Flags of nft_ctx_output_set_flags (nftables/libnftables.h): counters' values left out, JSON, numbers for
# names.
STATELESS, HANDLES, JSON = 1 << 2, 1 << 3, 1 << 4
NUMERIC = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10
TERSE = 1 << 11

_one_at_a_time = threading.Lock()  # the library keeps tables of names in process-wide variables


def available() -> bool:
    """Whether this kernel has netfilter's netlink at all; without it there is no table either.

    Asked before a context is made, since libnftables ends the whole process where it cannot open that socket.
    """
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER).close()
    except OSError:
        return False
    return True


def run(commands: str, change: str) -> None:
    """Carries commands out in one transaction: all of them, or KernelError and nothing has changed."""
    _call(commands, change, 0)


def objects(
    command: str, change: str, *, terse: bool = False, counters: bool = False
) -> list[dict[str, Any]]:
    """What a list command finds, without metainfo (libnftables-json(5)).

    terse: without the elements of named sets and maps, of which there may be a hundred thousand. counters:
    with what was counted.
    """
    flags = JSON | NUMERIC | (TERSE if terse else 0) | (0 if counters else STATELESS)
    answer = json.loads(_call(command, change, flags))
    return [thing for thing in answer["nftables"] if "metainfo" not in thing]


def text(command: str, change: str) -> str:
    """What a list command finds, in nft's language: handles shown, without counters' values and elements."""
    return _call(command, change, STATELESS | HANDLES | NUMERIC | TERSE)


def _call(commands: str, change: str, flags: int) -> str:
    if not available():
        raise KernelError(change, "this kernel has no netfilter: modprobe nf_tables, or boot one that has")
    with _one_at_a_time, _context(change) as (library, context):
        library.nft_ctx_output_set_flags(context, flags)
        failed = library.nft_run_cmd_from_buffer(context, commands.encode())
        if failed:
            raise KernelError(change, _reason(library.nft_ctx_get_error_buffer(context).decode()))
        output: bytes = library.nft_ctx_get_output_buffer(context)
        return output.decode()


@contextmanager
def _context(change: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    try:
        library = _library()
    except OSError as error:
        raise KernelError(
            change, f"{LIBRARY} is not on this machine: install the package nftables"
        ) from error
    context = library.nft_ctx_new(0)
    if not context:
        raise KernelError(change, "libnftables got no memory: free some and try again")
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        yield library, context
    finally:
        library.nft_ctx_free(context)


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY)
    library.nft_ctx_new.argtypes, library.nft_ctx_new.restype = [ctypes.c_uint32], ctypes.c_void_p
    library.nft_ctx_free.argtypes, library.nft_ctx_free.restype = [ctypes.c_void_p], None
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_ctx_output_set_flags.restype = None
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.nft_run_cmd_from_buffer.restype = ctypes.c_int
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes, getattr(library, name).restype = [ctypes.c_void_p], ctypes.c_int
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes, getattr(library, name).restype = [ctypes.c_void_p], ctypes.c_char_p
    return library


def _reason(complaint: str) -> str:
    """The library's first sentence, without the place in a text that nobody sees, and what to do."""
    _, found, said = complaint.partition("Error: ")
    said = (said if found else complaint).partition("\n")[0] or "no reason given"
    if "not permitted" in said:
        return f"nftables: {said}: pulse needs to run as root or with CAP_NET_ADMIN"
    if "not supported" in said or "No such file" in said:
        return (
            f"nftables: {said}: the kernel must be Linux 5.7 or newer with nf_tables, its inet family, "
            "nft_nat and nft_masq; load these modules, or boot such a kernel"
        )
    return f"nftables: {said}: look at the table with `nft list table inet piranha`"
