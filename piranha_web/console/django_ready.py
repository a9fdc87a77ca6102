"""Django for a `piranha` command: set up only where one needs it, for the others must start quickly."""

from __future__ import annotations

import os
import sys


def set_up_django() -> None:
    """Has Django read the site's settings; ImproperlyConfigured says what in the environment is wrong."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    import django

    django.setup()


def set_up_or_say() -> bool:
    """The same; a sentence on the terminal in place of the error, and False."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        set_up_django()
    except ImproperlyConfigured as error:
        why = str(error).rstrip(".")
        sys.stderr.write(f"{why}. Mend that in the environment, then try again. Nothing was changed.\n")
        return False
    return True
