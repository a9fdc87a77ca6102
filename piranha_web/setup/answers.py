"""What `piranha setup` is told, judged word by word, and the settings that follow from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from lvs.machines.worker_file import NAME
from piranha_web.tls.binds import is_local, is_socket

PORT = 3636
OWN = "own"  # Redis: this machine's, for Piranha alone
SQLITE = "sqlite"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the pages are bound to, by TLS and behind the allowed networks
EVERYWHERE_6 = "::"  # the same, by IPv6 too
HERE = "127.0.0.1"
REDIS_PORT = 6390  # of our own Redis on loopback; Debian's has 6379
REDIS_TLS_PORT = 6380
SCHEMES = ("redis", "rediss")
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*"
)


class Kind(StrEnum):
    """What this machine is to be."""

    SINGLE = "single"
    MANAGER = "manager"
    ROUTER = "router"


KINDS = {
    Kind.SINGLE: "it balances, and has the web pages for that",
    Kind.MANAGER: "it has the web pages, for routers that are other machines",
    Kind.ROUTER: "it balances, and is managed from another machine",
}


class Odd(ValueError):
    """An answer that cannot be taken; the text says why, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a manager, or a single machine, is to be. database: SQLITE or a URL; redis: OWN or a URL.

    reached_at: the name or address by which routers find this machine ("": none is to).
    """

    kind: Kind
    cluster: str
    routers: tuple[str, ...]
    binds: tuple[str, ...]
    port: int
    certificate: Path | None = None
    key: Path | None = None
    database: str = field(default=SQLITE, repr=False)
    redis: str = field(default=OWN, repr=False)
    redis_port: int = 0  # of our own; 0: as is usual
    redis_ca: Path | None = None
    reached_at: str = ""

    @property
    def is_tls(self) -> bool:
        """Whether the pages are served by TLS."""
        return any(not is_local(one) for one in self.binds)

    @property
    def has_own_redis(self) -> bool:
        """Whether Redis is this machine's own."""
        return self.redis == OWN

    @property
    def own_port(self) -> int:
        """Where our own Redis listens: by TLS for routers elsewhere."""
        return self.redis_port or (REDIS_TLS_PORT if self.kind is Kind.MANAGER else REDIS_PORT)


def kind_of(text: str) -> Kind:
    """A kind by its name or its number."""
    names = list(Kind)
    word = text.strip().lower()
    if word.isdecimal() and word.isascii() and 1 <= int(word[:3]) <= len(names):
        return names[int(word[:3]) - 1]
    if word not in names:
        raise Odd(f"Write one of {', '.join(names)}, or 1, 2 or 3.")
    return Kind(word)


def port_of(text: str) -> int:
    """A TCP port."""
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise Odd(f"{text[:20]!r} is no TCP port: write a number from 1 to 65535.")
    return int(text)


def binds_of(text: str) -> tuple[str, ...]:
    """Where the pages are served: addresses, or unix:PATH."""
    found = tuple(one.strip("[]") for one in text.replace(",", " ").split())
    if not found:
        raise Odd(
            f"Write {EVERYWHERE} for every address of this machine, {EVERYWHERE_6} for those of IPv6 as "
            f"well, {HERE} for itself alone, or one."
        )
    for one in found:
        if is_socket(one):
            if not one.startswith("unix:/"):
                raise Odd(f"{one[:60]!r} names no socket: write unix:/run/piranha-web/web.sock.")
        elif one.lower() != "localhost":
            try:
                ip_address(one)
            except ValueError as error:
                raise Odd(
                    f"{one[:60]!r} is no address of a machine: write {EVERYWHERE}, {HERE} or another one."
                ) from error
    return found


def name_of(text: str) -> str:
    """A router's name."""
    if not NAME.fullmatch(text.strip()):
        raise Odd(f"{text[:64]!r} can be no router's name: letters, digits, dots, dashes and underlines.")
    return text.strip()


def names_of(text: str) -> tuple[str, ...]:
    """One router or two, the primary first; none, for later."""
    found = tuple(dict.fromkeys(map(name_of, text.replace(",", " ").split())))
    if len(found) > 2:
        raise Odd("A cluster has two routers at most: name the primary, then the backup.")
    return found


