"""Network namespaces of this kernel, for tests that change real addresses, neighbours and netfilter."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace of its own, with lo up."""

    def __init__(self, name: str) -> None:
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str) -> str:
        """Runs a program inside and gives what it printed; fails with what it complained."""
        done = subprocess.run(["ip", "netns", "exec", self.name, *command], capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def call(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Calls a function inside, in a thread of its own: a namespace belongs to a thread."""
        with ThreadPoolExecutor(1, initializer=enter, initargs=(Path("/run/netns") / self.name,)) as inside:
            return inside.submit(function, *arguments, **named).result()

    def join(self, other: Namespace, interface: str, other_interface: str) -> None:
        """Lays a cable (a veth pair) to another namespace, both ends up."""
        self.run("ip", "link", "add", interface, "type", "veth", "peer", other_interface, "netns", other.name)
        self.run("ip", "link", "set", interface, "up")
        other.run("ip", "link", "set", other_interface, "up")

    def remove(self) -> None:
        """Takes it away with all that is in it."""
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def enter(path: Path) -> None:
    """Moves the calling thread into the network namespace at path (setns(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns to {path}")
    finally:
        os.close(descriptor)


@pytest.fixture
def namespaces() -> Iterator[Callable[[], Namespace]]:
    """Makes namespaces, and removes them after the test."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root; leave such tests out with: pytest -m 'not root'")
    made: list[Namespace] = []
    numbers = itertools.count()

    def make() -> Namespace:
        made.append(Namespace(f"edge-{os.getpid()}-{next(numbers)}"))
        return made[-1]

    yield make
    for namespace in made:
        namespace.remove()


@pytest.fixture
def router(namespaces: Callable[[], Namespace]) -> Namespace:
    """A router: a namespace with the interfaces eth0 and eth1, up, cabled to one with nobody in it."""
    router, outside = namespaces(), namespaces()
    router.join(outside, "eth0", "far0")
    router.join(outside, "eth1", "far1")
    return router
