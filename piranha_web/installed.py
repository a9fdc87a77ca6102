"""The settings of an installed site, and its user, for whoever runs a `piranha` command beside it.

The packages keep the settings in one file of KEY=VALUE lines, which systemd gives to the services
(EnvironmentFile, systemd.exec(5)). A command at the console has another environment: it reads the same file,
and what the environment says counts more. What root runs there of the manager's commands it runs as the
site's own user, so that no file is left that the web server cannot write. A checkout reads no such file
unless PIRANHA_ENV_FILE names one.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from piranha_web.setup.machine import SSH, connection_of_parents

VARIABLE = "PIRANHA_ENV_FILE"
FILE = Path("/etc/piranha/web.env")
PLACE = Path("/usr/lib/piranha")  # of the packages' Python
VAR = Path("/var/lib/piranha")
USER = "piranha"
# These write, or make, nothing but what is the site's; the others need root, or write elsewhere.
AS_SITE = frozenset(
    {
        "alert", "allow", "audit", "database", "enrol", "manage", "oidc", "passwd", "redis", "signing",
        "unlock",
    }
)  # fmt: skip
_LINE = re.compile(r"(PIRANHA_[A-Z0-9_]+|DATABASE_URL|TZ)=(.*)")


def is_installed() -> bool:
    """Whether this code is the packages'."""
    return Path(sys.prefix).is_relative_to(PLACE)


def file_in(environment: MutableMapping[str, str]) -> Path | None:
    """Where the site's settings are; None: nowhere, for this is a checkout."""
    if named := environment.get(VARIABLE):
        return Path(named)
    return FILE if is_installed() else None


def begin(words: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Takes the site's settings, and becomes its user where the command (words) asks for that."""
    path = file_in(environment)
    if path is None:
        return
    take(path, environment)
    if is_installed():
        environment.setdefault("PIRANHA_VAR", str(VAR))
        if belongs_to_site(words):
            become(environment)


def take(path: Path, environment: MutableMapping[str, str]) -> None:
    """Puts the file's settings where the environment does not say otherwise; says what it cannot read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as error:
        sys.stderr.write(f"Note: the site's settings are left out, for {path} cannot be read: {error}.\n")
        return
    settings, odd = parsed(text)
    for number in odd:
        sys.stderr.write(f"Note: line {number} of {path} is left out: it is no KEY=VALUE of this site.\n")
    for name, value in settings.items():
        environment.setdefault(name, value)


def parsed(text: str) -> tuple[dict[str, str], list[int]]:
    """The settings of a file's text, and the numbers of the lines that are none."""
    settings: dict[str, str] = {}
    odd = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        found = _LINE.fullmatch(line)
        try:
            value = unquoted(found[2].strip()) if found else None
        except ValueError:  # a quote that does not end
            value = None
        if found is None or value is None:
            odd.append(number)
        else:
            settings[found[1]] = value
    return settings, odd


def unquoted(value: str) -> str:
    """A value without the quotes around it."""
    if value[:1] not in ("'", '"'):
        return value
    words = shlex.split(value)
    if len(words) != 1:
        raise ValueError("something stands behind the quotes")
    return words[0]


def line_of(name: str, value: str) -> str:
    """A line of such a file. The value may have no line end."""
    return f"{name}={_quoted(value)}"


def _quoted(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:@,+=\[\]-]*", value):
        return value
    inner = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def belongs_to_site(words: Sequence[str]) -> bool:
    """Whether a command is one of the manager's that writes where the web server does."""
    first = words[0] if words else ""
    if first == "metrics":  # without the verb they are a router's, and root reads them
        return "token" in words
    return first in AS_SITE or (first == "worker" and "--manager" in words)


def become(environment: MutableMapping[str, str]) -> None:
    """Makes this process, if it is root's, one of the site's user; nothing where there is no such user."""
    user = site_user()
    if user is None:
        return
    # Its own processes' environments are root's to read: who asks by SSH must stay known.
    if connection := connection_of_parents(os.getppid()):
        environment.setdefault(SSH, connection)
    os.initgroups(USER, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    environment.setdefault("SUDO_USER", "root")  # for the audit log: it was not the web server
    environment["HOME"] = user.pw_dir
    os.umask(0o077)


def owner() -> str:
    """Whose the files are that root makes for the site's processes; "": whoever makes them."""
    user = site_user()
    return user.pw_name if user else ""


def give(path: Path) -> None:
    """Gives the site's user what root has made for it; nothing where this is not root, or there is none."""
    if user := site_user():
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def site_user() -> pwd.struct_passwd | None:
    """The site's user, where root works for it on an installed machine."""
    if os.geteuid() != 0 or not is_installed():
        return None
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None
