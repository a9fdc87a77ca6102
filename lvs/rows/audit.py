"""The audit log: who did what, from where, when, in which cluster, to what, and what came of it.

An entry names everything in words and has no foreign key: it outlives what it tells of. Its words come partly
from strangers (a name at the login), so whatever is no plain sign is escaped before it is written: an entry
is one line in every page, file and terminal.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Never, Self

from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.functions import Cast
from django.utils import timezone

from lvs.rows import append_only

log = logging.getLogger("piranha.audit")

LONGEST_NAME = 150
LONGEST_TEXT = 600
LONGEST_DETAIL = 4000
MOST_DETAILS = 2000  # sentences in one entry; what is beyond is in the revision
KEPT_OUT = "(kept out)"
# What a monitoring script sends may log in somewhere: the words after these are passwords, keys, cookies.
_HEADERS = re.compile(
    r"(?i)((?:\b|(?<=\\[rn]))(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,64}(?:key|token)):\s*)"
    r"((?:(?!\\r|\\n|→|\").)+)"
)
_WORDS = re.compile(
    r"(?i)((?:\b|(?<=\\[rn]))(?:pass|auth \w+|login \S+)\s+"
    r"|(?:password|passwd|pwd|token|secret|api_?key)\s*[=:]\s*)"
    r"((?:(?!\\r|\\n|[\"'&;])\S)+)"
)


def harmless(text: str, most: int = LONGEST_TEXT) -> str:
    """The text in one line of at most `most` signs, with escapes for what cannot be seen."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    shown = "".join(escaped(sign) for sign in cut)
    return shown if len(shown) <= 2 * most else shown[: 2 * most - 1] + "…"


def escaped(sign: str) -> str:
    """One sign, or its number as Python writes it where it is not seen or turns the line around it (controls,
    bidirectional formats, line separators, blanks of other widths)."""
    return sign if sign.isprintable() else sign.encode("unicode_escape", "backslashreplace").decode("ascii")


