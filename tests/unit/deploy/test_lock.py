"""requirements.lock: all that the running tool imports, the development's packages aside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Celery and kombu take them where they are, and do without elsewhere.
OPTIONAL = {"greenlet", "msgpack", "pyyaml"}
LOADED = """
import json, sys
before = set(sys.modules)
import lvs.tasks, lvs.pulse.daemon, lvs.pulse.examining, lvs.pulse.preflight
import piranha_web.celery, piranha_web.cli, piranha_web.worker
import gunicorn.app.wsgiapp, kombu.transport.redis
import django; django.setup()
import piranha_web.urls
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_what_the_tool_imports_is_installed_with_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 60, encoding="ascii")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "piranha_web.settings",
        "PIRANHA_SECRET_KEY_FILE": str(tmp_path / "key"),
        "PIRANHA_VAR": str(tmp_path),
    }
    command = [sys.executable, "-c", LOADED]
    loaded = json.loads(subprocess.check_output(command, env=environment, cwd=ROOT, text=True))
    of = packages_distributions()
    needed = {normal(of[name][0]) for name in loaded if name in of} - {"piranha-web"}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    assert {"django", "celery", "packaging"} <= needed
    assert needed - locked - OPTIONAL == set()


def normal(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
