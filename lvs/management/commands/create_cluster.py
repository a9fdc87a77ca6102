"""`piranha manage create_cluster`: a cluster without a browser."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from lvs import store


class Command(BaseCommand):
    """The page "New cluster" does the same."""

    help = "Create a cluster and name its routers; what else there is to say is said in the panels."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--primary", required=True, metavar="ROUTER")
        parser.add_argument("--backup", default="", metavar="ROUTER")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cluster = store.create_cluster(options["name"], options["primary"], options["backup"])
        except IntegrityError as error:
            raise CommandError(
                "Nothing was created: the cluster's or a router's name is taken. Choose other names."
            ) from error
        self.stdout.write(f"Created the cluster {cluster.name}.")
