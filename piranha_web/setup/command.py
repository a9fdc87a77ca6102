"""`piranha setup`: asks, says what it is going to do, does it, and says what is to be done elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lvs.errors import LvsError, RouterError
from lvs.machines import rights, worker_file
from lvs.machines.invitation import Invitation, NoInvitation, read
from lvs.machines.joining import STDIN, join_command
from piranha_web import installed
from piranha_web.setup.answers import SQLITE, Answers, Kind, bracketed
from piranha_web.setup.asking import Asked, NobodyAnswers, Terminal, is_terminal, say
from piranha_web.setup.machine import MADE_AT, clock_trouble
from piranha_web.setup.own_redis import CONFIGURATION, FOLDER
from piranha_web.setup.place import NotSetUp, Place
from piranha_web.setup.questions import Present, Questions
from piranha_web.setup.steps import Manager, Step, carry_out, doing, services, state_settings
from piranha_web.tls.binds import is_local, is_socket
from piranha_web.tls.certificates import TlsRefused

AGAIN = "Mend that, then run this again: what is done already stays, and is not done twice."
WHAT_TO_DO = {
    errno.ENOSPC: f"The disk is full: df -h shows which. {AGAIN}",
    errno.EDQUOT: f"There is no room left for that user: quota shows it. {AGAIN}",
    errno.EROFS: f"That disk may only be read, perhaps after a fault of it: dmesg says why. {AGAIN}",
}
JOINED = "joined-by"  # beside the worker's file: which token made this machine a router
FRESH: Mapping[str, Any] = {
    "trouble": "", "migrated": False, "routers": [], "password": False, "fits": False, "allow": None,
}  # fmt: skip


def setup_command(arguments: Namespace) -> int:
    """Carries it out; the exit code: 0 done, or nothing to do, 1 not, 130 stopped by Ctrl-C."""
    place = Place(Path("/") if arguments.root is None else arguments.root.absolute())
    asks = not arguments.yes and is_terminal() and not arguments.password_stdin and arguments.token != STDIN
    try:
        may_begin(place, arguments, asks=asks)
        return set_up(place, arguments, Terminal() if asks else None)
    except NobodyAnswers as error:
        return refused(f"{error} Nothing was changed.")
    except OSError as error:
        return refused(f"{error}. {WHAT_TO_DO.get(error.errno or 0, AGAIN)}")
    except (LvsError, TlsRefused, subprocess.TimeoutExpired) as error:
        return refused(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Run it again: what is done already stays, and is not done twice.\n")
        return 130


def may_begin(place: Place, arguments: Namespace, *, asks: bool) -> None:
    """NotSetUp: who calls it may not, or there is nobody to ask."""
    if place.is_real and os.geteuid() != 0:
        raise NotSetUp("Run this as root: sudo piranha setup. (--root FOLDER tries it out in a folder.)")
    if trouble := clock_trouble(time.time(), MADE_AT):
        raise NotSetUp(f"The clock is wrong: {trouble}. Set it (timedatectl), then run this again.")
    if not asks and not (arguments.yes or arguments.dry_run):
        raise NotSetUp(
            "There is nobody to ask: say --yes to take flags and defaults, or --dry-run to see them."
        )


def set_up(place: Place, arguments: Namespace, whom: Asked | None) -> int:
    """The whole of it."""
    invitation = token_of(arguments, whom)
    present = present_of(place)
    questions = Questions(whom, arguments, present, place)
    kind = Kind.ROUTER if invitation and not arguments.kind else questions.kind()
    if kind is Kind.ROUTER:
        return be_router(place, arguments, whom, invitation)
    answers = questions.answers(kind)
    networks, password = questions.networks(), questions.password()
    if password.text is not None:
        present = present_of(place, password.text)
    if answers.database != (present.database or SQLITE):
        present = in_other_database(place, present, answers)
    manager = Manager(place, present, answers, networks, password)
    steps = manager.steps()
    units = services(
        place,
        kind,
        has_own_redis=answers.has_own_redis,
        changed=manager.changes_settings,
        reload=manager.changes_unit,
    )
    tokens = to_invite(present, answers)
    if not go_on(steps, units if place.has_services else [], tokens, arguments, whom):
        return 0
    say_steps(steps)
    start(place, units)
    for name in tokens:
        token = place.run(manager.settings, "enrol", name).strip()
        say(f"Run this on {name}, as root, within the hour:")
        sys.stdout.write(f"{token}\n")
        say("  or there: piranha setup --kind router --token TOKEN")
    say(f"The pages: {url_of(answers)}, account piranha.")
    if len(answers.routers) and kind is Kind.MANAGER:
        say("Another token: piranha enrol ROUTER. What is still wrong: piranha doctor.")
    else:
        say("What is still wrong: piranha doctor.")
    return 0


def present_of(place: Place, password: str | None = None) -> Present:
    """What is set up already. password: one that it may have."""
    settings = place.settings()
    state: Mapping[str, Any] = FRESH
    if settings:
        state = place.state(state_settings(settings), password)
        if state["trouble"]:
            raise NotSetUp(
                f"The database that is set up cannot be used: {state['trouble']}. Mend that first; or take "
                f"PIRANHA_DATABASE_URL_FILE out of {place.env_file} to begin with another one."
            )
    return Present(
        settings=settings,
        state=state,
        router=router_of(place.worker_file),
        database=place.secret("database.url") if "PIRANHA_DATABASE_URL_FILE" in settings else "",
        redis=place.secret("broker.url"),
        redis_configuration=place.text(f"{FOLDER}/{CONFIGURATION}"),
    )


def in_other_database(place: Place, present: Present, answers: Answers) -> Present:
    """The same, with what is in the database that is to be used from now on."""
    url = None if answers.database == SQLITE else answers.database
    settings = {**present.settings, "PIRANHA_DATABASE_URL_FILE": None, "PIRANHA_VAR": str(place.var)}
    found = place.state(state_settings({**settings, "DATABASE_URL": url}))
    if present.state["routers"] and not found["routers"]:
        say(
            "Note: nothing is set up in the other database. What is in the one of now stays there; to "
            "take it along, stop here, and begin with: piranha database move"
        )
    return replace(
        present, state={**present.state, "migrated": found["migrated"], "routers": found["routers"]}
    )


def router_of(path: Path) -> str:
    """Which router this machine is; "": none."""
    try:
        return rights.below(path, lambda: worker_file.read(path).router, RouterError)
    except RouterError:
        return ""


def token_of(arguments: Namespace, whom: Asked | None) -> Invitation | None:
    """The token that was given, or typed."""
    text = arguments.token
    if text is None and whom is not None and arguments.kind == Kind.ROUTER:
        text = whom.line("Token (of `piranha enrol` on the manager): ")
    if text is None:
        return None
    try:
        return read(sys.stdin.readline() if text == STDIN else text)
    except NoInvitation as error:
        raise NotSetUp(str(error)) from error


def be_router(place: Place, arguments: Namespace, whom: Asked | None, invitation: Invitation | None) -> int:
    """Joins the manager of the token, and has pulse and the worker run."""
    path = place.worker_file
    if invitation is None and whom is not None and not router_of(path):
        invitation = token_of(Namespace(kind=Kind.ROUTER, token=None), whom)
    if invitation is None and not router_of(path):
        raise NotSetUp(
            "A router joins by a token: piranha enrol ROUTER on the manager, then --token TOKEN here."
        )
    steps = [] if invitation is None or is_joined(path, invitation) else [joining(place, invitation)]
    units = services(place, Kind.ROUTER, has_own_redis=False, changed=False)
    if not go_on(steps, units if place.has_services else [], [], arguments, whom):
        return 0
    say_steps(steps)
    start(place, units)
    say("What is still wrong: piranha doctor.")
    return 0


def is_joined(path: Path, invitation: Invitation) -> bool:
    """Whether this very token has made this machine what it is."""
    try:
        file = path.with_name(JOINED)
        note = rights.below(file, lambda: rights.read_text(file).strip())
    except (OSError, UnicodeError, LvsError):
        return False
    return note == hashlib.sha256(invitation.secret).hexdigest() and router_of(path) == invitation.router


def joining(place: Place, invitation: Invitation) -> Step:
    """The step that makes this machine the token's router."""
    path = place.worker_file

    def join() -> None:
        owner = installed.owner() if place.is_real else ""
        if join_command(invitation.token, path, anyway=False, owner=owner):
            raise NotSetUp("Nothing else was done. Mend that, then run this again.")
        note = path.with_name(JOINED)
        place.write(note, hashlib.sha256(invitation.secret).hexdigest() + "\n")

    where = invitation.addresses[0]
    return Step(f"Join {where} as the router {invitation.router}; what it says goes into {path}", doing(join))