def without_secrets(sentence: str) -> str:
    """A sentence about the configuration without what a check sends to log in."""
    for pattern in (_HEADERS, _WORDS):
        sentence = pattern.sub(rf"\1{KEPT_OUT}", sentence)
    return sentence


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries in bulk: read and created, nothing else. Also the database refuses the rest."""

    def update(self, **kwargs: Any) -> Never:
        raise TypeError("An entry of the audit log never changes.")

    def delete(self) -> Never:
        raise TypeError("An entry of the audit log is not deleted: prune() removes old ones.")

    def about(self, words: str) -> Self:
        """Those that have these words in their sentence, target or details."""
        whole = self.annotate(in_details=Cast("details", models.TextField()))
        return whole.filter(
            Q(text__icontains=words) | Q(target__icontains=words) | Q(in_details__icontains=words)
        )

    def matching(
        self,
        *,
        words: str = "",
        user: str = "",
        address: str = "",
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AuditQuerySet:
        """Those that fit everything that is given. address: its beginning; until: not that moment itself."""
        found: AuditQuerySet = self.about(words) if words else self
        if user:
            found = found.of_user(user)
        if address:
            found = found.filter(address__istartswith=address)
        if action:
            found = found.filter(action=action)
        if since:
            found = found.filter(at__gte=since)
        return found.filter(at__lt=until) if until else found

    def of_user(self, name: str) -> Self:
        """What this user did, and who failed to log in under that name."""
        tried = Q(action=AuditEntry.Action.LOGIN, target=harmless(name, LONGEST_NAME))
        return self.filter(Q(user=harmless(name, LONGEST_NAME)) | tried)


class AuditEntry(models.Model):
    """One thing that somebody did, or was refused. Never changed, never deleted but by prune()."""

    class Action(models.TextChoices):
        LOGIN = "login", "log in"
        LOGOUT = "logout", "log out"
        PASSWORD = "password", "change a password"
        SECOND_FACTOR = "second_factor", "second factor"
        LOCK = "lock", "lock out for guessing"
        ACCOUNT = "account", "change accounts and roles"
        CLUSTER = "cluster", "make a cluster"
        CANDIDATE = "candidate", "change the configuration"
        IMPORT = "import", "import an lvs.cf"
        DISCARD = "discard", "discard changes"
        TAKE_BACK = "take_back", "take back a revision"
        APPLY = "apply", "apply"
        CONFIRM = "confirm", "keep a revision"
        ROLL_BACK = "roll_back", "roll back"
        TAKE_IN = "take_in", "take in a router's lvs.cf"
        PUT_BACK = "put_back", "put back on a router"
        SWITCH = "switch", "switch over"
        TAKE_OVER = "take_over", "take over by force"
        ORDER = "order", "order for real servers"
        TEST = "test", "test a check"
        CHECK = "check", "check a real server"
        KEY = "key", "make a new key"
        ENROL = "enrol", "enrol or revoke a router"
        ALLOW = "allow", "change who may reach the site"
        NETWORK = "network", "reach the site"
        FORBIDDEN = "forbidden", "do what the role does not allow"
        FOREIGN_FORM = "foreign_form", "send a form of no page"
        ALERT = "alert", "change who is alerted"
        EXPORT = "export", "export the audit log"
        PRUNE = "prune", "prune the audit log"

    class Outcome(models.TextChoices):
        DONE = "done"
        ASKED = "asked"  # of a router; another entry tells what it answered
        FAILED = "failed"
        REFUSED = "refused"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.CharField(max_length=2 * LONGEST_NAME, default="", db_index=True)  # "": nobody logged in
    address = models.CharField(max_length=96, default="")  # or "console"
    cluster = models.CharField(max_length=128, default="")  # "": it concerns none
    action = models.CharField(max_length=16, choices=Action.choices)
    target = models.CharField(max_length=2 * LONGEST_NAME, default="")  # what it was done to
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.DONE)
    text = models.TextField()
    details = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        # Its migration makes the table. Were it Django's, `flush` would try to empty it with all others.
        managed = False
        constraints = (models.CheckConstraint(condition=Q(id__gte=0), name="audit_ids_count_up"),)

    def __str__(self) -> str:
        return self.line

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("An entry of the audit log never changes.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise TypeError("An entry of the audit log is not deleted: prune() removes old ones.")

    @property
    def line(self) -> str:
        """The entry for a terminal or a log."""
        where = f" [{self.cluster}]" if self.cluster else ""
        return (
            f"{timezone.localtime(self.at):%Y-%m-%d %H:%M:%S} {self.user or '-'} "
            f"from {self.address or '-'}{where} {self.outcome}: {self.text}"
        )


def write(
    action: AuditEntry.Action,
    text: str,
    *,
    user: str = "",
    address: str = "",
    cluster: str = "",
    target: str = "",
    outcome: AuditEntry.Outcome = AuditEntry.Outcome.DONE,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Adds an entry, in the transaction that is open if one is; its line goes to the log after that."""
    entry = AuditEntry(
        user=harmless(user, LONGEST_NAME),
        address=harmless(address, 48),
        cluster=harmless(cluster, 64),
        action=action,
        target=harmless(target, LONGEST_NAME),
        outcome=outcome,
        text=harmless(without_secrets(text)),
        details=plain(details or {}),
    )
    entry.save()
    transaction.on_commit(partial(log.info, "%s", entry.line), robust=True)
    return entry


def plain(value: Any) -> Any:
    """A value of the details, with every text harmless and no list endless."""
    if isinstance(value, str):
        return harmless(without_secrets(value), LONGEST_DETAIL)
    if isinstance(value, Mapping):
        return {harmless(str(key), LONGEST_NAME): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence):
        more = [f"… and {len(value) - MOST_DETAILS} more"] if len(value) > MOST_DETAILS else []
        return [plain(one) for one in value[:MOST_DETAILS]] + more
    return value if value is None or isinstance(value, bool | int | float) else harmless(str(value))


@transaction.atomic
def prune(before: datetime, *, user: str, address: str) -> int:
    """Removes what is older, and writes down that it did; how many entries went.

    The trigger that refuses it is away only inside this transaction, which nobody else sees.
    """
    append_only.let_delete(connection)
    gone, _of_each = models.QuerySet(AuditEntry).filter(at__lt=before).delete()
    append_only.refuse_delete(connection)
    write(
        AuditEntry.Action.PRUNE,
        f"removed {gone} entries older than {timezone.localtime(before):%Y-%m-%d %H:%M}",
        user=user,
        address=address,
        details={"before": before.isoformat(), "entries": gone},
    )
    return gone
