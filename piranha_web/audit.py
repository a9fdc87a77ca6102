"""Writing the audit log from a request, which knows who and from where; the view knows what, and to what.

What changes rows is written in the same transaction as the change, so that there is neither without the
other. What is asked of a router changes no row: its entry `asked` is there before the router hears of it, and
a second one tells what came of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import DatabaseError, transaction
from django.http import HttpRequest

from lvs import models, store
from lvs.config.diff import Difference, differences
from lvs.errors import LvsError
from lvs.rows import audit
from piranha_web.access.addresses import client_address

__all__ = ["Action", "Outcome", "asked", "call_change", "from_console", "record", "refused", "watched"]

Action = models.AuditEntry.Action
Outcome = models.AuditEntry.Outcome
log = logging.getLogger("piranha.audit")

TOLD = 3  # changes in an entry's sentence; all of them are in its details
CONSOLE = "console"
MOST_AGENT = 200
MOST_NAME = 64  # of a name that somebody typed at the login
QUIET = 60.0  # seconds in which the same refusal is counted, not written again
MOST_REFUSALS = 100  # different ones in that time; what is beyond is counted together


def record(
    request: HttpRequest,
    action: Action,
    text: str,
    *,
    cluster: models.Cluster | None = None,
    target: str = "",
    outcome: Outcome = Outcome.DONE,
    **details: Any,
) -> models.AuditEntry:
    """Adds an entry; text is what was done, without the who. No password and no key may be in any of it."""
    return audit.write(
        action,
        text,
        user=user_of(request),
        address=address_of(request),
        cluster=cluster.name if cluster else "",
        target=target,
        outcome=outcome,
        details=details,
    )


def from_console(user: str, action: Action, text: str, *, target: str = "", **details: Any) -> None:
    """Adds an entry about a command on the manager's machine."""
    audit.write(action, text, user=user, address=CONSOLE, target=target, details=details)


def user_of(request: HttpRequest) -> str:
    """Who is logged in; "": nobody is."""
    user = getattr(request, "user", None)
    return user.get_username() if user is not None and user.is_authenticated else ""


def address_of(request: HttpRequest) -> str:
    """Where the request comes from, as the allowlist sees it."""
    return client_address(request)


@contextmanager
def asked(
    request: HttpRequest, action: Action, text: str, *, cluster: models.Cluster, target: str, **details: Any
) -> Iterator[Answered]:
    """Writes that something is asked of a router, and at the end what it answered to that."""
    first = record(request, action, text, cluster=cluster, target=target, outcome=Outcome.ASKED, **details)
    answered = Answered()
    try:
        yield answered
    finally:
        record(
            request,
            action,
            f"{text}: {answered.sentence}",
            cluster=cluster,
            target=target,
            outcome=Outcome.DONE if answered.ok else Outcome.FAILED,
            asked=first.pk,
            **details,
        )


@contextmanager
def attempted(
    request: HttpRequest, action: Action, text: str, *, cluster: models.Cluster, target: str
) -> Iterator[None]:
    """Runs what changes rows in a transaction with its entry; an LvsError is written down, and goes on."""
    try:
        with transaction.atomic():
            yield
            record(request, action, text, cluster=cluster, target=target)
    except LvsError as error:
        record(request, action, f"{text}: {error}", cluster=cluster, target=target, outcome=Outcome.FAILED)
        raise


def applied(request: HttpRequest, revision: models.Revision, changes: Sequence[Difference]) -> None:
    """Adds the entry about a revision that is on its way, in the transaction that froze it."""
    message = f" “{revision.message}”" if revision.message else ""
    wait = f", to be confirmed within {revision.confirm_within} s" if revision.confirm_within else ""
    record(
        request,
        Action.APPLY,
        f"applied revision {revision.number}{message}{wait}: {in_words(changes)}",
        cluster=revision.cluster,
        target=f"revision {revision.number}",
        message=revision.message,
        confirm_within=revision.confirm_within,
        changes=[str(one) for one in changes],
    )


def in_words(found: Sequence[Difference]) -> str:
    """The first few changes, and how many more there are."""
    told = "; ".join(str(one) for one in found[:TOLD])
    return f"{told}; and {len(found) - TOLD} more" if len(found) > TOLD else told


@dataclass
class Answered:
    """What came of an order; the one who gave it fills it in."""

    ok: bool = False
    sentence: str = "it is not known what came of it"

    def take(self, ok: bool, sentence: str) -> None:
        """Notes the router's answer."""
        self.ok, self.sentence = ok, sentence


@contextmanager
def watched(
    request: HttpRequest, cluster: models.Cluster, action: Action = Action.CANDIDATE, words: str = ""
) -> Iterator[None]:
    """Writes at the end what was changed in the candidate meanwhile, in the words of `lvs.config.diff`.

    Inside the transaction of the change, with the cluster locked. words: what the change as a whole was; with
    them there is an entry also when nothing differs.
    """
    with store.loads_kept():
        before, edition = store.load(cluster), store.edition(cluster)
        yield
        action, words = getattr(request, "piranha_change", (action, words))
        now = store.edition(cluster)
        if now == edition:
            return
        after = store.load(cluster)
        transaction.on_commit(partial(store.keep_pending, cluster, now, after), robust=True)
        write_change(request, cluster, action, words, differences(before, after))


