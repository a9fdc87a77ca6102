"""Django for a `piranha` command: set up only where one needs it, for the others must start quickly."""

from __future__ import annotations

import os


def set_up_django() -> None:
    """Has Django read the site's settings; ImproperlyConfigured says what in the environment is wrong."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    import django

    django.setup()
