"""Whether the web server speaks TLS, and the certificate that it shows, which may change while it runs."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lvs.machines.rights import read_text
from piranha_web.tls import making, names, own
from piranha_web.tls.binds import binds, is_local, is_network, is_socket, words
from piranha_web.tls.certificates import Certificate, TlsRefused, ending, usable

log = logging.getLogger("piranha.tls")

LOOK_EVERY = 1.0  # seconds between two looks at the files
RENEW_EVERY = 3600.0  # seconds between two looks at when the own one ends
ENDED_EVERY = 30.0  # the same once it has ended: it was made while this machine's clock stood still
OWN = "tls.pem"  # in PIRANHA_VAR
REMEMBERED = "serving.json"
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - they are looked for, nothing is bound to them
MODES = ("auto", "on", "off")
Signature = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the pages are served. certificate, key: the administrator's; None: the server makes its own.

    hosts: further names that the own one is for. var: the folder in which that is kept.
    """

    binds: tuple[str, ...]
    port: int
    tls: bool
    certificate: Path | None
    key: Path | None
    hosts: tuple[str, ...]
    var: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Serving:
        """As the variables say; TlsRefused when passwords would go over the network for everybody to read."""
        served = binds(environment)
        port = environment.get("PIRANHA_PORT", "3636")
        if not (port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536):
            raise TlsRefused(f"PIRANHA_PORT must be a number from 1 to 65535, and is {port!r}.")
        certificate, key = _own_pair(environment)
        return cls(
            binds=served,
            port=int(port),
            tls=_wanted(environment, served),
            certificate=certificate,
            key=key,
            hosts=(
                *words(environment.get("PIRANHA_HOSTS", "")),
                *filter(is_network, served),
            ),
            var=Path(environment.get("PIRANHA_VAR", "var")).absolute(),
        )

    @property
    def addresses(self) -> list[str]:
        """The binds in gunicorn's words."""
        return [one if is_socket(one) else f"{_bracketed(one)}:{self.port}" for one in self.binds]

    @property
    def is_own(self) -> bool:
        """Whether the certificate is the one that the server makes."""
        return self.certificate is None

    @property
    def names(self) -> tuple[str, ...]:
        """What the own one must be good for."""
        return names.of_this_machine(self.hosts)

    @property
    def files(self) -> tuple[Path, Path]:
        """Certificate and key."""
        if self.certificate is None:
            return self.var / OWN, self.var / OWN
        return self.certificate, self.key or self.certificate

    @property
    def urls(self) -> list[str]:
        """Where others reach the pages: the settings' names, then addresses, then this machine's name."""
        if not self.tls:
            return []
        if any(one in WILDCARDS for one in self.binds):
            hosts = [*self.hosts, *names.addresses(), socket.gethostname()]
        else:
            hosts = [*self.hosts]
        sorts = (one for one in dict.fromkeys(hosts) if one not in WILDCARDS and not is_local(one))
        return [f"https://{_bracketed(one)}" + (f":{self.port}" if self.port != 443 else "") for one in sorts]

    def remember(self) -> None:
        """Writes down how the server serves, for commands that are run beside it, in another environment."""
        said = asdict(self) | {"certificate": _text(self.certificate), "key": _text(self.key)}
        making.write(self.var / REMEMBERED, json.dumps(said | {"var": str(self.var)}).encode())

    @classmethod
    def current(cls, var: Path, environment: Mapping[str, str] = os.environ) -> Serving:
        """How the server that keeps its things in var serves, or would by the environment."""
        try:
            said = json.loads(read_text(var / REMEMBERED))
            return cls(
                binds=tuple(said["binds"]),
                port=said["port"],
                tls=said["tls"],
                certificate=_path(said["certificate"]),
                key=_path(said["key"]),
                hosts=tuple(said["hosts"]),
                var=Path(said["var"]),
            )
        except FileNotFoundError:
            return cls.from_environment({**environment, "PIRANHA_VAR": str(var)})
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise TlsRefused(
                f"{var / REMEMBERED} cannot be read ({error}): restart the web server, which writes it."
            ) from error

    def ensure(self, now: datetime) -> tuple[Certificate, str]:
        """The certificate to begin with, and why it was made just now ("": it was not); TlsRefused."""
        certificate, key = self.files
        if self.is_own:
            return own.ensure(certificate, self.names, now)
        return usable(certificate, key, now), ""


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _own_pair(environment: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """The administrator's files; a certificate alone has its key in the same file."""
    certificate, key = (environment.get(f"PIRANHA_TLS_{one}", "").strip() for one in ("CERT", "KEY"))
    if key and not certificate:
        raise TlsRefused("PIRANHA_TLS_KEY is set and PIRANHA_TLS_CERT is not: name the certificate as well.")
    return (Path(certificate) if certificate else None), (Path(key) if key else None)


def _wanted(environment: Mapping[str, str], served: tuple[str, ...]) -> bool:
    """Whether to speak TLS."""
    mode = environment.get("PIRANHA_TLS", "").strip().lower() or "auto"
    if mode not in MODES:
        raise TlsRefused(f"PIRANHA_TLS must be auto, on or off, and is {mode!r}.")
    outside = [one for one in served if not is_local(one)]
    if mode != "off":
        return mode == "on" or bool(outside)
    if outside and not words(environment.get("PIRANHA_PROXIES", "")):
        raise TlsRefused(
            f"PIRANHA_TLS=off, but {', '.join(outside)} can be reached from outside: everybody on the way "
            "would read the passwords. Leave PIRANHA_TLS out; or bind to 127.0.0.1; or name the proxy that "
            "speaks TLS in front of this server in PIRANHA_PROXIES."
        )
    return False


def _bracketed(bind: str) -> str:
    return f"[{bind}]" if ":" in bind else bind


class Shown:
    """The certificate that this process shows. Other files are taken up as soon as they are there, for new
    connections; ones that cannot be used are said to be so (problem), and the one before stays."""

    def __init__(self, serving: Serving, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.serving = serving
        self.clock = clock
        self.problem = ""
        self.certificate, self.why_made = serving.ensure(clock())
        self._context = context_of(*serving.files)
        self._signature = self._now_signature()
        self._looked_at = self._renewed_at = time.monotonic()
        self._lock = threading.Lock()

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        with self._lock:
            at = time.monotonic()
            if at - self._looked_at >= LOOK_EVERY:
                self._looked_at = at
                ended = self.clock() >= self.certificate.not_after
                if self.serving.is_own and at - self._renewed_at >= (ENDED_EVERY if ended else RENEW_EVERY):
                    self._renewed_at = at
                    self.renew()
                self.look()
            return self._context

    def renew(self) -> None:
        """Makes a new one of our own when the old one ends soon. For new names a start looks, not this."""
        try:
            own.ensure(self.serving.files[0], (), self.clock())
        except (TlsRefused, OSError) as error:
            self._complain(f"the certificate could not be made anew: {error}")

    def look(self) -> None:
        """Takes up the files if they are others than before."""
        signature = self._now_signature()
        if signature == self._signature:
            return
        self._signature = signature
        try:
            found = usable(*self.serving.files, self.clock())
            context = context_of(*self.serving.files)
        except TlsRefused as error:
            self._complain(f"the certificate before is kept, for the new one cannot be used: {error}")
            return
        self.certificate, self._context, self.problem = found, context, ""
        log.info("shows the certificate %s, until %s", found.fingerprint, found.not_after)

    def notice(self) -> str:
        """What an administrator must know of it; "": nothing."""
        if self.problem:
            return f"TLS: {self.problem}"
        # Our own is made anew earlier than that; it comes so near to its end only when that failed.
        return ending(self.certificate, self.clock())

    def _complain(self, sentence: str) -> None:
        self.problem = sentence
        log.error("TLS: %s", sentence)

    def _now_signature(self) -> Signature:
        """What changes whenever a file does; a file that is not there has a signature too."""
        return tuple(_signature(path) for path in self.serving.files)


def _signature(path: Path) -> tuple[int, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """What connections are made with: TLS 1.2 or newer, with Python's choice of ciphers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise TlsRefused(f"{certificate} with {key} cannot be taken up: {error}.") from error
    return context


# Of the web server's processes: made by gunicorn's configuration before they are forked; None: no TLS here.
SHOWN: list[Shown] = []


def shown() -> Shown | None:
    """The certificate that this process shows; None: it speaks no TLS."""
    return SHOWN[0] if SHOWN else None


def begin(serving: Serving) -> Shown:
    """Has this process show one."""
    SHOWN[:] = [Shown(serving)]
    return SHOWN[0]


def notice() -> str:
    """What an administrator must know of the certificate that this process shows; "": nothing."""
    found = shown()
    return found.notice() if found else ""