def cluster_of(text: str) -> str:
    """A cluster's name."""
    name = text.strip()
    if not name or len(name) > 64 or not name.isprintable():
        raise Odd("Write a name for the cluster, of at most 64 signs.")
    return name


def host_of(text: str) -> str:
    """The name or address by which routers find this machine."""
    host = text.strip().strip("[]")
    try:
        address = ip_address(host)
    except ValueError as error:
        if not _HOST.fullmatch(host) or host.lower() == "localhost" or len(host) > 253:
            raise Odd(
                f"{host[:64]!r} is no host name and no address that another machine could use."
            ) from error
        return host
    if address.is_loopback or address.is_unspecified:
        raise Odd(f"{host} leads each machine to itself: write the address in the routers' network.")
    return host


def redis_of(text: str) -> str:
    """OWN, or a Redis by its URL, in one line."""
    text = text.strip()
    if text in ("", OWN):
        return OWN
    parts = _split(text)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise Odd(
            f"Write {OWN}, or redis://HOST:PORT/0; rediss:// asks by TLS, which routers elsewhere need."
        )
    return text


def database_of(text: str) -> str:
    """SQLITE, or a PostgreSQL by its URL."""
    text = text.strip()
    if text in ("", SQLITE):
        return SQLITE
    if _split(text).scheme not in ("postgresql", "postgres"):
        raise Odd(f"Write {SQLITE}, or postgresql://USER@HOST/DATABASE.")
    return text


def without_password(url: str, flag: str) -> str:
    """A URL from the command line, where every user of this machine can read it."""
    if _split(url).password:
        raise Odd(
            "A password on the command line can be read by everybody on this machine. Write the whole URL "
            f"into a file of mode 0600, and name that: {flag}-file FILE."
        )
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Odd("That URL cannot be understood: look at its brackets, and at the port.") from error
    if not url.isprintable() or " " in url:
        raise Odd("That URL has blanks or signs that no URL has.")
    return parts


def shown(url: str) -> str:
    """A URL as it may be shown: without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return parts._replace(netloc=f"{parts.username or ''}:…@{parts.netloc.rpartition('@')[2]}").geturl()


def settings_of(answers: Answers, var: Path, hosts: str = "") -> dict[str, str | None]:
    """The site's settings: what /etc/piranha/web.env is to say. None: nothing of that name.

    hosts: PIRANHA_HOSTS as it is, to which the name is added by which routers come.
    """
    own = answers.has_own_redis
    by_tls = own and answers.kind is Kind.MANAGER
    ca = var / "ca.pem" if by_tls else answers.redis_ca
    known = hosts.replace(",", " ").split()
    more = [answers.reached_at] if answers.reached_at and answers.reached_at not in known else []
    for_routers = f"rediss://{bracketed(answers.reached_at)}:{answers.own_port}/0" if by_tls else None
    return {
        "PIRANHA_VAR": str(var),
        "PIRANHA_SECRET_KEY_FILE": str(var / "secret.key"),
        "PIRANHA_BIND": " ".join(answers.binds),
        "PIRANHA_PORT": str(answers.port),
        "PIRANHA_HOSTS": " ".join([*known, *more]) or None,
        "PIRANHA_TLS_CERT": _text(answers.certificate),
        "PIRANHA_TLS_KEY": _text(answers.key),
        "PIRANHA_DATABASE_URL_FILE": None if answers.database == SQLITE else str(var / "database.url"),
        "PIRANHA_BROKER_URL_FILE": str(var / "broker.url"),
        "PIRANHA_BROKER_CA": _text(ca),
        "PIRANHA_ROUTER_BROKER_URL": for_routers,
    }


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def merged(text: str, settings: Mapping[str, str | None], line_of: Callable[[str, str], str]) -> str:
    """The text of the settings' file with these in it; comments, order and other settings stay."""
    left = dict(settings)
    lines = []
    for line in text.splitlines():
        name = line.partition("=")[0].strip()
        if name not in settings:
            lines.append(line)
        elif name in left and (value := left.pop(name)) is not None:
            lines.append(line_of(name, value))
    lines += [line_of(name, value) for name, value in left.items() if value is not None]
    return "".join(f"{line}\n" for line in lines)
