"""The words of `piranha oidc`; what it does is imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from piranha_web.console.django_ready import set_up_django

Command = Callable[[argparse.Namespace], int]


def add_oidc(add: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    """Whether people can sign in by an issuer, on the manager's machine."""
    text = "Try sign-in by OpenID Connect: read its file, ask the issuer, and print what both say."
    one = add("oidc", oidc, text)
    one.add_argument("--file", type=Path, help="the file (default: PIRANHA_OIDC_FILE)")


def oidc(arguments: argparse.Namespace) -> int:
    set_up_django()
    from piranha_web.console.oidc_command import oidc_command

    return oidc_command(arguments.file)
