"""`piranha manage doctor_looks`: what `piranha doctor` wants to know of the site, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from piranha_web.doctor import of_site
from piranha_web.doctor.findings import document
from piranha_web.doctor.limited import all_of


class Command(BaseCommand):
    """It runs as the site's user, so that no file of the database is left that is root's."""

    help = "Print what piranha doctor finds of this site, as JSON."
    requires_system_checks: Any = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(document(all_of(of_site.looks()))))