def to_invite(present: Present, answers: Answers) -> list[str]:
    """The routers elsewhere for which a token is to be made: those that were never let in, and have none."""
    if answers.kind is not Kind.MANAGER:
        return []
    known = {one["name"]: one["enrolled"] or one["invited"] for one in present.state["routers"]}
    return [name for name in answers.routers if not known.get(name)]


def go_on(
    steps: Sequence[Step],
    units: Sequence[Sequence[str]],
    tokens: Sequence[str],
    arguments: Namespace,
    whom: Asked | None,
) -> bool:
    """Says what is going to be done; whether it is to be."""
    lines = [*(one.what for one in steps), *(f"Run {' '.join(one)}" for one in units)]
    lines += [f"Make a token for {name}, and print it" for name in tokens]
    if not lines:
        say("Nothing to do: all of it is set up so already. (How it is: piranha doctor.)")
        return False
    say("\nThis is going to be done:")
    for number, line in enumerate(lines, start=1):
        say(f"{number:>3}  {line}")
    if arguments.dry_run:
        say("Nothing was done (--dry-run).")
        return False
    if whom is not None and whom.line("Go on? [yes]: ").lower() not in ("", "y", "yes"):
        say("Nothing was done.")
        return False
    return True


def say_steps(steps: Sequence[Step]) -> None:
    """Does them, and says each."""
    for one in steps:
        say(f"==> {one.what}")
        if said := one.do():
            say(f"    {said}")


def start(place: Place, units: Sequence[list[str]]) -> None:
    """Has the services run; where there is no systemd, says what would."""
    for command in units:
        if place.has_services:
            say(f"==> {' '.join(command)}")
            carry_out(command)
        else:
            say(f"Nothing was started: on an installed machine this would do it: {' '.join(command)}")


def url_of(answers: Answers) -> str:
    """Where the pages are."""
    one = answers.binds[0]
    if is_socket(one):
        return one
    host = answers.reached_at or ("localhost" if is_local(one) or one in ("0.0.0.0", "::") else one)  # noqa: S104
    return f"http{'s' if answers.is_tls else ''}://{bracketed(host)}:{answers.port}"


def refused(text: str) -> int:
    """Says why not."""
    say(text)
    return 1
