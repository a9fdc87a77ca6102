"""`piranha manage enrol_here ROUTER`: this machine, the manager's own, becomes that router, by no token."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lvs import models
from lvs.errors import LvsError
from lvs.machines.worker_file import path_in
from piranha_web import audit
from piranha_web.console.audit_command import console_user
from piranha_web.setup.here import enrol


class Command(BaseCommand):
    """What `piranha enrol` and `piranha join` do between two machines."""

    help = "Make this machine, the manager's own, the router of that name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("router")
        parser.add_argument("--file", type=Path, default=path_in(os.environ), metavar="PATH")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["router"]
        router = models.Router.objects.filter(name=name).first()
        if router is None:
            raise CommandError(f"There is no router {name}. Nothing was changed.")
        user = console_user(os.environ)
        try:
            enrol(router, options["file"], by=user, now=timezone.now())
        except (LvsError, OSError, redis.RedisError) as error:
            raise CommandError(f"{name} is not enrolled: {error}") from error
        audit.from_console(user, audit.Action.ENROL, f"enrolled {name} on this machine", target=name)
        self.stdout.write(f"This machine is the router {name} now.")
