"""The lab as a service: the routers' processes, the ways in and out, the clients, until it is told to end.

Environment: PIRANHA_EXCHANGE the folder shared with who started it, where the file `ready` appears and each
router keeps its lvs.cf; PIRANHA_BROKER_URL Redis, as reached from here; PIRANHA_VIP_PORT the port that leads
to the NAT virtual address.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.lab import errands, network
from deploy.lab.machines import PROJECT, STATE, Lab
from deploy.lab.namespaces import in_namespace
from deploy.lab.relay import Relay
from deploy.lab.traffic import Traffic

PIRANHA = str(Path(sys.executable).with_name("piranha"))
NODES = {"r1": "primary", "r2": "backup"}
REDIS_PORT = 6379
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 0.1
RATE_SECONDS = 1.0


def say(text: str) -> None:
    print(f"lab: {text}", flush=True)


@dataclass
class Service:
    """A process of a router, started again whenever it ends."""

    name: str
    namespace: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    async def keep(self) -> None:
        """Runs it until cancelled."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *in_namespace(self.namespace, self.command),
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                cwd=PROJECT,
            )
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise
            say(f"{self.name} ended with status {status}; it is started again")
            await asyncio.sleep(AGAIN_SECONDS)


def pulse_socket(router: str) -> Path:
    """On a file system of the lab's own kernel: a socket does not reach through a shared folder."""
    return STATE / router / "pulse.sock"


def services(exchange: Path, broker: str) -> list[Service]:
    """pulse and the worker of each router. broker: Redis as the routers reach it."""
    result = []
    for router, node in NODES.items():
        kept, own = exchange / router, STATE / router
        for folder in (kept, kept / "etc", kept / "lib", own):
            folder.mkdir(mode=0o700, exist_ok=True)
        pulse = [PIRANHA, "pulse", "--name", router, "--node", node, "--socket", str(pulse_socket(router))]
        pulse += ["--config", str(kept / "etc"), "--state", str(kept / "lib")]
        worker = [PIRANHA, "worker", "--router", router, "--pulse-socket", str(pulse_socket(router))]
        result.append(Service(f"pulse of {router}", router, pulse))
        result.append(Service(f"the worker of {router}", router, worker, {"PIRANHA_BROKER_URL": broker}))
    return result


def reached_from_routers(url: str) -> tuple[str, str, int]:
    """A broker URL as the routers must use it, and the host and port that it names here."""
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    there = parts._replace(netloc=f"{credentials}{at}{network.MANAGEMENT_HOST}:{REDIS_PORT}")
    return urlunsplit(there), parts.hostname or "127.0.0.1", parts.port or REDIS_PORT


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
    (exchange / "ready").unlink(missing_ok=True)
    broker, host, port = reached_from_routers(os.environ["PIRANHA_BROKER_URL"])
    vip_port = int(os.environ.get("PIRANHA_VIP_PORT", "8080"))
    # In a guest the port must be open to the guest's network card; on this machine to itself only.
    listen = "0.0.0.0" if os.environ.get("PIRANHA_GUEST") else "127.0.0.1"
    lab.down()
    lab.up()
    say("network and web servers are up")
    rate = Rate(exchange)
    relays = (
        Relay(network.MANAGEMENT_HOST, REDIS_PORT, host, port),
        Relay(listen, vip_port, network.NAT_VIP, 80, via=network.CLIENT, fresh=True),
    )
    try:
        async with asyncio.TaskGroup() as group:
            work = [relay.serve() for relay in relays]
            work += [service.keep() for service in services(exchange, broker)]
            work += [announce(exchange), errands.run(exchange), rate.watch(), Traffic().run(lambda: rate.now)]
            tasks = [group.create_task(one) for one in work]
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, lambda: [t.cancel() for t in tasks])
    finally:
        (exchange / "ready").unlink(missing_ok=True)
        for router in NODES:
            pulse_socket(router).unlink(missing_ok=True)
            (STATE / router).rmdir()
        lab.down()
