"""A panel that manages a large cluster: its database, its Redis with both routers' reports, and a session.

    python -m tests.bench.seeding FOLDER [--services 5000] [--reals 10]     leaves it there to be looked at

Everything is written by the functions that write it in earnest; only traffic and verdicts are made up, by a
generator with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import redis

from lvs.config.model import LvsConfig
from lvs.nanny.health import Verdict
from lvs.pulse import status
from lvs.pulse.running import watched
from lvs.pulse.status import Held
from lvs.reported import rates, traffic
from lvs.reported.report_parts import report_key
from lvs.reported.traffic import SERVERS as SERVERS_RING
from lvs.reported.traffic import SERVICES as SERVICES_RING
from lvs.reported.traffic import Ring
from lvs.router import plan
from lvs.router.ipvs import Table
from lvs.router.state import Counters, Health, Role
from tests.bench.clusters import cluster as cluster_of
from tests.bench.report import wait_for

SERVICES, REALS = 5000, 10
FAILING = 0.01  # of all real servers
USER = "piranha"
AHEAD = 7 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Seed:
    """What was made. environment: for the processes of the site; cookie: of a session of an administrator."""

    folder: Path
    environment: dict[str, str]
    cookie_name: str
    cookie: str
    config: LvsConfig


def made_up(config: LvsConfig, role: Role, *, seed: int = 1) -> list[dict[str, Any]]:
    """The virtual servers of the status document of a router with that role, with traffic and failures."""
    chance = random.Random(seed)
    now = time.time()
    targets = watched(config)
    health = {
        place: Health.FAILED if chance.random() < FAILING else Health.HEALTHY
        for place in plan.keys(config).values()
    }
    wanted = plan.wanted(config, role, health)

    def counted() -> Counters:
        if role is Role.STANDBY:
            return Counters()
        each = chance.randrange
        sums = each(10**7), each(10**9), each(10**9), each(10**12), each(10**12)
        return Counters(*sums, each(500), each(900), 0)

    members = wanted.destinations.items()
    table = Table(
        wanted.services,
        wanted.destinations,
        {key: counted() for key in wanted.services},
        {key: {place: counted() for place in places} for key, places in members},
    )
    verdicts = {
        place: Verdict(
            health=found,
            reason="connected" if found is Health.HEALTHY else "connect: refused",
            since=now - chance.random() * 1e5,
            checked_at=now,
        )
        for place, found in health.items()
    }
    held = Held(verdicts=verdicts, watched=targets, now=now)
    return status.virtual_servers_document(config, table, held)


def document(name: str, role: Role, config: LvsConfig, sha256: str) -> dict[str, Any]:
    """The status document (ARCHITECTURE.md) of a router with config in force."""
    now = time.time()
    return {
        "name": name,
        "node": "primary" if role is Role.ACTIVE else "backup",
        "role": role.value,
        "mode": "kernel",
        "version": "0",
        "pid": 1,
        "started_at": now - 86_400,
        "now": now,
        "serial": config.global_settings.serial_no,
        "sha256": sha256,
        "installed_at": now - 3600,
        "problems": [],
        "last_change": None,
        "events": [{"at": now - each, "level": "info", "text": "something"} for each in range(100, 0, -1)],
        "addresses": [],
        "virtual_servers": made_up(config, role),
        "foreign": [],
        "redundancy": None,
        "sync": [],
        "unconfirmed": None,
        "guard": None,
    }


def configuration(services: int, reals: int) -> LvsConfig:
    """The cluster: a network for the virtual addresses, one for the real servers."""
    config = cluster_of(services, reals)
    settings = replace(config.global_settings, primary=IPv4Address("192.0.2.1"))
    return replace(config, global_settings=settings)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of its own on a unix socket; its broker URL."""
    socket = folder / "redis.sock"
    program = shutil.which("redis-server") or sys.exit("There is no Redis: apt-get install redis-server")
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([str(program), *arguments], stdout=subprocess.DEVNULL)
    try:
        wait_for(socket.exists, "Redis", 20)
        yield f"redis+socket://{socket}"
    finally:
        process.terminate()
        process.wait()


def environment_of(folder: Path, broker: str) -> dict[str, str]:
    """Of the site's processes."""
    key, passwords = folder / "secret.key", folder / "piranha.passwd"
    if not key.exists():
        key.write_text(secrets.token_hex(32))
        key.chmod(0o600)
    return {
        "DJANGO_SETTINGS_MODULE": "piranha_web.settings",
        "PIRANHA_VAR": str(folder),
        "PIRANHA_SECRET_KEY_FILE": str(key),
        "PIRANHA_PASSWORD_FILE": str(passwords),
        "PIRANHA_BROKER_URL": broker,
        "PIRANHA_LOG_LEVEL": "ERROR",
    }


