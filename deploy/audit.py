#!/usr/bin/env python3
"""Asks whether a known vulnerability is in what this tool is installed with: deploy/audit.py [LOCK...]

pip-audit looks up the exact versions of the locks at pypi.org. Where it cannot, it skips them and is content;
this says so and is not. Exit status: 0: every package was looked up and nothing is known, 1: something is
known, 2: not everything could be looked up, so nothing is said of the rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock")
# --disable-pip: nothing is resolved or downloaded, which the locks' hashes make possible.
OPTIONS = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
FINE, KNOWN, NOT_LOOKED_UP = 0, 1, 2
MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Ran:
    """What pip-audit printed."""

    output: str
    errors: str


Run = Callable[[str], Ran]


def run(lock: str) -> Ran:
    """pip-audit about one lock."""
    program = Path(sys.executable).with_name("pip-audit")
    done = subprocess.run(
        [program, "--requirement", lock, *OPTIONS], capture_output=True, text=True, check=False
    )
    return Ran(done.stdout, done.stderr)


def audit(lock: str, run: Run) -> int:
    """Tells of one lock; the exit status."""
    ran = run(lock)
    packages = packages_of(ran.output)
    if not packages:
        lines = ran.errors.strip().splitlines()
        print(f"{lock}: could not be looked up: {lines[-1] if lines else 'pip-audit said nothing'}")
        return NOT_LOOKED_UP
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    known = [
        f"{one['name']} {one.get('version', '')}: {found['id']}, mended in {mended(found)}"
        for one in packages
        for found in one.get("vulns", [])
    ]
    for line in known:
        print(f"{lock}: {line}")
    if skipped:
        more = f" and {len(skipped) - MOST_NAMES} more" if len(skipped) > MOST_NAMES else ""
        print(
            f"{lock}: {len(skipped)} of {len(packages)} packages could not be looked up "
            f"({', '.join(skipped[:MOST_NAMES])}{more}): run this where pypi.org can be reached."
        )
    if not known and not skipped:
        print(f"{lock}: nothing is known against any of its {len(packages)} packages")
    return KNOWN if known else NOT_LOOKED_UP if skipped else FINE


def packages_of(output: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package; nothing where it says nothing."""
    try:
        found = json.loads(output)
    except ValueError:
        return []
    listed = found.get("dependencies", []) if isinstance(found, dict) else []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]


def mended(found: dict[str, Any]) -> str:
    """The versions that do not have it."""
    return " or ".join(found.get("fix_versions", [])) or "no version yet"


def main(locks: Sequence[str], run: Run = run) -> int:
    """Tells of each lock; the worst of their exit statuses, what is known before what is not."""
    statuses = {audit(lock, run) for lock in locks or LOCKS}
    return next((one for one in (KNOWN, NOT_LOOKED_UP) if one in statuses), FINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
