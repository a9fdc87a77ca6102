"""Whether a command on the manager's machine has the database at hand; in another folder it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection

from lvs import models
from piranha_web.access import lockout, second_factor
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR
from piranha_web.databases.url import described

ELSEWHERE = "If the web server keeps its things in another folder, run this again with its PIRANHA_VAR."


def file_missing(connection: Any) -> str:
    """That there is no file of SQLite yet, which asking would make; "": there is, or it is no file."""
    name = str(connection.settings_dict["NAME"])
    is_file = connection.vendor == "sqlite" and not name.startswith("file:")
    return f"there is no {name} yet" if is_file and not Path(name).exists() else ""


def database_trouble() -> str:
    """Why the database cannot be used, with its name; "": it can. One that is not there is not made."""
    name = described(connection.settings_dict)
    if trouble := file_missing(connection):
        return trouble
    try:
        models.Account.objects.exists()
        models.Login.objects.exists()
        models.AuditEntry.objects.exists()
        models.Enrolment.objects.exists()
        second_factor.holders()
        lockout.known_networks(ALWAYS_ADMINISTRATOR)
    except DatabaseError as error:
        return f"{name}: {error}"
    return ""
