"""Network namespaces: entering one for a moment, and running commands in one (ip-netns(8), setns(2))."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
NAMED = Path("/run/netns")
LIBC = ctypes.CDLL(None, use_errno=True)


def set_namespace(descriptor: int) -> None:
    """Puts the calling thread, and only it, into a network namespace."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """For the time of a `with`, this thread is in the namespace; sockets opened there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            set_namespace(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            set_namespace(home)
    finally:
        os.close(home)


def move_into(name: str) -> None:
    """This thread goes to the namespace for good."""
    there = os.open(NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        set_namespace(there)
    finally:
        os.close(there)


def open_socket(name: str | None, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket of the namespace; None: of the one we are in."""
    if name is None:
        return socket.socket(family, kind)
    with inside(name):
        return socket.socket(family, kind)


def exists(name: str) -> bool:
    return (NAMED / name).exists()


def in_namespace(name: str | None, command: Sequence[str]) -> list[str]:
    """The command as it must be started to run in the namespace, with a /sys of its own."""
    return [*(["ip", "netns", "exec", name] if name else []), *command]


def batch(lines: Sequence[str], name: str | None = None, *, version: int | None = None) -> None:
    """Carries out lines of ip(8) in one process. Raises RuntimeError with what ip said.

    version: 4 or 6 where the lines do not say it themselves.
    """
    where = [*(["-n", name] if name else []), *([f"-{version}"] if version else [])]
    done = subprocess.run(
        ["ip", *where, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"ip -batch{f' in {name}' if name else ''}: {done.stderr.strip()}")


def write_sysctls(name: str, values: dict[str, str]) -> None:
    """Writes parameters (net/ipv4/...) of the namespace; /proc/sys/net shows that of the one who looks."""
    with inside(name):
        for path, value in values.items():
            (Path("/proc/sys") / path).write_text(value, encoding="ascii")
