"""`piranha allow`: who may reach the site, on the manager's machine, whatever the web server does.

It needs Django's settings and no database; where there is one, the audit log hears of it.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from lvs.rows.audit import harmless
from piranha_web import audit
from piranha_web.access import allow_file, allowed
from piranha_web.access.allow_file import AllowRefused, Entry
from piranha_web.console.audit_command import console_user
from piranha_web.console.database import ELSEWHERE, database_trouble
from piranha_web.console.unwritten import unwritten
from piranha_web.setup import networks
from piranha_web.setup.asking import Asked, NobodyAnswers, Terminal, is_terminal, until_understood
from piranha_web.setup.machine import console_address, own_networks

EVERYBODY = " Say so with --everybody."


def allow_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, 1 refused, or a list that cannot be used."""
    settings.PIRANHA_ALLOW_FILE = arguments.file
    verbs: dict[str, Callable[[Namespace], int]] = {
        "add": add,
        "remove": remove,
        "reset": reset,
        "ask": ask,
        "set": set_list,
    }
    try:
        return verbs.get(arguments.verb, show)(arguments)
    except allowed.EverybodyMeant as error:
        say(f"{error}{EVERYBODY} Nothing was changed.")
    except AllowRefused as error:
        say(f"{error} Nothing was changed.")
    except NobodyAnswers as error:
        say(f"{error} Nothing was changed. What counts:")
        show(arguments)
        say("To change that: piranha allow add NETWORK, piranha allow remove NETWORK, or piranha allow ask.")
    except OSError as error:
        say(unwritten(error))
    return 1


def show(arguments: Namespace) -> int:
    """A line for each network, as the file has them; what counts, and where it comes from, to stderr."""
    now = allowed.in_force()
    for entry in now.entries:
        sys.stdout.write(f"{line_of(entry)}\n")
    if now.problem:
        say(
            f"{now.problem} So only this machine itself may reach the site. Mend that line, or begin anew: "
            "piranha allow reset"
        )
        return 1
    if now.is_default:
        say(
            f"There is no {arguments.file.absolute()}: this is what PIRANHA_ALLOW says, or without it "
            "the default."
        )
    say("This machine itself (loopback) always may.")
    return 0


def line_of(entry: Entry) -> str:
    """A network with what is known of it, in columns; nothing of it can turn a terminal's line around."""
    added = f"{entry.at:%Y-%m-%d %H:%M} UTC" if entry.at else "-"
    return "\t".join([str(entry.network), added, entry.by or "-", harmless(entry.note) or "-"])


def add(arguments: Namespace) -> int:
    """One more."""
    network = allowed.asked_for(arguments.network)
    remark = allowed.add(
        network,
        arguments.note,
        by=console_user(os.environ),
        at=timezone.now(),
        everybody=arguments.everybody,
    )
    say(" ".join(filter(None, [f"{network} may reach the site, from the next request on.", remark])))
    note(f"allowed {network}", str(network))
    return 0


def remove(arguments: Namespace) -> int:
    """One less."""
    network = allowed.asked_for(arguments.network)
    left = allowed.remove(network, own=None)
    rest = "" if left else " The list is empty: only this machine itself may reach it now."
    say(f"{network} may not reach the site any more, from the next request on.{rest}")
    note(f"no longer allowed {network}", str(network))
    return 0


def reset(arguments: Namespace) -> int:
    """Back to what counts without a file."""
    kept = allow_file.reset(arguments.file)
    if kept is None:
        say(f"There is no {arguments.file.absolute()}, so nothing was changed. What counts:")
        return show(arguments)
    say(f"The list is now in {kept}, where it counts no more. What counts:")
    note("reset the allowed networks", "")
    return show(arguments)


def ask(_arguments: Namespace) -> int:
    """Asks for the whole list; what there is, or what is safe to begin with, is what Enter takes."""
    if not is_terminal():
        raise NobodyAnswers("There is no terminal to ask at.")
    ask_for_networks(Terminal())
    return 0


def set_list(arguments: Namespace) -> int:
    """Makes the networks that are named the whole list. Without any: what is safe to begin with."""
    offered = () if arguments.networks else networks.offers(own_networks(), None)
    text = " ".join([*arguments.networks, *([networks.EVERYBODY] if arguments.everybody else [])])
    try:
        taken = networks.chosen(text, offered)
    except networks.OddAnswer as error:
        raise AllowRefused(str(error)) from error
    put_in_force(Terminal(), taken)
    return 0


def ask_for_networks(whom: Asked) -> None:
    """The same of somebody; whoever asks by SSH keeps a way in. AllowRefused, NobodyAnswers, OSError."""
    now = allowed.in_force()
    if now.problem:
        raise AllowRefused(f"{now.problem} Mend that line, or begin anew: piranha allow reset.")
    present = None if now.is_default else {entry.network: entry.note for entry in now.entries}
    offered = networks.offers(own_networks(), present)
    whom.say("Which networks may reach the web pages? Anybody else is refused before the login.")
    whom.say("This machine itself (loopback) always may.")
    for line in networks.lines(offered):
        whom.say(line)
    whom.say(networks.HELP)
    taken = until_understood(whom, "Networks: ", lambda text: networks.chosen(text, offered))
    put_in_force(whom, taken)


def put_in_force(whom: Asked, taken: Sequence[networks.Offer]) -> None:
    """Makes what was chosen the list, and says it."""
    kept = networks.with_console(taken, console_address())
    for one in kept[len(taken) :]:
        whom.say(f"{one.network} is added: you come from there by SSH, and would lock yourself out.")
    wanted = {one.network: one.what for one in kept}
    came, went = allowed.choose(wanted, by=console_user(os.environ), at=timezone.now())
    said = ", ".join(map(str, wanted)) or "nobody but this machine itself"
    whom.say(f"May reach the pages{', as before' if not (came or went) else ' from now on'}: {said}.")
    if came or went:
        note(f"chose the allowed networks: {said}", "")


def note(text: str, network: str) -> None:
    """The entry in the audit log, where there is a database; what was done stands without it."""
    trouble = database_trouble()
    if not trouble:
        try:
            audit.from_console(console_user(os.environ), audit.Action.ALLOW, text, target=network)
        except DatabaseError as error:
            trouble = str(error)
    if trouble:
        where = settings.PIRANHA_ALLOW_FILE.absolute()
        say(f"It is in {where}, but not in the audit log: {trouble}. {ELSEWHERE}")


def say(text: str) -> None:
    """To whoever sits at the terminal."""
    sys.stderr.write(f"{text}\n")
