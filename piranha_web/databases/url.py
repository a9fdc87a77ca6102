"""Which database the site keeps its rows in: the SQLite file, or the PostgreSQL that a URL names.

The URL has a password in it, as a rule, and an environment can be read by others of the same account: it is
best kept in a file (PIRANHA_DATABASE_URL_FILE). No sentence of this module repeats the URL.

    postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full&sslrootcert=FILE
    postgresql:///DATABASE?host=/run/postgresql        over a Unix socket, as the user of this process

To another machine the way is TLS with a certificate that is looked at, unless the URL says otherwise.
https://www.postgresql.org/docs/current/libpq-connect.html
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

URL = "DATABASE_URL"
URL_FILE = "PIRANHA_DATABASE_URL_FILE"
ENGINE = "piranha_web.postgresql"
SCHEMES = ("postgresql", "postgres")
SHAPE = "postgresql://USER:PASSWORD@HOST/DATABASE, or postgresql:///DATABASE?host=/run/postgresql"
# Of libpq's words those that say where the server is, who it must be and who we are.
OPTIONS = frozenset(
    {"application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr", "passfile",
     "port", "require_auth", "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert",
     "ssl_min_protocol_version", "target_session_attrs", "user"}
)  # fmt: skip
CONNECT_SECONDS = 5
# A process keeps its connection from one request to the next, and looks whether it lives before it uses it.
KEPT_SECONDS = 60
BUSY_SECONDS = 20  # as long a change waits for another one before the page says that the database is busy

Settings = dict[str, Any]


def database(environment: Mapping[str, str], var: Path) -> Settings:
    """Django's settings for the database; ImproperlyConfigured says what is wrong with the environment."""
    name, url = url_in(environment)
    if not url:
        return sqlite(Path(environment.get("PIRANHA_DATABASE") or var / "piranha.sqlite3"))
    if environment.get("PIRANHA_DATABASE"):
        raise ImproperlyConfigured(
            f"PIRANHA_DATABASE names an SQLite file and {name} another database: unset one of the two"
        )
    return postgresql(url, name)


def url_in(environment: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names the database, and the URL; the URL "": none does."""
    if environment.get(URL) and environment.get(URL_FILE):
        raise ImproperlyConfigured(f"{URL} and {URL_FILE} are both set: unset one, {URL} rather")
    path = environment.get(URL_FILE, "").strip()
    if not path:
        return URL, environment.get(URL, "").strip()
    try:
        url = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ImproperlyConfigured(f"{path}, which {URL_FILE} names, cannot be read: {error}") from error
    if not url:
        raise ImproperlyConfigured(f"{path}, which {URL_FILE} names, is empty: write {SHAPE} into it")
    return URL_FILE, url


def sqlite(path: Path) -> Settings:
    """The settings for the SQLite file at path."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": BUSY_SECONDS,
            # A transaction that will write takes its lock at the start, so that two saves queue up instead of
            # one of them failing in the middle.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def postgresql(url: str, name: str = "the URL") -> Settings:
    """The settings for the PostgreSQL at url; name: what to call that in a sentence."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise ImproperlyConfigured(
            f"{name} names no PostgreSQL database, the only kind beside SQLite: it must be {SHAPE}"
        )
    try:
        found: Settings = dict(
            dj_database_url.parse(url, engine=ENGINE, conn_max_age=KEPT_SECONDS, conn_health_checks=True)
        )
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(
            f"{name} cannot be understood: it must be {SHAPE}, with signs such as / @ : # ? % in a password "
            "written as %2F %40 %3A %23 %3F %25"
        ) from error
    if not found["NAME"]:
        raise ImproperlyConfigured(f"{name} names no database: it must be {SHAPE}")
    options: Settings = found.setdefault("OPTIONS", {})
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise ImproperlyConfigured(
            f"{name} has the option {unknown[0]!r}, which is none of {', '.join(sorted(OPTIONS))}"
        )
    options.setdefault("connect_timeout", CONNECT_SECONDS)
    options.setdefault("application_name", "piranha")
    if not is_near(found["HOST"] or str(options.get("host", ""))):
        mode = options.setdefault("sslmode", "verify-full")
        if mode == "verify-full":  # with the machine's authorities libpq takes no lesser one
            options.setdefault("sslrootcert", "system")
    return found


def is_near(host: str) -> bool:
    """Whether the way there stays on this machine: a socket, or the loopback address."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def described(settings: Mapping[str, Any]) -> str:
    """A database in a sentence, without any password."""
    if settings["ENGINE"] != ENGINE:
        return str(settings["NAME"])
    where = settings["HOST"] or settings["OPTIONS"].get("host") or "this machine"
    return f"PostgreSQL database {settings['NAME']} on {where}"
