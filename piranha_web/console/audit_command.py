"""`piranha audit`: the audit log on the manager's machine, and how old entries go. Needs Django set up."""

from __future__ import annotations

import json
import os
import pwd
import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from lvs import models
from lvs.rows import audit
from piranha_web.audit import CONSOLE
from piranha_web.console.database import ELSEWHERE, database_trouble
from piranha_web.forms.audit import MomentField
from piranha_web.views.audit import BATCH, as_document

LONGEST_DAYS = 36_500
UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d{1,6})\s*([mhdw])")


def audit_command(arguments: Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Prints the entries that fit, oldest first as in a log; or prunes. The exit code: 2 for wrong words."""
    if trouble := database_trouble():
        sys.stderr.write(f"The audit log cannot be read here: {trouble}. {ELSEWHERE}\n")
        return 1
    now = timezone.now()
    if arguments.prune is not None:
        return prune(arguments.prune, now, environment)
    try:
        since, until = moment(arguments.since, now), moment(arguments.until, now)
    except ValidationError as error:
        sys.stderr.write(" ".join(error.messages) + "\n")
        return 2
    entries = models.AuditEntry.objects.matching(
        words=arguments.text,
        user=arguments.user,
        address=arguments.address,
        action=arguments.action,
        since=since,
        until=until,
    ).order_by("pk")
    for entry in entries.iterator(chunk_size=BATCH):
        line = json.dumps(as_document(entry), ensure_ascii=False) if arguments.json else entry.line
        sys.stdout.write(f"{line}\n")
    return 0


def prune(days: int, now: datetime, environment: Mapping[str, str]) -> int:
    """Removes what is older than that many days."""
    if not 1 <= days <= LONGEST_DAYS:
        sys.stderr.write(f"Keep 1 to {LONGEST_DAYS} days. Nothing was removed.\n")
        return 2
    gone = audit.prune(now - timedelta(days=days), user=console_user(environment), address=CONSOLE)
    sys.stdout.write(f"Removed {gone} {'entry' if gone == 1 else 'entries'} older than {days} days.\n")
    return 0


def moment(text: str | None, now: datetime) -> datetime | None:
    """A date and time, or how long ago (30m, 12h, 7d, 4w); None for None."""
    if not text:
        return None
    if length := _LENGTH.fullmatch(text.strip()):
        try:
            return now - timedelta(seconds=int(length[1]) * UNITS[length[2]])
        except OverflowError as error:
            raise ValidationError("That is before all calendars: write a shorter time.") from error
    found: datetime | None = MomentField("").clean(text.strip())
    return found


def console_user(environment: Mapping[str, str]) -> str:
    """The user of this process, and who became that by sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    by = environment.get("SUDO_USER", "")
    return f"{name} (sudo by {by})" if by and by != name else name
