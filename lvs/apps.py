"""The database layer as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class LvsApp(AppConfig):
    """Registers `lvs.models`; everything else in the package works without Django."""

    name = "lvs"
    default_auto_field = "django.db.models.BigAutoField"
