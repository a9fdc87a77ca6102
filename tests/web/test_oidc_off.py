"""Sign-in by OpenID Connect is off at first: its library, which need not be installed, is not touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

PROJECT = Path(__file__).parent.parent.parent
SITE = """
import sys
import django
django.setup()
import piranha_web.urls
from django.conf import settings
print(*[name for name in ("mozilla_django_oidc", "requests", "jwt") if name in sys.modules])
print(*settings.AUTHENTICATION_BACKENDS)
"""


def test_the_library_is_loaded_when_somebody_signs_in_by_it_and_not_before() -> None:
    given = {"DJANGO_SETTINGS_MODULE": "piranha_web.settings", "PIRANHA_OIDC_FILE": "/etc/piranha/oidc.json"}

    done = subprocess.run(
        [sys.executable, "-c", SITE],
        cwd=PROJECT,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=True,
    )

    loaded, backends = done.stdout.splitlines()
    assert loaded == ""
    assert "piranha_web.access.oidc.IssuerBackend" in backends
    assert settings.PIRANHA_OIDC_FILE is None
    assert "piranha_web.access.oidc.IssuerBackend" not in settings.AUTHENTICATION_BACKENDS
