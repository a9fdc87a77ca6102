"""A network namespace of its own for a test that runs in this very process."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def fresh_network(*interfaces: str) -> Iterator[None]:
    """This thread in a new network namespace with these dummy interfaces up; afterwards in the old one."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(CLONE_NEWNET))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for name in interfaces:
            subprocess.run(["ip", "link", "add", name, "type", "dummy"], check=True)
            subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield
    finally:
        _check(_libc.setns(before, CLONE_NEWNET))
        os.close(before)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
