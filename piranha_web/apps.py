"""The site as a Django application: its template tags, and the Celery application that sends tasks."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from piranha_web.access import private
from piranha_web.databases import rest


class SiteApp(AppConfig):
    """Makes the Celery application the current one before any view may send a task; the database private, and
    who has it open known."""

    name = "piranha_web"

    def ready(self) -> None:
        import_module("piranha_web.celery")
        connection_created.connect(private.at_connection)
        connection_created.connect(rest.at_connection)
