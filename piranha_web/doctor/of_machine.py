"""What a manager's machine says beside its site: files, disk, services, the port of the pages, the clock."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import pwd
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from piranha_web import installed
from piranha_web.doctor import judgement
from piranha_web.doctor.findings import Finding, fault, from_document, note, well
from piranha_web.setup import low_port
from piranha_web.setup.answers import bracketed
from piranha_web.setup.machine import MADE_AT, clock_trouble
from piranha_web.setup.place import Place, python
from piranha_web.setup.steps import systemctl
from piranha_web.tls.binds import is_local, is_socket
from piranha_web.tls.certificates import TlsRefused, chain, described
from piranha_web.tls.serving import Serving

SITE_SECONDS = (
    25.0  # of the command that asks the site: its own looks have five, its start some on a slow disk
)
ASK_SECONDS = 3.0
FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
RIGHTS = ("AmbientCapabilities", "PrivateUsers", "NeedDaemonReload")
STATE = Path("/var/lib/piranha-router")  # pulse's
SECRETS = (
    "secret.key", "broker.url", "database.url", "piranha.passwd", "signing.key", "tls.pem", "ca.key",
    "redis/redis.conf", "redis/users.acl", "redis/redis.key", "worker/worker.json",
)  # fmt: skip


def files(place: Place) -> Iterator[Finding]:
    """Whose they are, and who else gets at them."""
    var = place.var
    if not var.is_dir():
        yield fault("files", f"there is no {var}", "piranha setup")
        return
    owner = installed.USER if place.is_real and installed.is_installed() else ""
    found: list[Finding] = []
    for path in (var, *(var / name for name in SECRETS)):
        try:
            # The folder itself may be behind a link of root's; what is below it, its user can exchange.
            if path != var and (link := link_below(var, path)):
                found.append(judgement.link(str(link)))
                continue
            status = path.stat() if path == var else path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        mode, whose = stat.S_IMODE(status.st_mode), user_name(status.st_uid)
        # The folder's group may look: systemd's StateDirectoryMode=0750 gives nobody anything by that.
        found += judgement.file(str(path), mode, whose, owner, is_secret=path != var)
        if path == var and mode & 0o005:
            found.append(fault("files", f"everybody can look into {var}", f"chmod o= {var}"))
    settings = place.env_file
    if settings.exists():
        mode = stat.S_IMODE(settings.stat().st_mode)
        found += judgement.file(str(settings), mode, "", "", is_secret=False)
    yield from dict.fromkeys(found) or [well("files", f"{var} and its secrets are for its user alone")]


def link_below(var: Path, path: Path) -> Path | None:
    """The first link on the way from the manager's folder to a file of it; None: there is none."""
    way = [one for one in (*reversed(path.parents), path) if one != var and one.is_relative_to(var)]
    return next((one for one in way if one.is_symlink()), None)


def user_name(number: int) -> str:
    """A user's name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def settings(place: Place) -> Iterator[Finding]:
    """The lines of the settings' file."""
    _, odd = installed.parsed(place.settings_text())
    for number in odd:
        said = f"line {number} of {place.env_file} is no KEY=VALUE of this site"
        yield fault("settings", said, "mend it, then systemctl restart piranha-web piranha-manager")
    if not odd:
        yield well("settings", str(place.env_file))


def disk(place: Place) -> Iterator[Finding]:
    """Room on the disks that are written to: the manager's, the settings', pulse's; and that they can be."""
    named = (place.var, place.env_file.parent, place.root / STATE.relative_to("/"))
    folders = [one for one in named if one.exists()] or [Path("/")]
    looked_at = set()
    for folder in folders:
        found = os.statvfs(folder)
        # One disk may be mounted twice, and be read only at one of the two places.
        if (disk_of := (folder.stat().st_dev, found.f_flag & os.ST_RDONLY)) in looked_at:
            continue
        looked_at.add(disk_of)
        total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        yield judgement.disk(free, total, str(folder))
        yield from judgement.writable(
            str(folder),
            is_read_only=bool(found.f_flag & os.ST_RDONLY),
            names=found.f_files,
            left=found.f_favail,
        )


def units(place: Place, names: Sequence[str]) -> Iterator[Finding]:
    """The services."""
    if not place.has_services:
        yield note("services", "systemd does not run here, or the packages are not installed")
        return
    for name in names:
        if place.has_unit(name):
            yield judgement.unit(
                name, is_active=systemctl("is-active", name), is_enabled=systemctl("is-enabled", name)
            )


