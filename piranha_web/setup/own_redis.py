"""A Redis of Piranha's own on the manager's machine: piranha-redis.service, all of it in PIRANHA_VAR/redis.

Debian's redis-server stays as it is, for whoever else uses it. Nothing is kept on disk but the users: what
else is in Redis is made again by who wrote it (docs/redis.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import redis

from lvs.machines import broker, rights
from lvs.pulse.terminal import harmless
from lvs.reported import reports
from piranha_web import installed
from piranha_web.setup.answers import Answers, Kind
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.tls import authority

FOLDER = "redis"
CONFIGURATION = "redis.conf"
USERS = "users.acl"
LOCAL = "local.conf"  # the administrator's
START_SECONDS = 20.0
UNTRUSTED = (
    "CERTIFICATE_VERIFY_FAILED"  # OpenSSL's word, in whatever says that nobody vouches for a certificate
)
MAXMEMORY = "512mb"  # a router with 5,000 virtual servers and 50,000 real servers takes about a hundred


def program() -> str:
    """The path of redis-server; NotSetUp: it is not installed."""
    found = shutil.which("redis-server")
    if not found:
        raise NotSetUp("There is no redis-server: apt-get install redis-server, then run this again.")
    return found


def configuration(folder: Path, kind: Kind, port: int) -> str:
    """redis.conf. Routers elsewhere come by TLS; on a single machine Redis listens on loopback alone."""
    if kind is Kind.MANAGER:
        listening = f"""bind * -::*
port 0
tls-port {port}
tls-cert-file "{folder / authority.REDIS_CERTIFICATE}"
tls-key-file "{folder / authority.REDIS_KEY}"
tls-ca-cert-file "{folder / authority.CERTIFICATE}"
tls-auth-clients no"""
    else:
        listening = f"bind 127.0.0.1\nport {port}"
    return f"""# Written by `piranha setup`, again and again. What is to differ belongs into local.conf.
{listening}
protected-mode yes
aclfile "{folder / USERS}"
dir "{folder}"
save ""
appendonly no
maxmemory {MAXMEMORY}
maxmemory-policy noeviction
include "{folder}/local*.conf"
"""


def reached_at(answers: Answers) -> str:
    """Where it will be reached, for whoever agrees to that."""
    if answers.kind is not Kind.MANAGER:
        return f"port {answers.own_port} of this machine alone"
    return (
        f"port {answers.own_port} at every address of this machine, by TLS and password; the list of allowed "
        f"networks does not count there: have a firewall let the routers alone in, or write bind into "
        f"{LOCAL} beside it"
    )


def users(text: str, password: str) -> str:
    """The aclfile with the manager's user, by that password; the routers' stay as they are."""
    hashed = hashlib.sha256(password.encode()).hexdigest()
    kept = [line for line in text.splitlines() if line and not line.startswith("user default ")]
    return "\n".join([f"user default on #{hashed} ~* &* +@all", *kept, ""])


def url(kind: Kind, password: str, port: int) -> str:
    """The manager's own way there."""
    return f"redis{'s' if kind is Kind.MANAGER else ''}://:{password}@127.0.0.1:{port}/0"


@contextlib.contextmanager
def trusting(ca: Path | None) -> Iterator[None]:
    """This process believes that authority alone meanwhile."""
    broker.trust(rights.below(ca, lambda: rights.read_text(ca), NotSetUp) if ca and ca.exists() else None)
    try:
        yield
    finally:
        broker.trust(None)


def trouble(broker_url: str, ca: Path | None) -> str:
    """Why that Redis cannot be used by the manager, in a sentence; "": it can."""
    try:
        with trusting(ca), reports.connect(broker_url) as client:
            client.ping()
            client.execute_command("ACL", "WHOAMI")
            client.config_get("aclfile")
    except redis.AuthenticationError:
        return "it refuses the password"
    except redis.RedisError as error:
        return " ".join(str(error).split())
    except (OSError, UnicodeError, NotSetUp) as error:
        return f"the authority of its certificate cannot be read: {error}"
    return ""


@contextlib.contextmanager
def running(place: Place, broker_url: str, ca: Path | None) -> Iterator[None]:
    """Has our Redis answer meanwhile: where no service runs it, a process of ours does. NotSetUp."""
    if not trouble(broker_url, ca):
        yield
        return
    folder = place.var / FOLDER
    # As its user, for what that user wrote into a configuration is not to be done by root.
    user = installed.site_user() if place.is_real else None
    process = subprocess.Popen(  # noqa: S603 - a list of words, none of them a stranger's
        [program(), str(folder / CONFIGURATION)],
        # Neither root's terminal nor its session: another user's process could type into them (TIOCSTI).
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0o077,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )
    try:
        wait_for(process, broker_url, ca)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=START_SECONDS)


def wait_for(process: subprocess.Popen[str], broker_url: str, ca: Path | None) -> None:
    """Waits until it answers; NotSetUp with its last words."""
    end = time.monotonic() + START_SECONDS
    while why := trouble(broker_url, ca):
        if process.poll() is not None:
            said = process.communicate()[0].strip().splitlines()
            raise NotSetUp(f"Redis does not start: {harmless(said[-1]) if said else process.returncode}.")
        if time.monotonic() > end:
            raise NotSetUp(f"Redis does not answer within {START_SECONDS:.0f} s: {why}.")
        time.sleep(0.05)


def port_in(text: str) -> int:
    """The port of a configuration of ours; 0: it is none."""
    found = re.search(r"^(?:tls-)?port ([1-9][0-9]*)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def is_own(broker_url: str, text: str) -> bool:
    """Whether a URL leads to our own Redis. text: of its configuration."""
    parts = urlsplit(broker_url)
    return bool(port_in(text)) and (parts.hostname, parts.port) == ("127.0.0.1", port_in(text))


def wanted_url(answers: Answers, before: str, text: str) -> str:
    """The manager's way to the Redis of the answers. before: the one of now; our own keeps its password."""
    if not answers.has_own_redis:
        return answers.redis
    password = urlsplit(before).password if is_own(before, text) else None
    return url(answers.kind, password or secrets.token_urlsafe(32), answers.own_port)


def ca_of(settings: Mapping[str, str | None]) -> Path | None:
    """The authority that the settings name."""
    named = settings.get("PIRANHA_BROKER_CA")
    return Path(named) if named else None
