"""The words of `piranha oidc`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]


def add_oidc(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Whether people can sign in by an issuer, on the manager's machine."""
    text = "Try sign-in by OpenID Connect: read its file, ask the issuer, and print what both say."
    one = add("oidc", oidc, text)
    one.add_argument("--file", type=Path, help="the file (default: PIRANHA_OIDC_FILE)")


def oidc(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    import django

    django.setup()
    from piranha_web.oidc_command import oidc_command

    return oidc_command(arguments.file)
