"""The settings file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIRANHA_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=clean
        | {"PIRANHA_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "piranha_web.settings"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_server_refuses_to_start_without_a_secret_key_and_says_what_to_do(tmp_path: Path) -> None:
    found = run("import piranha_web.wsgi", tmp_path)

    assert found.returncode != 0
    assert "PIRANHA_SECRET_KEY_FILE" in found.stderr.splitlines()[-1]


def test_the_server_starts_with_a_key_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 60)

    found = run("import piranha_web.wsgi", tmp_path, PIRANHA_SECRET_KEY_FILE=str(key))

    assert found.returncode == 0, found.stderr


def test_there_is_no_secret_key_by_default(tmp_path: Path) -> None:
    found = run("from django.conf import settings; settings.SECRET_KEY", tmp_path)

    assert "SECRET_KEY setting must not be empty" in found.stderr


def test_the_settings_need_neither_celery_nor_the_database(tmp_path: Path) -> None:
    code = "import sys, piranha_web.settings; sys.exit('celery' in sys.modules or 'redis' in sys.modules)"

    assert run(code, tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY"])
def test_scripts_cannot_read_the_cookies(tmp_path: Path, name: str) -> None:
    assert run(f"import piranha_web.settings as s; assert s.{name}", tmp_path).returncode == 0


def test_cookies_keep_to_https_when_the_environment_says_so(tmp_path: Path) -> None:
    code = "import piranha_web.settings as s; assert s.SESSION_COOKIE_SECURE and s.CSRF_COOKIE_SECURE"

    assert run(code, tmp_path, PIRANHA_HTTPS="1").returncode == 0


def test_the_database_is_named_by_the_environment(tmp_path: Path) -> None:
    code = "import piranha_web.settings as s; print(s.DATABASES['default']['NAME'], s.PIRANHA_PASSWORD_FILE)"

    found = run(code, tmp_path, PIRANHA_DATABASE="/elsewhere/x.sqlite3")

    assert found.stdout.split() == ["/elsewhere/x.sqlite3", str(tmp_path / "piranha.passwd")]


def test_the_port_is_a_port_and_nothing_guards_it_unless_asked_for(tmp_path: Path) -> None:
    code = "import piranha_web.settings as s; print(s.PIRANHA_PORT, repr(s.PIRANHA_GUARD))"

    assert run(code, tmp_path).stdout == "3636 ''\n"
    assert run(code, tmp_path, PIRANHA_PORT="443", PIRANHA_GUARD=" r1 ").stdout == "443 'r1'\n"
    assert "PIRANHA_PORT must be a number from 1 to 65535" in run(code, tmp_path, PIRANHA_PORT="0").stderr


def test_sessions_end_after_half_an_hour_of_rest_and_after_half_a_day_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    code = "import piranha_web.settings as s; print(s.PIRANHA_SESSION_IDLE, s.PIRANHA_SESSION_LONGEST)"

    assert run(code, tmp_path).stdout == "0:30:00 12:00:00\n"
    found = run(code, tmp_path, PIRANHA_SESSION_IDLE="600", PIRANHA_SESSION_LONGEST="10")
    assert found.stdout == "10:00:00 10:00:00\n"
    for wrong in ("0", "-1", "", "1.5", "9" * 30):
        found = run(code, tmp_path, PIRANHA_SESSION_IDLE=wrong)
        assert "PIRANHA_SESSION_IDLE must be a number from 1 to 1440" in found.stderr
