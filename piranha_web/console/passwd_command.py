"""`piranha passwd`: accounts on the manager's machine. It needs Django, and no database for passwords."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import Namespace
from pathlib import Path

from django.conf import settings
from django.db import transaction

from lvs import models
from piranha_web import audit
from piranha_web.access import accounts, passwords
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR
from piranha_web.console.audit_command import console_user
from piranha_web.console.database import ELSEWHERE, database_trouble
from piranha_web.console.unwritten import unwritten

NO_DATABASE = "The database cannot be used here, so roles and sessions stay as they are: {}."


UNCHANGED = " Nothing was changed."


class NotDone(Exception):
    """Nothing was changed, and why."""


def passwd_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 refused. Only a made password or the list goes to stdout."""
    settings.PIRANHA_PASSWORD_FILE = arguments.file
    trouble = database_trouble()
    try:
        if arguments.list:
            show(arguments.file, trouble)
        elif arguments.no_second_factor:
            take_factor_away(arguments.user, trouble)
        elif arguments.remove:
            remove(arguments.user, trouble)
        else:
            give(arguments, trouble)
    except (NotDone, ValueError, accounts.AccountRefused) as error:
        say(f"{str(error).removesuffix(UNCHANGED)} {UNCHANGED.strip()}")
        return 1
    except OSError as error:
        say(unwritten(error))
        return 1
    return 0


def give(arguments: Namespace, trouble: str) -> None:
    """Sets the password, and the role if one is named."""
    name, role = arguments.user, arguments.role
    if role and trouble:
        raise NotDone(NO_DATABASE.format(trouble))
    if role and name == ALWAYS_ADMINISTRATOR:
        raise NotDone(f"{name} is always administrator: leave --role out.")
    password = accounts.random_password() if arguments.random else asked(from_stdin=arguments.stdin)
    is_new, is_first = passwords.hash_of(name, arguments.file) is None, not arguments.file.exists()
    if trouble:
        passwords.set_password(name, password, arguments.file)
    else:
        with transaction.atomic():
            give_rows(name, role, is_new=is_new)
            passwords.set_password(name, password, arguments.file)
    if arguments.random:
        sys.stdout.write(f"{password}\n")
    else:
        say(f"The password of {name} is set{f', as {role}' if role else ''}.")
    if trouble and not is_new:
        say(NO_DATABASE.format(trouble))
    if trouble and is_first:  # neither file nor database: perhaps not the folder that was meant
        say(f"{arguments.file.absolute()} was not there, and has this account alone now. {ELSEWHERE}")


def give_rows(name: str, role: str | None, *, is_new: bool) -> None:
    """What the database is to know of it; a new account has nothing of an older one of its name."""
    if is_new:
        accounts.forget(name)
    if role:
        value = models.UserRole[role.upper()]
        models.Account.objects.update_or_create(name=name, defaults={"role": value})
    models.Account.objects.filter(name=name).update(must_change=False)
    models.Login.objects.filter(account=name).delete()
    what = "added the account" if is_new else "set the password of"
    note(f"{what} {name}{f', {role} of all clusters' if role else ''}", name)


def remove(name: str, trouble: str) -> None:
    """Takes the account away."""
    if passwords.hash_of(name, settings.PIRANHA_PASSWORD_FILE) is None and (
        trouble or not accounts.exists(name)
    ):
        raise NotDone(f"There is no account {name}.")
    if trouble:
        passwords.remove(name, settings.PIRANHA_PASSWORD_FILE)
        say(NO_DATABASE.format(trouble))
    else:
        with transaction.atomic():
            accounts.remove(name)
            note(f"removed the account {name}", name)
    say(f"Removed {name}.")


def take_factor_away(name: str, trouble: str) -> None:
    """For somebody who has lost the app and the recovery codes."""
    if trouble:
        raise NotDone(f"The database cannot be used here: {trouble}. {ELSEWHERE}")
    with transaction.atomic():
        accounts.take_factor_away(name)
        audit.from_console(
            console_user(os.environ),
            audit.Action.SECOND_FACTOR,
            f"took the second factor of {name} away",
            target=name,
        )
    say(f"{name} has no second factor any more, and its sessions have ended.")


def show(path: Path, trouble: str) -> None:
    """A line for each account: name, role, kind of hash, second factor; without a database name and hash."""
    if trouble:
        for name in passwords.names(path):
            sys.stdout.write(f"{name}\t{kind_in_words(passwords.hash_of(name, path))}\n")
    for one in [] if trouble else accounts.entries():
        cells = [one.name, words(one), kept_in_words(one, path), factor_in_words(one)]
        sys.stdout.write("\t".join(cells) + "\n")
    if trouble:
        say(NO_DATABASE.format(trouble))
    if not passwords.is_private(path):
        say(f"Others can read {path}: chmod 600 {path}")


def kept_in_words(one: accounts.Entry, path: Path) -> str:
    """How its password is kept, and by whom."""
    found = passwords.hash_of(one.name, path)
    kept = f"kept by {one.issuer}" if one.issuer and found is None else kind_in_words(found)
    return f"{kept}, blocked" if one.is_blocked else kept


def kind_in_words(found: str | None) -> str:
    """How a password is kept."""
    return (passwords.kind_of(found) or "not understood: set a new password") if found else "no password"


def factor_in_words(one: accounts.Entry) -> str:
    """Whether an account has a second factor."""
    if one.factor_since is not None:
        return f"second factor since {one.factor_since:%Y-%m-%d}"
    return "must set up a second factor" if one.needs_factor else "no second factor"


def words(one: accounts.Entry) -> str:
    """The roles of an account."""
    return ", ".join([one.role.label, *(f"{role} of {cluster}" for cluster, role in one.clusters)])


def asked(*, from_stdin: bool) -> str:
    """The new password, from standard input or from whoever sits at the terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    try:
        password = getpass.getpass("New password: ")
        again = getpass.getpass("Again: ")
    except EOFError as error:
        raise NotDone("There is no terminal to ask at: use --stdin or --random.") from error
    if password != again:
        raise NotDone("The two do not match. Try again.")
    return password


def note(text: str, name: str) -> None:
    """The entry in the audit log."""
    audit.from_console(console_user(os.environ), audit.Action.ACCOUNT, text, target=name)


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{text}\n")
