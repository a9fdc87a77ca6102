"""Counting failed logins, and who has to wait: rows of django-axes, for all processes of the web server.

What makes a lock says `piranha_web.access.failures`. Of axes we use the tables, the backend that stands in
front of all others, and the signals. The handler is ours, because its own keeps what was posted, counts each
browser's name by itself, and writes at every attempt of somebody who is locked out already.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from piranha_web import audit
from piranha_web.access import passwords
from piranha_web.access.addresses import client_address
from piranha_web.access.failures import (
    WINDOW,
    Failures,
    Kind,
    Lock,
    every_lock,
    in_words,
    locks,
    network_of,
    wait_in_words,
)

log = logging.getLogger("piranha.access")

KNOWN_FOR = timedelta(days=90)  # without another login from there
MOST_KNOWN = 50  # networks of one account
MOST_ROWS = 10_000  # pairs of a name and a network of which failures are kept
DROPPED = 200  # at once, when there are more
MOST_NAME = 150


def axes_network(request: HttpRequest) -> str | None:
    """The network that a request comes from, as axes keeps it (AXES_CLIENT_IP_CALLABLE)."""
    return network(request) or None


def network(request: HttpRequest) -> str:
    """The network that a request comes from; "": it has no address."""
    return network_of(client_address(request))


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """What axes calls: before a password is looked at, after it was wrong, after a login."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        return lock_of(request, name_in(credentials)) is not None

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        if request is not None and not request.axes_locked_out:  # type: ignore[attr-defined]
            failed(request, name_in(credentials))

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        succeeded(user.get_username(), network(request))

    def user_logged_out(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        """Nothing is kept about it here."""


def name_in(credentials: dict[str, Any] | None) -> str:
    """The name that somebody tries; "": a way to log in that knows none before."""
    return str((credentials or {}).get("username") or "")[:MOST_NAME]


def lock_of(request: HttpRequest, name: str) -> Lock | None:
    """The lock in the way of whoever asks, the one that ends last; None: there is none."""
    found = locks_of(name, network(request), timezone.now())
    return max(found.values(), key=lambda one: one.until, default=None)


def locks_of(name: str, where: str, now: datetime) -> dict[Kind, Lock]:
    """Each that is in the way of that name from that network."""
    rows = AccessAttempt.objects.filter(Q(username=name) | of_network(where))
    return locks(counted(rows), name, where, known_networks(name), now)


def of_network(where: str) -> Q:
    """The rows of a network."""
    return Q(ip_address=where) if where else Q(ip_address__isnull=True)


def counted(rows: QuerySet[Any]) -> list[Failures]:
    """Rows of axes as values."""
    found = rows.values_list("username", "ip_address", "failures_since_start", "attempt_time")
    return [Failures(name or "", where or "", times, last) for name, where, times, last in found]


def known_networks(name: str) -> frozenset[str]:
    """The networks from which the account has logged in of late."""
    since = timezone.now() - KNOWN_FOR
    found = AccessLog.objects.filter(username=name, attempt_time__gt=since)
    return frozenset(found.values_list("ip_address", flat=True)) if name else frozenset()


def is_known(request: HttpRequest, name: str) -> bool:
    """Whether the account has logged in from there before."""
    return network(request) in known_networks(name)


def refusal(lock: Lock, now: datetime) -> str:
    """What whoever has to wait is told; the same whether or not there is such an account."""
    return (
        f"Too many attempts. Wait {wait_in_words(lock.until, now)}, then try again. On the machine that "
        "serves these pages `piranha unlock` says who waits, and `piranha unlock --all` ends the wait."
    )


def failed(request: HttpRequest, name: str) -> None:
    """Counts a wrong password or code; what locks somebody out by that goes into the audit log, once."""
    now = timezone.now()
    for one in count(name[:MOST_NAME], network(request), now):
        audit.record(
            request,
            audit.Action.LOCK,
            f"locked out {told(one)} after {one.times} failures, for {wait_in_words(one.until, now)}",
            target=one.name[: audit.MOST_NAME],
            outcome=audit.Outcome.REFUSED,
            kind=one.kind.name.lower(),
            network=one.network,
        )
        log.warning("locked out %s after %d failures", ascii(told(one)), one.times)


def told(lock: Lock) -> str:
    """What a lock is about, in words."""
    name = lock.name[: audit.MOST_NAME]
    if lock.kind is Kind.NAME:
        return f"{name} from every network that is not known of it"
    where = in_words(lock.network) or "no address"
    return f"{name or 'no name'} from {where}" if lock.kind is Kind.PAIR else f"everybody from {where}"


@transaction.atomic
def count(name: str, where: str, now: datetime) -> list[Lock]:
    """Counts a failure; the locks that begin with it. During a lock nothing is: that would prolong it.

    In one transaction, which keeps the other processes out: no failure is lost, and each lock begins once.
    """
    AccessAttempt.objects.filter(attempt_time__lte=now - WINDOW).delete()
    if locks_of(name, where, now):
        return []
    row, is_new = AccessAttempt.objects.get_or_create(
        username=name,
        ip_address=where or None,
        user_agent="",
        defaults={"failures_since_start": 0, "path_info": ""},
    )
    AccessAttempt.objects.filter(pk=row.pk).update(
        failures_since_start=F("failures_since_start") + 1, attempt_time=now
    )
    if is_new and AccessAttempt.objects.count() > MOST_ROWS:
        # Those with the fewest failures go first: made-up names push out each other, not the locked ones.
        few = AccessAttempt.objects.exclude(pk=row.pk).order_by("failures_since_start", "attempt_time")
        AccessAttempt.objects.filter(pk__in=list(few.values_list("pk", flat=True)[:DROPPED])).delete()
    return list(locks_of(name, where, now).values())


@transaction.atomic
def succeeded(name: str, where: str) -> None:
    """After a whole login: the network is known of the account, and its failures there are forgotten.

    Not those of the whole network: somebody who has an account there could else guess at others without end.
    """
    if not where:
        return
    AccessAttempt.objects.filter(username=name, ip_address=where).delete()
    of_old = Q(attempt_time__lte=timezone.now() - KNOWN_FOR)
    AccessLog.objects.filter(Q(username=name, ip_address=where) | of_old).delete()
    AccessLog.objects.create(username=name, ip_address=where, user_agent="", http_accept="", path_info="")
    kept = (
        AccessLog.objects.filter(username=name).order_by("-attempt_time", "-pk").values_list("pk", flat=True)
    )
    AccessLog.objects.filter(pk__in=list(kept[MOST_KNOWN:])).delete()


def forget(name: str) -> None:
    """The account is gone: nothing is kept of it."""
    AccessAttempt.objects.filter(username=name).delete()
    AccessLog.objects.filter(username=name).delete()


def current() -> list[Lock]:
    """Every lock that there is now, those that end last first."""
    now = timezone.now()
    found = counted(AccessAttempt.objects.filter(attempt_time__gt=now - WINDOW))
    known: defaultdict[str, set[str]] = defaultdict(set)
    logins = AccessLog.objects.filter(attempt_time__gt=now - KNOWN_FOR)
    for name, where in logins.values_list("username", "ip_address"):
        known[name].add(where)
    return every_lock(found, known, now)


def unlock(name: str | None, where: str | None) -> int:
    """Forgets the failures of a name, of a network (None: of each), or of both together; how many rows."""
    rows = AccessAttempt.objects.all()
    if name is not None:
        rows = rows.filter(username=name)
    if where is not None:
        rows = rows.filter(of_network(where))
    gone, _of_each = rows.delete()
    return int(gone)


def wrong_password(request: HttpRequest, name: str, password: str) -> str:
    """Why this is not taken for the password of somebody who is logged in; "": it is. Counts like a login."""
    if lock := lock_of(request, name):
        return refusal(lock, timezone.now())
    if passwords.check_password(name, password, settings.PIRANHA_PASSWORD_FILE):
        return ""
    failed(request, name)
    return "This is not your present password."
