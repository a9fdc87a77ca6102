"""The site as a WSGI application (gunicorn piranha_web.wsgi)."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")

if not os.environ.get("PIRANHA_SECRET_KEY_FILE"):
    raise ImproperlyConfigured(
        "PIRANHA_SECRET_KEY_FILE is not set. Name a file with at least 50 random characters, readable by "
        "this user alone; `make run` makes one."
    )

application = get_wsgi_application()

from piranha_web import warming  # noqa: E402 - rows can be asked for only now that Django is set up

warming.begin()
