"""Kernel parameters: the files below /proc/sys, as the calling thread's network namespace has them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lvs.errors import KernelError

ROOT = Path("/proc/sys")

# Which module brings the parameters below a folder; only those that no kernel has from the start.
MODULES = {
    "net/ipv4/vs": "ip_vs",
    "net/netfilter/nf_conntrack": "nf_conntrack",
    "net/bridge": "br_netfilter",
    "net/ipv6": "ipv6",
}


def read(paths: Iterable[str]) -> dict[str, str]:
    """The values at these paths below /proc/sys (net/ipv4/ip_forward), white space in them made one space."""
    return {path: _read(path) for path in paths}


def write(path: str, value: str) -> None:
    """Sets one parameter; several values are separated by spaces, as read() gives them."""
    change = f"set {path} to {value}"
    if not value or not value.isprintable():
        raise KernelError(change, "this is not a value: give one line of printable text")
    try:
        # Never creates: a parameter that is not there must be an error, wherever /proc/sys points in a test.
        descriptor = os.open(_file(path, change), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise KernelError(change, _reason(path, error)) from error


def _read(path: str) -> str:
    change = f"read {path}"
    try:
        return " ".join(_file(path, change).read_text().split())
    except OSError as error:
        raise KernelError(change, _reason(path, error)) from error


def _file(path: str, change: str) -> Path:
    """The file of a parameter; nothing outside /proc/sys can be named."""
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise KernelError(change, 'name it as a path below /proc/sys with "/", such as net/ipv4/ip_forward')
    return ROOT / path


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        for prefix, module in MODULES.items():
            if path.startswith(prefix):
                return f"this kernel has no such parameter: load its module (modprobe {module}) and try again"
        return "this kernel has no such parameter: check the name of the parameter and of the interface in it"
    if isinstance(error, PermissionError):
        return "permission denied: pulse needs to run as root or with CAP_NET_ADMIN, and /proc/sys writable"
    if isinstance(error, IsADirectoryError):
        return "this is a folder of parameters: name one of those in it"
    return f"the kernel refused the value ({error.strerror}): see what it allows in its sysctl documentation"