def call_change(request: HttpRequest, action: Action, words: str) -> None:
    """Says what the change that `watched` looks for is as a whole."""
    request.piranha_change = (action, words)  # type: ignore[attr-defined]


def write_change(
    request: HttpRequest,
    cluster: models.Cluster,
    action: Action,
    words: str,
    found: Sequence[Difference],
) -> None:
    """Adds the entry about a change of the candidate."""
    if not found and not words:
        return  # a form that was saved as it stood
    record(
        request,
        action,
        ": ".join(part for part in (words, in_words(found)) if part),
        cluster=cluster,
        target=place_of(found),
        changes=[str(one) for one in found],
    )


def place_of(found: Sequence[Difference]) -> str:
    """The one thing that all changes are about, as `web1 of shop`; "": several, or the globals."""
    places = {one.place for one in found}
    if len(places) == 1 and len(place := next(iter(places))) in (2, 4):
        return place[1] if len(place) == 2 else f"{place[3]} of {place[1]}"
    blocks = {place[1] for place in places if len(place) > 1}
    return blocks.pop() if len(blocks) == 1 and all(places) else ""


# --- What strangers can cause as often as they like is written once a minute, with how often it was.


@dataclass
class Window:
    """The minute after an entry about a refusal, in which the same one is counted."""

    began: float
    times: int = 0


@dataclass
class Refusals:
    """Which refusals are written down, and which counted. Of each process of the web server its own."""

    windows: dict[tuple[str, ...], Window] = field(default_factory=dict)
    logins: deque[float] = field(default_factory=deque)  # when the last failed ones were written in full
    lock: threading.Lock = field(default_factory=threading.Lock)

    def has_room(self, now: float) -> bool:
        """Whether one more failed login, from whatever address, may have an entry of its own."""
        with self.lock:
            while self.logins and now - self.logins[0] >= QUIET:
                self.logins.popleft()
            if len(self.logins) >= MOST_REFUSALS:
                return False
            self.logins.append(now)
            return True

    def heard(self, what: tuple[str, ...], now: float) -> list[tuple[tuple[str, ...], int]]:
        """What is to be written now, and how often each happened; now: seconds of a steady clock."""
        with self.lock:
            ended = [key for key, window in self.windows.items() if now - window.began >= QUIET]
            due = [(key, times) for key in ended if (times := self.windows.pop(key).times)]
            if what not in self.windows and len(self.windows) >= MOST_REFUSALS:
                what = (what[0], "many addresses", *[""] * (len(what) - 2))
            if what in self.windows:
                self.windows[what].times += 1
                return due
            self.windows[what] = Window(began=now)
            return [*due, (what, 1)]


REFUSALS = Refusals()


def refused_by_role(request: HttpRequest, least: str, cluster: models.Cluster | None) -> None:
    """Adds the entry about somebody whose role is not enough. least: the role that it takes."""
    match = request.resolver_match
    what = match.url_name if match else request.path
    refused(
        request,
        Action.FORBIDDEN,
        f"{request.method} {what} takes the role {least}",
        cluster=cluster.name if cluster else "",
    )


def refused(request: HttpRequest, action: Action, text: str, *, cluster: str = "") -> None:
    """Adds an entry about somebody who was refused, at most one a minute of each kind, address and user.

    A refusal stands whether or not it can be written down.
    """
    key = (action.value, address_of(request), user_of(request), text, cluster)
    try:
        for (kind, address, user, words, where), times in REFUSALS.heard(key, time.monotonic()):
            audit.write(
                Action(kind),
                words + (f" ({times} times in a minute)" if times > 1 else ""),
                user=user,
                address=address,
                cluster=where,
                outcome=Outcome.REFUSED,
                details={"times": times},
            )
    except DatabaseError as error:
        log.warning("a refusal could not be written to the audit log: %s", error)


def login_refused(request: HttpRequest, name: str, *, is_judged: bool) -> None:
    """Adds one about a name and a password that let nobody in; never the password.

    is_judged: the password was looked at. Else nothing bounds how often that happens.
    """
    if not is_judged or not REFUSALS.has_room(time.monotonic()):
        refused(request, Action.LOGIN, "failed to log in: too many attempts, or no name or password")
        return
    record(
        request,
        Action.LOGIN,
        f"failed to log in as {name[:MOST_NAME]}",
        target=name[:MOST_NAME],
        outcome=Outcome.REFUSED,
        browser=browser_of(request),
    )


def browser_of(request: HttpRequest) -> str:
    """What the browser calls itself."""
    return str(request.META.get("HTTP_USER_AGENT", ""))[:MOST_AGENT]
