"""`piranha manage site_state`: how far this site is set up, as JSON, for `piranha setup`. Changes nothing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from lvs import models
from lvs.machines.enrolment import Enrolment
from piranha_web.access import allow_file, passwords
from piranha_web.access.roles import ALWAYS_ADMINISTRATOR


class Command(BaseCommand):
    """The document: trouble ("": the database answers), migrated, routers, password, fits, allow."""

    help = "Print how far this site is set up, as JSON."
    requires_system_checks: Any = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password-stdin", action="store_true", help="say whether this is the password")

    def handle(self, *args: Any, **options: Any) -> None:
        hashed = passwords.hash_of(ALWAYS_ADMINISTRATOR, settings.PIRANHA_PASSWORD_FILE)
        document = {
            **database_state(),
            "password": hashed is not None,
            "fits": options["password_stdin"] and fits(sys.stdin.readline().rstrip("\r\n")),
            "allow": allowed_networks(settings.PIRANHA_ALLOW_FILE),
        }
        self.stdout.write(json.dumps(document))


def fits(password: str) -> bool:
    """Whether that is the administrator's password already."""
    return passwords.check_password(ALWAYS_ADMINISTRATOR, password, settings.PIRANHA_PASSWORD_FILE)


def database_state() -> dict[str, Any]:
    """Whether the database answers, has its tables, and which routers are in it."""
    name = str(connection.settings_dict["NAME"])
    nothing = {"trouble": "", "migrated": False, "routers": []}
    if connection.vendor == "sqlite" and not Path(name).exists():
        return nothing  # to look would make it
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return nothing
        return nothing | {"migrated": True, "routers": routers()}
    except DatabaseError as error:
        return nothing | {"trouble": " ".join(str(error).split())}


def routers() -> list[dict[str, Any]]:
    """Each router: name, cluster, node, whether it is enrolled, and whether a token waits for it."""
    now = timezone.now()
    found = []
    for one in models.Router.objects.select_related("cluster").order_by("name"):
        last = Enrolment.last_of(one)
        found.append(
            {
                "name": one.name,
                "cluster": one.cluster.name,
                "node": one.node,
                "enrolled": last is not None and last.revoked_at is None,
                "invited": Enrolment.open_of(one, now) is not None,
            }
        )
    return found


def allowed_networks(path: Path) -> dict[str, str] | None:
    """The list of allowed networks with its notes; None: there is none."""
    listing = allow_file.read(path)
    if listing is None:
        return None
    return {str(entry.network): entry.note for entry in listing.entries}