def seed(folder: Path, broker: str, services: int = SERVICES, reals: int = REALS) -> Seed:
    """Fills folder and that Redis. Sets up Django in this process, which can be done once."""
    environment = environment_of(folder, broker)
    os.environ.update(environment)
    import django  # the settings are read from the environment when this is called

    django.setup()
    from django.core.management import call_command

    from lvs import dispatch, models, store
    from piranha_web.access.passwords import set_password

    call_command("migrate", verbosity=0)
    set_password(USER, secrets.token_hex(8), folder / "piranha.passwd")
    cluster = store.create_cluster("large", "r1", "r2")
    store.save(cluster, configuration(services, reals))
    revision = store.freeze(cluster, USER, "all of it")
    revision.deployments.update(state=models.Deployment.State.APPLIED)
    config = store.load(cluster)
    report(config, revision.sha256)
    sample(dispatch.broker(), config)
    return Seed(folder, environment, *session(), config)


def report(config: LvsConfig, sha256: str) -> None:
    """Both routers report, as their workers do, and the manager's worker."""
    from lvs import dispatch
    from lvs.reported import reports

    client = dispatch.broker()
    for name, role in (("r1", Role.ACTIVE), ("r2", Role.STANDBY)):
        reports.publish(client, name, document(name, role, config, sha256), None)
    reports.publish(client, reports.MANAGER, None, None)
    for name in ("r1", "r2", reports.MANAGER):
        for key in (report_key(name), reports.brief_key_of(name)):
            keep_new(client, key)


FACTORS = {"bytes_in": 600, "bytes_out": 9000, "packets_out": 8, "active": 3, "inactive": 20}
KINDS = 20  # of curves, among which each virtual server has one


def made_up_ring(ring: Ring, now: float, chance: random.Random) -> bytes:
    """A ring that is full up to now: a curve that goes up and down, with a gap."""
    raw = bytearray(ring.length)
    last, size, phase = ring.tick(now), 10 ** chance.uniform(0, 3), chance.uniform(0, 6)
    gap = chance.randrange(ring.places)
    for place in range(ring.places):
        if not gap <= place < gap + ring.places // 40:
            tick = last - ring.places + 1 + place
            level = size * (1.2 + math.sin(phase + 9 * place / ring.places)) * chance.uniform(0.8, 1.2)
            values = [level * FACTORS.get(name, 6) for name in ring.values]
            offset = ring.offset(tick)
            raw[offset : offset + ring.size] = ring.pack(tick, [level, *values[1:]])
    return bytes(raw)


def sample(client: redis.Redis, config: LvsConfig) -> None:
    """An hour of traffic of the active router, of each virtual and real server."""
    chance = random.Random(2)
    now = client.time()[0]
    services = [made_up_ring(SERVICES_RING, now, chance) for _ in range(KINDS)]
    servers = [made_up_ring(SERVERS_RING, now, chance) for _ in range(KINDS)]
    client.set(traffic.key("r1"), services[0])
    for virtual_server in config.virtual_servers:
        rings = {traffic.key("r1", virtual_server.name): chance.choice(services)}
        for one in virtual_server.real_servers:
            rings[traffic.key("r1", virtual_server.name, one.name)] = chance.choice(servers)
        client.mset({**rings})
    pipeline = client.pipeline()
    names = [virtual_server.name for virtual_server in config.virtual_servers]
    rates.write(pipeline, "r1", now + AHEAD, {name: (chance.uniform(0, 900), 40.0) for name in names})
    pipeline.persist(rates.key("r1"))
    pipeline.execute()


def keep_new(client: redis.Redis, key: str) -> None:
    """Has a report be one of now for as long as somebody looks: nobody writes another."""
    said = json.loads(str(client.get(key)))
    client.set(key, json.dumps({**said, "at": said["at"] + AHEAD}))


def session() -> tuple[str, str]:
    """The cookie of an administrator's session: name and value."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    from piranha_web.access.backend import bound

    client = Client()
    user = bound(User.objects.create(username=USER, password="!"))
    if user is None:
        raise RuntimeError("the account was not taken")
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return name, client.cookies[name].value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--reals", type=int, default=REALS)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with redis_server(asked.folder) as broker:
        made = seed(asked.folder.absolute(), broker, asked.services, asked.reals)
        print(*(f"export {name}={value}" for name, value in made.environment.items()), sep="\n")
        print(
            f"session cookie: {made.cookie_name}={made.cookie}\nRedis runs until you press Ctrl-C.",
            flush=True,
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
