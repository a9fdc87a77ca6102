"""A real pulse that guards the panel's port of a namespace, and nobody is locked out by surprise."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import PulseUnreachable, RouterError
from lvs.pulse.client import PulseClient
from tests.conftest import eventually
from tests.router.conftest import Namespace
from tests.router.test_netfilter_guard import (
    FRIENDS,
    OTHERS,
    OWN,
    PORT,
    client,
    family,
    gets_in,
    listening,
    who,
)

__all__ = ["client"]

pytestmark = pytest.mark.root

ROOT = Path(__file__).resolve().parents[2]
ITSELF = {*OWN, "127.0.0.1", "::1"}
ALLOWED = ["192.0.2.0/31", "2001:db8::/127"]


class Pulse:
    """pulse in a namespace, with no lvs.cf, on a kernel that need not have IPVS."""

    def __init__(self, folder: Path, router: Namespace) -> None:
        self.folder = folder
        self.router = router
        self.popen: subprocess.Popen[bytes] | None = None
        self.client = PulseClient(folder / "pulse.sock", timeout=10)

    def start(self) -> None:
        places = {"--config": "etc", "--state": "state", "--socket": "pulse.sock"}
        words = [word for option, name in places.items() for word in (option, str(self.folder / name))]
        with (self.folder / "log").open("ab") as log:
            self.popen = subprocess.Popen(
                ["ip", "netns", "exec", self.router.name, sys.executable, "-m", "lvs.pulse", *words],
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        eventually(self.answers, "pulse answers")

    def answers(self) -> bool:
        try:
            return bool(self.client.status())
        except PulseUnreachable:
            return False

    def end(self, number: int) -> None:
        if self.popen is not None:
            self.popen.send_signal(number)
            self.popen.wait(20)
            self.popen = None

    def guard(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.client.status()["guard"]
        return found


@pytest.fixture
def pulse(tmp_path: Path, router: Namespace) -> Iterator[Pulse]:
    one = Pulse(tmp_path, router)
    one.start()
    yield one
    one.end(signal.SIGKILL)


def connect(source: str, destination: str) -> socket.socket:
    opened = socket.socket(family(destination))
    opened.settimeout(0.5)
    opened.bind((source, 0))
    opened.connect((destination, PORT))
    return opened


def test_the_port_stays_guarded_while_pulse_is_dead_and_is_guarded_again_after_a_boot(
    client: Namespace, router: Namespace, pulse: Pulse
) -> None:
    everybody = {*FRIENDS, *OTHERS, *ITSELF}
    assert who(client, router) == everybody
    answer = pulse.client.guard(PORT, ALLOWED)
    assert answer["guard"] == {"port": PORT, "networks": ALLOWED}
    assert who(client, router) == everybody - set(OTHERS)
    pulse.end(signal.SIGKILL)
    assert who(client, router) == everybody - set(OTHERS)
    router.run("nft", "flush", "ruleset")
    pulse.start()
    assert pulse.guard() == answer["guard"]
    assert who(client, router) == everybody - set(OTHERS)
    pulse.end(signal.SIGTERM)
    pulse.start()
    table = router.run("nft", "list", "table", "inet", "piranha")
    assert pulse.client.guard(PORT, ALLOWED)["changes"] == []
    assert router.run("nft", "list", "table", "inet", "piranha") == table
    pulse.client.guard(None)
    assert who(client, router) == everybody
    assert "piranha" not in router.run("nft", "list", "tables")


def test_a_guard_that_would_cut_a_connection_is_refused_and_names_whose(
    client: Namespace, router: Namespace, pulse: Pulse
) -> None:
    def to(source: str) -> str:
        return OWN[":" in source]

    with closing(router.call(listening, PORT)), ExitStack() as stack:
        for own in (*OWN, "127.0.0.1", "::1"):
            stack.enter_context(closing(router.call(connect, own, own)))
        for friend in FRIENDS:
            stack.enter_context(closing(client.call(connect, friend, to(friend))))
        for other in OTHERS:
            stack.enter_context(closing(client.call(connect, other, to(other))))
        with pytest.raises(RouterError, match=f"{OTHERS[0]}, {OTHERS[1]} have a connection to port {PORT}"):
            pulse.client.guard(PORT, ALLOWED)
        assert pulse.guard() is None
        assert others_in(client) == set(OTHERS)
        pulse.client.guard(PORT, [*ALLOWED, *OTHERS])
        assert others_in(client) == set(OTHERS)
        pulse.client.guard(PORT, ALLOWED, anyway=True)
        assert others_in(client) == set()


def others_in(client: Namespace) -> set[str]:
    """The foreign addresses from which a connection is taken."""
    return {source for source in OTHERS if client.call(gets_in, source, OWN[":" in source])}