def clock() -> Iterator[Finding]:
    """Whether it can be right, and is set by somebody."""
    if trouble := clock_trouble(time.time(), MADE_AT):
        yield fault("clock", trouble, "timedatectl set-ntp true (or: timedatectl set-time)")
        return
    try:
        done = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],  # noqa: S607 - systemd's
            capture_output=True, text=True, timeout=ASK_SECONDS, check=False,
        )  # fmt: skip
        said = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    yield judgement.clock({"yes": True, "no": False}.get(said))


def pages(place: Place) -> Iterator[Finding]:
    """Who answers where they should be."""
    try:
        serving = Serving.current(place.var, place.settings())
    except TlsRefused as error:
        yield fault("pages", str(error), "piranha setup")
        return
    if place.has_services and place.has_unit(low_port.UNIT) and not all(map(is_socket, serving.binds)):
        yield from right_of_port(serving.port)
    for bind in serving.binds:
        if is_socket(bind):
            path = Path(bind.removeprefix("unix:"))
            yield judgement.port(bind, 200 if path.is_socket() else None, is_ours=True)
        else:
            host = bind if is_local(bind) or bind not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
            status, is_ours = answer(serving, host)
            yield judgement.port(f"{host}, port {serving.port}", status, is_ours=is_ours)


def right_of_port(port: int, first: Path = FIRST_FREE) -> Iterator[Finding]:
    """What systemd says of the service's rights, where it says something."""
    try:
        first_free = int(first.read_text(encoding="ascii"))
        done = subprocess.run(  # noqa: S603 - a list of words, none of them a stranger's
            ["systemctl", "show", low_port.UNIT, f"--property={','.join(RIGHTS)}"],  # noqa: S607 - systemd's
            capture_output=True, text=True, timeout=ASK_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return  # who answers at the port is looked at in any case
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    capabilities, private_users, stale = (said.get(name, "") for name in RIGHTS)
    yield from judgement.right_of_port(
        port, first_free, capabilities, private_users=private_users == "yes", is_stale=stale == "yes"
    )


def answer(serving: Serving, host: str) -> tuple[int | None, bool]:
    """HTTP's status there, None: nobody answers; and whether it is this site, by certificate or words."""
    try:
        with socket.create_connection((host, serving.port), timeout=ASK_SECONDS) as plain:
            if not serving.tls:
                return ask(plain, host)
            # Whose certificate it is, is what is asked here; nothing is told to whoever has another one.
            context = ssl._create_unverified_context()  # noqa: S323  # nosec B323
            with context.wrap_socket(plain, server_hostname=host) as line:
                shown = hashlib.sha256(line.getpeercert(binary_form=True) or b"").hexdigest()
                own = described(chain(serving.files[0])[0]).fingerprint.replace(":", "").lower()
                return ask(line, host) if shown == own else (200, False)
    except (OSError, http.client.HTTPException):
        return None, False


def ask(line: socket.socket, host: str) -> tuple[int, bool]:
    """The site's own word that it lives."""
    connection = http.client.HTTPConnection(bracketed(host))
    connection.sock = line
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    said = response.read(64)
    # Refused in words is an answer of ours, too: this machine's own address need not be allowed.
    return response.status, response.status in (400, 403) or said.startswith(b"ok")


def site(place: Place) -> Iterator[Finding]:
    """What the site itself says, by a command that runs as its user."""
    if not (place.var / "secret.key").exists() and "PIRANHA_SECRET_KEY_FILE" not in place.settings():
        yield judgement.key("")
        return
    try:
        done = subprocess.run(  # noqa: S603 - our own command, by a list of words
            [*python(), "-m", "piranha_web.cli", "manage", "doctor_looks"],
            env=place.environment(place.settings()),
            capture_output=True,
            text=True,
            timeout=SITE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        said = f"it does not answer within {SITE_SECONDS:.0f} s"
        yield fault("site", said, "a disk or a network that hangs? df, ss -tnp, journalctl -u piranha-web")
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        yield fault(
            "site", f"its settings cannot be used: {last}", f"mend {place.env_file}, or piranha setup"
        )
        return
    for one in json.loads(done.stdout):
        yield from_document(one)
