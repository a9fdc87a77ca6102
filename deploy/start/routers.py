"""The cluster that `make run` manages: the lab's routers on a real kernel, or two that only plan."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from deploy.lab import network
from deploy.start import redis
from deploy.start.place import PROJECT, Place, is_taken
from deploy.start.processes import Child, Children, say, wait_for
from lvs.machines import redis_users, serials, signing, worker_file
from lvs.machines.worker_file import WorkerFile
from lvs.reported import reports

PIRANHA = str(Path(sys.executable).with_name("piranha"))
NODES = {"r1": "primary", "r2": "backup"}
REDIS_NAMES = ("127.0.0.1", network.MANAGEMENT_HOST)  # by which the routers' workers ask for it
HOST_OF_GUEST = "10.0.2.2"  # what a guest's user-mode network calls the loopback address of its host
VIP_PORT = int(os.environ.get("PIRANHA_VIP_PORT", "8080"))
LAB_SECONDS = 180.0  # the first start makes an image for the guest; later ones take seconds
FOR_EVER = "315360000"  # seconds


def enrol(listening: redis.Listening, router: str, folder: Path, host: str, port: int) -> Path:
    """Gives a router its user of Redis, and its worker the file that says so; that file.

    host, port: of Redis as seen from where the worker runs.
    """
    place = listening.place
    with reports.connect(listening.url) as client:
        password = redis_users.grant(client, router)
    file = WorkerFile(
        router=router,
        broker_url=redis_users.url_for(listening.url_for_routers(host, port), router, password),
        manager_keys=tuple(signing.public_texts(place.folder)),
        ca=listening.ca,
    )
    worker_file.write(folder / "worker.json", file, serials.next_serial(place.folder))
    return folder / "worker.json"


class Routers(Protocol):
    """A cluster to manage."""

    def begin(self, children: Children) -> None:
        """Starts it, without waiting."""

    def wait(self, children: Children) -> None:
        """Waits until its routers answer, and says so."""

    def describe(self) -> str:
        """What it is, for the greeting."""


class Planning:
    """Two pulses that write to no kernel and check nothing: what they plan for may be far away."""

    def __init__(self, place: Place, listening: redis.Listening, why: str) -> None:
        self.place = place
        self.listening = listening
        self.why = why

    def begin(self, children: Children) -> None:
        say(f"Starting r1 and r2 in planning mode ({self.why})")
        for name, node in NODES.items():
            folder = self.place.folder / name
            for part in (folder, folder / "etc", folder / "lib"):
                part.mkdir(mode=0o700, exist_ok=True)
            socket = folder / "pulse.sock"
            pulse = [
                PIRANHA, "pulse", "--planning", "--no-checks", "--name", name, "--node", node,
                "--config", str(folder / "etc"), "--state", str(folder / "lib"), "--socket", str(socket),
            ]  # fmt: skip
            port = self.listening.port_for_routers
            file = enrol(self.listening, name, folder / "worker", "127.0.0.1", port)
            worker = [
                PIRANHA, "worker", "--router", name, "--pulse-socket", str(socket), "--file", str(file),
            ]  # fmt: skip
            children.start(Child(f"pulse of {name}", pulse, self.place.log(f"{name}-pulse")))
            children.start(Child(f"the worker of {name}", worker, self.place.log(f"{name}-worker")))

    def wait(self, children: Children) -> None:
        say("r1 and r2 plan; nothing is written to a kernel")

    def describe(self) -> str:
        return f"r1 and r2 in planning mode: {self.why}"


class Lab:
    """Routers, real servers and a client in namespaces: on this kernel, or in a guest with IPVS."""

    def __init__(self, place: Place, listening: redis.Listening, *, in_guest: bool) -> None:
        self.place = place
        self.listening = listening
        self.in_guest = in_guest
        self.exchange = place.folder / "lab"
        self.child: Child | None = None

    def begin(self, children: Children) -> None:
        self.exchange.mkdir(mode=0o700, exist_ok=True)
        self.ready.unlink(missing_ok=True)
        there = network.MANAGEMENT_HOST, network.REDIS_PORT
        for name in NODES:
            enrol(self.listening, name, self.exchange / name / "worker", *there)
        lab = [sys.executable, "deploy/lab/lab.py", "serve"]
        host = HOST_OF_GUEST if self.in_guest else "127.0.0.1"
        environment = {
            "PIRANHA_REDIS": f"{host}:{self.listening.port_for_routers}",
            "PIRANHA_EXCHANGE": "/run/exchange" if self.in_guest else str(self.exchange),
            "PIRANHA_VIP_PORT": str(VIP_PORT),
        }
        if self.in_guest:
            say("Booting the lab in a small virtual machine, whose kernel has IPVS")
            names = [word for name in environment for word in ("--env", name)]
            lab = [
                "deploy/lab/guest", "vm", "--timeout", FOR_EVER, "--exchange", str(self.exchange),
                "--forward", f"127.0.0.1:{VIP_PORT}:{VIP_PORT}", *names, "--", *lab,
            ]  # fmt: skip
        else:
            say("Starting the lab on this kernel")
        self.child = children.start(Child("the lab", lab, self.place.log("lab"), environment))

    @property
    def ready(self) -> Path:
        """The file that the lab writes when its routers run."""
        return self.exchange / "ready"

    def wait(self, children: Children) -> None:
        say("Waiting for the lab's routers")
        if self.child:
            wait_for(self.ready.exists, self.child, "the lab is up", LAB_SECONDS)
        say(
            "The lab is up: real servers 10.11.12.1 to .3, virtual address 192.168.26.10 "
            f"(http://localhost:{VIP_PORT} leads to its port 80)"
        )

    def describe(self) -> str:
        where = "in a virtual machine" if self.in_guest else "on this kernel"
        return f"the lab's r1 and r2 {where}; http://localhost:{VIP_PORT} leads to 192.168.26.10:80"


def choose(place: Place, listening: redis.Listening) -> Routers:
    """The most real cluster that this machine allows; the reason where it is not the lab."""
    here = os.geteuid() == 0 and os.environ.get("PIRANHA_LAB", "auto") != "none" and has_ipvs()
    why = None if here else reason_to_plan()
    if why:
        return Planning(place, listening, why)
    if is_taken("127.0.0.1", VIP_PORT):
        raise RuntimeError(f"Port {VIP_PORT} is in use; choose another one: PIRANHA_VIP_PORT=8081 make run")
    return Lab(place, listening, in_guest=not here)


def reason_to_plan() -> str | None:
    """Why there can be no lab in a virtual machine either, which needs no root; None: there can."""
    if os.environ.get("PIRANHA_LAB", "auto") == "none":
        return "PIRANHA_LAB=none"
    where = "this kernel has no IPVS" if os.geteuid() == 0 else "without root"
    if shutil.which("qemu-system-x86_64") is None:
        return f"{where}, and QEMU is not installed"
    if not list(Path("/boot").glob("vmlinuz-*-amd64")):
        return f"{where}, and Debian's kernel (linux-image-amd64) is not installed"
    return None


def has_ipvs() -> bool:
    """Whether this kernel has IPVS, or a module of it."""
    if Path("/proc/net/ip_vs").exists():
        return True
    modprobe = shutil.which("modprobe") or "/sbin/modprobe"
    if not Path(modprobe).exists():
        return False
    loaded = subprocess.run([modprobe, "--quiet", "ip_vs"], check=False, cwd=PROJECT)
    return loaded.returncode == 0 and Path("/proc/net/ip_vs").exists()
