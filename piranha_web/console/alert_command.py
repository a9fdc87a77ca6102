"""`piranha alert`: who is told, on the manager's machine, whatever the web server does.

An address has a secret in it, so it is asked for, or read from standard input: as an argument everybody on
this machine could read it.
"""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from lvs import models
from lvs.rows.audit import harmless
from piranha_web import audit
from piranha_web.alerts import sending, targets
from piranha_web.alerts.targets import Target, TargetRefused
from piranha_web.console.audit_command import console_user
from piranha_web.console.database import ELSEWHERE, database_trouble
from piranha_web.console.unwritten import unwritten

TEST = (
    "! Test of Piranha Web",
    "Somebody has asked for this test at a console. Nothing is wrong.",
    "warning",
)


def alert_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 refused."""
    verbs: dict[str, Callable[[Namespace], int]] = {"add": add, "remove": remove, "test": test}
    try:
        return verbs.get(arguments.verb, show)(arguments)
    except TargetRefused as error:
        say(f"{error} Nothing was changed.")
    except OSError as error:
        say(unwritten(error))
    return 1


def show(_arguments: Namespace) -> int:
    """A line for each target: id, address without its secrets, last message, note."""
    found = targets.read(settings.PIRANHA_ALERTS_FILE)
    for one in found:
        sys.stdout.write("\t".join([one.id, one.mask, last_of(one), harmless(one.note) or "-"]) + "\n")
    if not found:
        say("Nobody is told anything. piranha alert add makes a beginning.")
    return 0


def last_of(target: Target) -> str:
    """How its last message fared."""
    if database_trouble():
        return "not known"
    row = models.AlertMessage.objects.filter(target=target.id).order_by("-pk").first()
    if row is None:
        return "none yet"
    return row.state if not row.error else f"{row.state}: {harmless(row.error)}"


def add(arguments: Namespace) -> int:
    """One more."""
    url = sys.stdin.readline() if arguments.stdin else getpass.getpass("Address (not shown): ")
    sending.usable(Target("", targets.judged(url)))
    by = console_user(os.environ)
    at = timezone.now().isoformat(timespec="seconds")
    made = targets.add(settings.PIRANHA_ALERTS_FILE, url, arguments.note, by=by, at=at)
    sys.stdout.write(f"{made.id}\n")
    say(f"Alerts go to {made.mask} from now on. Test it: piranha alert test {made.id}")
    note(f"alerts go to {made.mask}", made)
    return 0


def remove(arguments: Namespace) -> int:
    """One less."""
    gone = targets.remove(settings.PIRANHA_ALERTS_FILE, arguments.target)
    say(f"Nobody is alerted by {gone.mask} any more.")
    note(f"nobody is alerted by {gone.mask}", gone)
    return 0


def test(arguments: Namespace) -> int:
    """A message now, to one or all."""
    path = settings.PIRANHA_ALERTS_FILE
    chosen: Sequence[Target] = (
        [targets.found(path, arguments.target)] if arguments.target else targets.read(path)
    )
    if not chosen:
        say("There is no target to test: piranha alert add makes one.")
        return 1
    answers = [(one, sending.send(one, *TEST)) for one in chosen]
    for one, answer in answers:
        sys.stdout.write(f"{one.id}\t{one.mask}\t{'taken' if answer.ok else 'not taken'}: {answer.said}\n")
    return 0 if all(answer.ok for _one, answer in answers) else 1


def note(text: str, target: Target) -> None:
    """The entry in the audit log, where there is a database; what was done stands without it."""
    trouble = database_trouble()
    if not trouble:
        try:
            audit.from_console(console_user(os.environ), audit.Action.ALERT, text, target=target.id)
        except DatabaseError as error:
            trouble = str(error)
    if trouble:
        say(f"It is done, but not in the audit log: {trouble}. {ELSEWHERE}")


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{text}\n")
