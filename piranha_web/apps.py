"""The site as a Django application: its template tags, and the Celery application that sends tasks."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from piranha_web.access.private import at_connection


class SiteApp(AppConfig):
    """Makes the Celery application the current one before any view may send a task; the database private."""

    name = "piranha_web"

    def ready(self) -> None:
        import_module("piranha_web.celery")
        connection_created.connect(at_connection)
