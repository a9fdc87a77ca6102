"""The site as a Django application: its template tags, and the Celery application that sends tasks."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class SiteApp(AppConfig):
    """Makes the Celery application the current one before any view may send a task."""

    name = "piranha_web"

    def ready(self) -> None:
        import_module("piranha_web.celery")
