"""Files that an administrator names for the site: whether its services will see them, and may read them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from piranha_web import installed

# What the units hide from the services: ProtectHome= and PrivateTmp=.
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - nothing is put there
BY_DATABASE = ("sslrootcert", "sslcert", "sslkey")  # of libpq's words, those that name a file


def trouble(path: Path, *, for_services: bool) -> str:
    """Why the site cannot use that file, and what to do; "": it can.

    for_services: it runs as services, which do not see all that this command does.
    """
    if not path.is_file():
        return f"There is no file {path}."
    hidden = next((one for one in HIDDEN if path.resolve().is_relative_to(one)), None)
    if for_services and hidden is not None:
        return f"The services see nothing of {hidden}: put {path.name} into /etc/piranha, and name that."
    if not may_read(path):
        remedy = f"chgrp {installed.USER} {path}; chmod g+r {path}"
        return (
            f"The user {installed.USER} may not read {path}: {remedy}. Its folders have to let that user "
            "through, too (chmod o+x)."
        )
    return ""


def of_database(url: str) -> Iterator[Path]:
    """The files that a database's URL names."""
    for name, word in parse_qsl(urlsplit(url).query):
        if name in BY_DATABASE and word.startswith("/"):
            yield Path(word)


def may_read(path: Path) -> bool:
    """Whether the site's user may, where that is another one."""
    user = installed.site_user()
    if user is None or not path.exists():
        return True  # the reading itself says what is wrong
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    done = subprocess.run(  # noqa: S603 - a list of words
        ["/usr/bin/test", "-r", str(path)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=groups,
        stdin=subprocess.DEVNULL,  # nor is root's terminal that user's
        start_new_session=True,
        check=False,
    )
    return done.returncode == 0
