"""A network namespace of its own for a test that runs in this very process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.lab.namespaces import batch

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def fresh_network(*interfaces: str) -> Iterator[None]:
    """This thread in a new network namespace with these dummy interfaces up; afterwards in the old one."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWNET))
        lines = ["link set lo up"]
        for name in interfaces:
            lines += [f"link add {name} type dummy", f"link set {name} up"]
        batch(lines)
        yield
    finally:
        _check(_libc.setns(before, CLONE_NEWNET))
        os.close(before)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
