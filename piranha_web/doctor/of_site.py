"""What a manager's database, Redis, certificate and workers say. Needs Django; it runs as the site's user."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from lvs import models
from lvs.machines import broker
from lvs.pulse.version import version
from lvs.reported import reports
from lvs.reported.reports import Report
from piranha_web.access import allowed, passwords
from piranha_web.access.networks import address_of, is_everything
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR
from piranha_web.doctor import judgement
from piranha_web.doctor.findings import Finding, fault, note, well
from piranha_web.doctor.limited import Look
from piranha_web.setup.machine import console_address
from piranha_web.tls.binds import is_local
from piranha_web.tls.certificates import TlsRefused, remarks, usable
from piranha_web.tls.serving import WILDCARDS, Serving

log = logging.getLogger("piranha.site")

CHECKED = ("aclfile", "maxmemory", "maxmemory-policy")


def looks() -> dict[str, Look]:
    """Each by what it is about."""
    return {
        "database": database,
        "Redis": of_redis,
        "workers": workers,
        "TLS": certificate,
        "access": access,
        "accounts": accounts,
        "secret key": lambda: [judgement.key(settings.SECRET_KEY)],
    }


def database() -> Iterator[Finding]:
    """Whether it answers, is up to date, and whole."""
    name = str(connection.settings_dict["NAME"])
    try:
        yield from judgement.database(name, *state_of_database(name))
        if connection.vendor == "postgresql" and (host := other_machine()):
            yield from judgement.way_to_database(host, **encryption())
    except DatabaseError as error:
        log.debug("the way to the database cannot be looked at: %s", error)  # that it is away is said already
    finally:
        connection.close()


def other_machine() -> str:
    """The machine that PostgreSQL is on; "": this one, or a socket of it."""
    host = str(connection.settings_dict.get("HOST") or "")
    return "" if not host or host.startswith("/") or is_local(host) else host


def encryption() -> dict[str, bool]:
    """How the connection to PostgreSQL is protected: by TLS, and by a certificate that is looked at whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        found = cursor.fetchone()
    mode = connection.settings_dict.get("OPTIONS", {}).get("sslmode", "")
    return {"is_encrypted": bool(found and found[0]), "is_verified": mode == "verify-full"}


def state_of_database(name: str) -> tuple[str, int, str]:
    """What is wrong with it, how many migrations are missing, and what its own check says."""
    is_file = connection.vendor == "sqlite" and not name.startswith("file:")
    if is_file and not Path(name).exists():
        return "there is none yet", 0, ""
    try:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        damage = ""
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA quick_check(1)")
                said = str(cursor.fetchone()[0])
                damage = "" if said == "ok" else said
    except DatabaseError as error:
        return " ".join(str(error).split()), 0, ""
    return "", missing, damage


def enrolled() -> list[str]:
    """The routers that have a way to Redis; none, where the database does not say."""
    try:
        found = models.Router.objects.order_by("name")
        last = [(one.name, models.Enrolment.last_of(one)) for one in found]
    except DatabaseError:
        return []
    finally:
        connection.close()
    return [name for name, row in last if row is not None and row.revoked_at is None]


def of_redis() -> Iterator[Finding]:
    """Whether it answers, and keeps what it must."""
    url = broker.url_in(os.environ)
    try:
        with reports.connect(url) as client:
            client.ping()
            said = {
                "config": {name: client.config_get(name).get(name) for name in CHECKED},
                "info": client.info("memory"),
                "users": [str(one) for one in client.acl_users()],
                "open": is_open(client),
                "plain": plainly_reached(url),
            }
            apart = time.time() - reports.seconds(client.time())
    except redis.RedisError as error:
        remedy = (
            "does it run? systemctl status piranha-redis redis-server; where it is: PIRANHA_BROKER_URL_FILE"
        )
        yield fault("Redis", f"it cannot be used: {' '.join(str(error).split())}", remedy)
        return
    yield from judgement.redis(said, enrolled())
    yield from judgement.clocks({"this manager": apart})


def plainly_reached(url: str) -> str:
    """The other machine that a URL leads to without TLS; "": none."""
    parts = urlsplit(url)
    return "" if parts.scheme != "redis" or is_local(parts.hostname or "localhost") else str(parts.hostname)


def is_open(client: redis.Redis) -> bool:
    """Whether everybody who reaches it may do everything there; at a unix socket the file decides."""
    if client.connection_pool.connection_kwargs.get("path"):
        return False
    found: Any = client.acl_getuser("default")
    return "nopass" in found["flags"] and "on" in found["flags"]


def workers() -> Iterator[Finding]:
    """When each worker was heard, by the reports in Redis."""
    names = enrolled()
    client = reports.connect(broker.url_in(os.environ))
    try:
        found = reports.fetch(client, [reports.MANAGER, *names])
    except redis.RedisError:
        return  # said already
    finally:
        client.close()
    manager = found.get(reports.MANAGER)
    yield of_worker("the manager's worker", manager, "piranha-manager")
    for name in names:
        yield of_worker(f"the worker of {name}", found.get(name), "piranha-worker")
    pulses = {name: one.pulse for name, one in found.items() if one.pulse}
    if pulses:
        yield judgement.versions(version(), {name: str(one["version"]) for name, one in pulses.items()})
    # A report is not older than its reading of pulse's clock by more than a moment.
    now = time.time()
    apart = {name: one["now"] - (now - found[name].age) for name, one in pulses.items()}
    yield from judgement.clocks(apart)


def of_worker(who: str, found: Report | None, unit: str) -> Finding:
    """One of them."""
    age, problem = (None, None) if found is None else (found.age, found.problem)
    return judgement.worker(who, age, reports.SILENT_AFTER, problem, unit)


def certificate() -> Iterator[Finding]:
    """Whether the certificate of the pages can be used, and until when."""
    try:
        serving = Serving.current(settings.VAR)
        if not serving.tls:
            yield well("TLS", "the pages are served without, on this machine alone or behind a proxy")
            return
        now = datetime.now(UTC)
        found = usable(*serving.files, now)
        hosts = [one for one in serving.hosts if not one.startswith("*") and one not in WILDCARDS]
        said = remarks(*serving.files, hosts, now)
    except TlsRefused as error:
        yield fault("TLS", str(error), "piranha tls check; one of its own: piranha tls renew")
        return
    for one in said:
        yield note("TLS", one, "piranha tls check")
    if not said:
        yield well("TLS", f"until {found.not_after:%Y-%m-%d}, for {', '.join(found.names[:4]) or 'no name'}")


def access() -> Iterator[Finding]:
    """Who may reach the pages, and whether whoever asks here is among them."""
    now = allowed.in_force()
    console = console_address()
    where = str(console) if console is not None and not console.is_loopback else ""
    covered = bool(where) and address_of(where) is not None and allowed.is_allowed(where)
    wide = [str(one) for one in now.networks if is_everything(one)]
    yield judgement.allowlist(now.problem, where, covered, wide, len(now.networks))


def accounts() -> Iterator[Finding]:
    """Whether anybody can log in."""
    path = settings.PIRANHA_PASSWORD_FILE
    if passwords.hash_of(ALWAYS_ADMINISTRATOR, path) is None:
        yield fault("accounts", f"{ALWAYS_ADMINISTRATOR} has no password", "piranha passwd")
    elif not passwords.is_private(path):
        yield fault("accounts", f"others can read {path}", f"chmod 600 {path}")
    else:
        yield well("accounts", f"{len(passwords.names(path))} with a password")
