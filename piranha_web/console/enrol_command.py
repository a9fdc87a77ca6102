"""`piranha enrol`: a token for a router, on the manager's machine. Needs Django set up."""

from __future__ import annotations

import os
import re
import sys
from argparse import Namespace
from datetime import timedelta

import redis
from django.db import DatabaseError
from django.utils import timezone

from lvs import models
from lvs.errors import LvsError, NotPossible
from lvs.machines.redis_words import in_words, is_full
from piranha_web import audit, enrolling
from piranha_web.console.audit_command import UNITS, console_user
from piranha_web.console.database import ELSEWHERE, database_trouble

_LENGTH = re.compile(r"(\d{1,6})\s*([mhdw])")


def enrol_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 not. Only the command for the router goes to stdout."""
    if trouble := database_trouble():
        say(f"The database cannot be used here: {trouble}. {ELSEWHERE}")
        return 1
    try:
        router = router_of(arguments.router, arguments.cluster)
        if arguments.revoke:
            had = enrolling.revoke(router)
            note(router, f"revoked {router.name}")
            say(f"{router.name} is revoked{'' if had else '; it had no way to Redis before either'}.")
            return 0
        made = enrolling.invite(
            router,
            by=console_user(os.environ),
            now=timezone.now(),
            valid=length_of(arguments.valid),
            addresses=arguments.address,
            fingerprint=arguments.fingerprint,
        )
        note(router, f"made a token to enrol {router.name}, until {made.ends_at:%Y-%m-%d %H:%M} UTC")
    except (LvsError, OSError) as error:
        say(f"{error}")
        return 1
    except redis.RedisError as error:
        if is_full(error):
            say(f"{in_words(error)}.")
            return 1
        say(
            f"Redis cannot be reached ({error}). If the web server has it elsewhere, run this again with its "
            "PIRANHA_BROKER_URL_FILE."
        )
        return 1
    except DatabaseError as error:
        say(f"The database cannot be used: {error}. Look at it, then run this again.")
        return 1
    for remark in made.remarks:
        say(f"Note: {remark}")
    say(f"Run this on {router.name}, once, before {timezone.localtime(made.ends_at):%Y-%m-%d %H:%M}:")
    sys.stdout.write(f"{made.command}\n")
    return 0


def router_of(name: str, cluster: str | None) -> models.Router:
    """The router of that name. NotPossible: there is none."""
    found = models.Router.objects.filter(name=name).select_related("cluster").first()
    if found is None or (cluster and found.cluster.name != cluster):
        known = ", ".join(f"{one.name} (of {one.cluster.name})" for one in routers()) or "none yet"
        of = f" of the cluster {cluster}" if cluster else ""
        raise NotPossible(f"There is no router {name}{of}. Those that there are: {known}.")
    return found


def routers() -> list[models.Router]:
    """All of them, of every cluster."""
    return list(models.Router.objects.select_related("cluster").order_by("name"))


def length_of(text: str) -> timedelta:
    """30m, 1h, 2d, 1w as a length."""
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise NotPossible(f"{text!r} is no length of time: write 30m, 1h or 2d.")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def note(router: models.Router, text: str) -> None:
    """The entry in the audit log."""
    audit.from_console(console_user(os.environ), audit.Action.ENROL, text, target=router.name)


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{text}\n")
