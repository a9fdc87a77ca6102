"""`piranha tls`: the certificate of the web pages, as the web server has it, and the one of Redis."""

from __future__ import annotations

import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lvs.errors import LvsError
from lvs.machines import rights
from lvs.pulse.terminal import harmless
from piranha_web.tls import authority, names, own
from piranha_web.tls.certificates import Certificate, TlsRefused, chain, described, remarks, usable
from piranha_web.tls.serving import WILDCARDS, Serving


def tls_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done or all is well, 1 not."""
    now = datetime.now(UTC)
    var = arguments.var.absolute()
    try:
        if arguments.verb == "redis":
            return redis(var, arguments.folder, arguments.names, now)
        return rights.below(var, lambda: of_pages(arguments.verb, var, now), TlsRefused)
    except (LvsError, OSError) as error:
        sys.stderr.write(f"{harmless(str(error))}\n")
        return 1


def of_pages(verb: str, var: Path, now: datetime) -> int:
    """What is asked of the pages' certificate, as the user whose the manager's folder is."""
    serving = Serving.current(var)
    if verb == "renew":
        return renew(serving, now)
    if not serving.tls:
        say("These pages are served without TLS, on this machine alone or behind a proxy that speaks it.")
        return 0
    if verb == "check":
        return check(serving, now)
    show(described(chain(serving.files[0])[0]), serving, now)
    return 0


def show(found: Certificate, serving: Serving, now: datetime) -> None:
    """What a browser will see, and where it lies."""
    whose = "made by this server" if serving.is_own else "the administrator's"
    rows = [
        ("file", f"{serving.files[0]} ({whose})"),
        ("subject", found.subject),
        ("names", ", ".join(found.names) or "none"),
        ("signed by", found.signer),
        ("from", f"{found.not_before:%Y-%m-%d %H:%M} UTC"),
        ("until", f"{found.not_after:%Y-%m-%d %H:%M} UTC, {max(found.left(now).days, 0)} days from now"),
        ("SHA-256", found.fingerprint),
    ]
    width = shutil.get_terminal_size().columns
    for name, value in rows:
        wrapped = textwrap.wrap(harmless(value), max(40, width - 12), break_on_hyphens=False) or [""]
        say(f"{name:<10}  " + f"\n{'':12}".join(wrapped))


def check(serving: Serving, now: datetime) -> int:
    """Says whether it can be used, and what will trouble somebody."""
    certificate, key = serving.files
    found = usable(certificate, key, now)
    asked_for = [one for one in serving.hosts if not one.startswith("*") and one not in WILDCARDS]
    said = remarks(certificate, key, asked_for, now)
    show(found, serving, now)
    for one in said:
        say(f"! {harmless(one)}")
    if not said:
        say("✔ It can be used, and nothing stands against it.")
    return 1 if said else 0


def renew(serving: Serving, now: datetime) -> int:
    """Another one of our own. The running server shows it to new connections within a moment."""
    if not serving.is_own:
        raise TlsRefused(
            f"The certificate {serving.certificate} is the administrator's: have whoever signed it make "
            "another, and put that in its place. The web server takes it up by itself."
        )
    show(own.renew(serving.files[0], serving.names, now), serving, now)
    say("Browsers will ask again; the running web server shows it to new connections.")
    return 0


def redis(var: Path, folder: Path | None, wanted: Sequence[str], now: datetime) -> int:
    """Redis' certificate, by this manager's authority."""
    folder = (folder or var / "redis").absolute()
    asked = tuple(wanted) or names.of_this_machine()
    made = rights.below(var, lambda: authority.sign(var, asked, now), TlsRefused)
    rights.below(folder, lambda: authority.put(var, folder, made), TlsRefused)
    found = authority.made_for_redis(made)
    certificate, key = folder / authority.REDIS_CERTIFICATE, folder / authority.REDIS_KEY
    ca = var / authority.CERTIFICATE
    say(f"Made {certificate} for {', '.join(found.names)}, until {found.not_after:%Y-%m-%d}.")
    say("In redis.conf, and Redis restarted (or CONFIG SET by redis-cli for a new certificate):")
    for line in (
        f"tls-port 6380, tls-cert-file {certificate}, tls-key-file {key}",
        f"tls-ca-cert-file {folder / ca.name}",
    ):
        say(f"    {line}")
    say("    tls-auth-clients no")
    say(f"The manager's own way there: PIRANHA_BROKER_URL=rediss://…, PIRANHA_BROKER_CA={ca}.")
    return 0


def say(text: str) -> None:
    """To the terminal."""
    sys.stdout.write(f"{text}\n")
