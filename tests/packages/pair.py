"""A manager, two routers, two real servers and a client, each a machine of its own, in a guest with IPVS.

The routers and the managers are Debian 12 with systemd and the packages (images.py). The real servers and the
client are those of the lab, and so are the networks and addresses.
"""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import batch
from lvs.errors import LvsError
from lvs.pulse.client import PulseClient
from tests.kernel.failover_clients import Clients, clients_at
from tests.kernel.failover_lab import DIRECT_PLACE, OTHER, REDUNDANT, lvs_cf
from tests.kernel.failover_switch import HUSH
from tests.kernel.traffic import DIRECT, virtual
from tests.packages import images
from tests.packages.machine import Machine, machines, wait_until
from tests.packages.panel import Panel

PASSWORD = "correct-horse-battery-7"
MANAGER_ADDRESS = "192.168.127.2"
SITE = f"https://{MANAGER_ADDRESS}:3636"
# This kernel has no nftables of the family inet, which NAT takes: `tests/kernel` has that.
SERVICES = (virtual("shop", DIRECT, timeout=5),)
# A pulse that was killed has the dead time to come back before the other router serves: seconds, here.
PAIR = replace(REDUNDANT, keepalive=1.0, deadtime=10.0)
EVERY = 0.05  # seconds from one request to the next
PATIENCE = 10.0  # seconds after which a client gives up
WAIT = 240.0


class Cluster:
    """All of them. manager: the one that manages now."""

    def __init__(self, lab: Lab, made: dict[str, Machine], clients: Clients) -> None:
        self.lab, self.made, self.clients = lab, made, clients
        self.manager = made["manager"]
        self.routers = {name: made[name] for name in network.ROUTERS}

    def status(self, router: str) -> dict[str, Any]:
        """What pulse says; nothing where it does not answer."""
        try:
            return PulseClient(self.routers[router].root / "run/piranha/pulse.sock", 20).status()
        except LvsError:
            return {}

    def active(self) -> str | None:
        """The router that serves, where the two are one pair that lacks nothing."""
        said = {name: self.status(name).get("redundancy") for name in self.routers}
        owners = [name for name, one in said.items() if one and one["role"] == "active"]
        if len(owners) != 1:
            return None
        return owners[0] if all(fit(said[name], owners == [name]) for name in said) else None

    def told(self) -> str:
        """For somebody who asks why they are no such pair."""
        lines = []
        for name, machine in self.routers.items():
            status = self.status(name)
            lines += [f"--- {name}: {status.get('redundancy')} {status.get('problems')}"]
            lines += [
                machine.said("journalctl", "--no-pager", "--lines=30", "-u", "pulse", "-u", "piranha-worker")
            ]
        return "\n".join(lines)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for what the routers come to by themselves; says what they say if it does not come."""
        try:
            wait_until(holds, what, WAIT)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def well(self, active: str | None = None) -> str:
        """Waits until they are a pair that lacks nothing; who serves. active: who it has to be."""
        found: list[str] = []

        def holds() -> bool:
            serves = self.active()
            found[:] = [serves] if serves else []
            return serves == active if active else bool(serves)

        self.until(holds, f"a pair with {active or 'either'} active")
        return found[0]

    def serial(self, number: int) -> None:
        """Waits until both have that lvs.cf."""

        def have() -> bool:
            return all(self.status(name).get("serial") == number for name in self.routers)

        self.until(have, f"serial_no {number} on both")

    def panel(self) -> Panel:
        """Its pages, with somebody logged in; the certificate is the one that the set-up made."""
        tls = (self.manager.root / "var/lib/piranha/tls.pem").read_text("ascii")
        known = ssl.create_default_context(cadata=tls[tls.index("-----BEGIN CERT") :])
        panel = Panel(SITE, known)
        assert panel.log_in(PASSWORD)
        return panel

    def apply(self, serial: int) -> None:
        """By the pages; returns once both routers have it."""
        # The number is the manager's to give: something has to differ for there to be a change.
        services = [replace(one, reentry=one.reentry + serial) for one in SERVICES]
        self.panel().apply(lvs_cf(serial, PAIR, services), f"revision {serial}")
        self.serial(serial)

    def answers(self) -> bool:
        """Whether the pages do, with all that they need."""
        words = ("curl", "--silent", "--fail", "--insecure", "--max-time", "20")
        return self.manager.run(*words, "https://127.0.0.1:3636/readyz").returncode == 0


def fit(said: dict[str, Any] | None, active: bool) -> bool:
    """Whether a router says of itself, and of the other, that all is as it should be."""
    role = "active" if active else "standby"
    if not said or said["role"] != role or said["stage"] != role or not said["fit"]:
        return False
    peer = said["peer"]
    if not peer or not peer["alive"] or not peer["hears"] or not peer["fit"] or peer["role"] == role:
        return False
    return all(link["alive"] for link in said["links"]) and not (active and said["hand_over_refused"])


def other(router: str) -> str:
    return OTHER[router]


@contextlib.contextmanager
def lab_without_routers() -> Iterator[Lab]:
    """The lab's switch, client and real servers."""
    lab = Lab()
    lab.up()
    try:
        batch([f"netns delete {name}" for name in network.ROUTERS])

        def unplugged() -> bool:
            shown = subprocess.run(["ip", "-n", network.SWITCH, "link"], capture_output=True, text=True)
            return not any(f"{name}-eth0" in shown.stdout for name in network.ROUTERS)

        wait_until(unplugged, "the routers' cables to be gone", 20)
        # What pulse keeps back by itself after a hand-over, where nftables is whole (failover_switch).
        chain = "\n".join(("type filter hook forward priority 0", *HUSH))
        text = f"table bridge hush {{\nchain frames {{\n{chain}\n}}\n}}\n"
        lab.run(network.SWITCH, ["nft", "-f", "-"], text=text)
        yield lab
    finally:
        lab.down()


def plug_in(made: dict[str, Machine]) -> None:
    """The cables of the lab's routers, and those of the managers, which have one address."""
    for link in network.links():
        if link.namespace in network.ROUTERS:
            addresses = [address for address in link.addresses if ":" not in address]
            via = network.INTERNET if link.bridge == network.PUBLIC else None
            made[link.namespace].join(network.SWITCH, link.bridge, link.interface, *addresses, via=via)
    for name in ("manager", "successor"):
        made[name].join(network.SWITCH, network.MANAGEMENT, "eth0", f"{MANAGER_ADDRESS}/24")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """The manager and the routers booted, nothing set up yet; the client has begun to ask."""
    if not Path("/sys/fs/cgroup/cgroup.procs").exists():
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=True)
    subprocess.run(["modprobe", "overlay"], check=True)
    shutil.copytree(images.LATER, folder / "exchange/later")
    disks = {"manager": "manager", "r1": "router", "r2": "router", "successor": "successor"}
    with ExitStack() as stack:
        lab = stack.enter_context(lab_without_routers())
        kept = {name: images.image(disk) for name, disk in disks.items()}
        made = stack.enter_context(machines(folder, *disks, images=kept))
        plug_in(made)
        for name in ("manager", *network.ROUTERS):
            made[name].start()
        clients = stack.enter_context(clients_at(DIRECT_PLACE, EVERY, PATIENCE))
        yield Cluster(lab, made, clients)
