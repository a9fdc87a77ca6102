"""`piranha unlock`: who is locked out for guessing, and letting them try again, on the manager's machine."""

from __future__ import annotations

import os
import sys
from argparse import Namespace

from django.db import DatabaseError, transaction
from django.utils import timezone

from piranha_web import audit
from piranha_web.access import lockout, second_factor
from piranha_web.access.failures import in_words, network_of, wait_in_words
from piranha_web.console.audit_command import console_user
from piranha_web.console.database import ELSEWHERE, database_trouble

ENDING = "To end one: piranha unlock USER, or --network ADDRESS, or both; all of them: --all.\n"


def unlock_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 there was nothing to do, or it cannot be done."""
    if arguments.all and (arguments.user or arguments.network):
        return fail("--all is everybody: leave the account and --network out.", 2)
    where = None if arguments.network is None else network_of(arguments.network)
    if where == "":
        return fail(f"{arguments.network} is no address: name one as 192.0.2.7 or 2001:db8::7.", 2)
    if trouble := database_trouble():
        return fail(f"The database cannot be used here: {trouble}. {ELSEWHERE}", 1)
    try:
        if not (arguments.all or arguments.user or where):
            return show()
        return unlock(arguments.user, where)
    except DatabaseError as error:
        return fail(f"The database cannot be used here: {error}. Nothing was changed.", 1)


def show() -> int:
    """A line for each lock."""
    found, now = lockout.current(), timezone.now()
    for one in found:
        sys.stdout.write(
            f"{ascii_of(lockout.told(one))}\t{one.times} failures\tends in {wait_in_words(one.until, now)}\n"
        )
    sys.stderr.write(ENDING if found else "Nobody is locked out.\n")
    return 0


def unlock(name: str | None, where: str | None) -> int:
    """Lets them try again; an account's wrong codes make it wait no more either."""
    whom = f"{name or 'everybody'} from {in_words(where) if where else 'everywhere'}"
    with transaction.atomic():
        gone = lockout.unlock(name, where)
        waits = second_factor.end_waits(name) if where is None or name is not None else 0
        if gone or waits:
            user = console_user(os.environ)
            audit.from_console(user, audit.Action.LOCK, f"unlocked {whom}", target=name or "")
    if not gone and not waits:
        return fail(f"No failure is kept of {ascii_of(whom)}: nothing was changed.", 1)
    sys.stderr.write(f"Unlocked {ascii_of(whom)}.\n")
    return 0


def ascii_of(text: str) -> str:
    """Words that a stranger may have typed, for a terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def fail(text: str, code: int) -> int:
    """Says why not."""
    sys.stderr.write(f"{text}\n")
    return code
