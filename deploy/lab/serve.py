"""The lab as a service: the routers' processes, the ways in and out, the clients, until it is told to end.

Environment: PIRANHA_EXCHANGE the folder shared with who started it, where the file `ready` appears and each
router keeps its lvs.cf and finds its worker's file; PIRANHA_REDIS the HOST:PORT of Redis, as seen from here;
PIRANHA_VIP_PORT the port that leads to the NAT virtual address.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.lab import errands, network
from deploy.lab.machines import PROJECT, STATE, Lab
from deploy.lab.relay import Relay
from deploy.lab.traffic import Traffic

NODES = {"r1": "primary", "r2": "backup"}
PULSE_MODULES = ("lvs.pulse.__main__",)
# Celery loads most of itself late; these are what a worker with threads and Redis ends up with.
WORKER_MODULES = (
    "piranha_web.worker",
    "celery.bin.worker",
    "celery.worker.worker",
    "celery.worker.consumer",
    "celery.concurrency.thread",
    "kombu.transport.redis",
)
LOOK_SECONDS = 0.1
RATE_SECONDS = 1.0


def say(text: str) -> None:
    print(f"lab: {text}", flush=True)


@dataclass
class Twins:
    """One program on both routers (deploy/lab/twins.py). load: what it needs, while the network is made."""

    name: str
    load: Sequence[str]
    runs: Sequence[Mapping[str, object]]
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None

    async def prepare(self) -> None:
        """Starts loading."""
        order = json.dumps({"load": list(self.load), "runs": list(self.runs)})
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROJECT / "deploy/lab/twins.py"), order),
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.PIPE,
            cwd=PROJECT,
        )

    async def keep(self) -> None:
        """Lets them run until cancelled. Raises RuntimeError when they end by themselves."""
        assert self.process is not None, "prepare() comes first"
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        status = await self.process.wait()
        raise RuntimeError(f"{self.name} ended with status {status}")

    async def stop(self) -> None:
        """Ends them in order."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


def state_folder(router: str) -> Path:
    """Where a router has its sockets and its ledger: on a file system of the lab's own kernel.

    A socket cannot be in a folder shared with a virtual machine, and the ledger is of use only as long as
    the kernel whose state it lists.
    """
    return STATE / router


def pulse_socket(router: str) -> Path:
    return state_folder(router) / "pulse.sock"


def routers(exchange: Path) -> tuple[Twins, Twins]:
    """pulse and the worker of each router."""
    pulses, workers = [], []
    for router, node in NODES.items():
        kept = exchange / router
        for folder in (kept, kept / "etc"):
            folder.mkdir(mode=0o700, exist_ok=True)
        pulse = ["pulse", "--name", router, "--node", node, "--socket", str(pulse_socket(router))]
        pulse += ["--config", str(kept / "etc"), "--state", str(state_folder(router))]
        worker = ["worker", "--router", router, "--pulse-socket", str(pulse_socket(router))]
        worker += ["--file", str(state_folder(router) / "worker" / "worker.json")]
        pulses.append({"name": f"pulse of {router}", "namespace": router, "words": pulse})
        workers.append({"name": f"the worker of {router}", "namespace": router, "words": worker})
    return (
        Twins("pulse", PULSE_MODULES, pulses, {}),
        Twins("the workers", WORKER_MODULES, workers, {}),
    )


class Rate:
    """The switch of the traffic, looked up once a second and not for every connection."""

    def __init__(self, exchange: Path) -> None:
        self.exchange = exchange
        self.now = 0.0

    async def watch(self) -> None:
        while True:
            self.now = errands.rate(self.exchange)
            await asyncio.sleep(RATE_SECONDS)


async def announce(exchange: Path) -> None:
    """Writes `ready` once both pulses take connections."""
    for router in NODES:
        while not listens(pulse_socket(router)):
            await asyncio.sleep(LOOK_SECONDS)
    errands.write(exchange / "ready", "the routers run\n")
    say("ready")


def listens(path: Path) -> bool:
    """Whether somebody takes connections at this unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


async def serve(lab: Lab) -> None:
    """Brings the lab up, stays until SIGTERM or SIGINT, and takes it down."""
    exchange = Path(os.environ["PIRANHA_EXCHANGE"])
    host, _, port = os.environ["PIRANHA_REDIS"].rpartition(":")
    this = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel if this else sys.exit)
    lab.down()
    twins = routers(exchange)
    try:
        for one in twins:
            await one.prepare()
        lab.up()
        for router in NODES:
            state_folder(router).mkdir(mode=0o700)
            # Its serial numbers are synced before each task: no file system shared with a host.
            shutil.copytree(exchange / router / "worker", state_folder(router) / "worker")
        say("network and web servers are up")
        await work(exchange, twins, Relay(network.MANAGEMENT_HOST, network.REDIS_PORT, host, int(port)))
    except asyncio.CancelledError:
        say("told to end")
    finally:
        (exchange / "ready").unlink(missing_ok=True)
        for one in twins:
            await one.stop()
        lab.down()


async def work(exchange: Path, twins: Sequence[Twins], to_redis: Relay) -> None:
    """Everything that goes on while the lab is served, until cancelled or until a part of it fails."""
    # In a guest the port must be open to the guest's network card; on this machine to itself only.
    listen = "0.0.0.0" if os.environ.get("PIRANHA_GUEST") else "127.0.0.1"
    vip_port = int(os.environ.get("PIRANHA_VIP_PORT", "8080"))
    to_vip = Relay(listen, vip_port, network.NAT_VIP, 80, via=network.CLIENT, fresh=True)
    rate = Rate(exchange)
    async with asyncio.TaskGroup() as group:
        for one in twins:
            group.create_task(one.keep())
        for relay in (to_redis, to_vip):
            group.create_task(relay.serve())
        group.create_task(announce(exchange))
        group.create_task(errands.run(exchange))
        group.create_task(rate.watch())
        group.create_task(Traffic().run(lambda: rate.now))
