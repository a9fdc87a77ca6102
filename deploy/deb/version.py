"""Which version a build is: pyproject.toml's, and how far the checkout has gone on since."""

from __future__ import annotations

import re
import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Build:
    """text: as Debian and Python write it, e.g. 0.1.0+812.g3f2a9c1; made_at: seconds since the epoch.

    A later commit sorts behind an earlier one for dpkg and for pip, by the number of commits, and
    behind the bare version, which only the commit of its tag has.
    """

    text: str
    made_at: int


def build_of(project: Path, environment: dict[str, str]) -> Build:
    """The build that this tree is; made_at is SOURCE_DATE_EPOCH's, else that of the commit."""
    base = str(tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    count, commit, at = (
        git(project, "rev-list", "--count", "HEAD"),
        git(project, "rev-parse", "--short=8", "HEAD"),
        git(project, "log", "-1", "--format=%ct"),
    )
    made_at = int(environment.get("SOURCE_DATE_EPOCH") or at or time.time())
    if not commit:  # an unpacked archive
        return Build(base, made_at)
    changed = ".dirty" if git(project, "status", "--porcelain", "--untracked-files=no") else ""
    if not changed and f"v{base}" in git(project, "tag", "--points-at", "HEAD").split():
        return Build(base, made_at)
    return Build(f"{base}+{count}.g{commit}{changed}", made_at)


def git(project: Path, *words: str) -> str:
    """What git says; nothing where there is no repository or no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *words], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def names_in(lock: str) -> dict[str, str]:
    """The blocks of a requirements file by the name of what they pin."""
    found = {}
    for block in re.split(r"\n(?=[a-zA-Z0-9])", "\n" + lock):
        if name := re.match(r"\s*([a-zA-Z0-9._-]+)==", block):
            found[name[1].lower()] = block.strip() + "\n"
    return found
