"""The packages under test: built from this tree, and once more as a later build of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.deb.contents import PACKAGES
from deploy.deb.version import build_of
from deploy.deb.wheels import SITE
from tests.packages.machine import PROJECT


def built() -> list[Path]:
    """The three packages of this tree; those that `make deb` has built of it, where nothing changed since."""
    folder, text = PROJECT / "build" / "deb", build_of(PROJECT, dict(os.environ)).text
    found = sorted(folder.glob(f"*_{text}_*.deb"))
    if len(found) == len(PACKAGES) and "+" in text and "dirty" not in text:
        return found
    words = [sys.executable, "-m", "deploy.deb.build", "--out", str(folder)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def later(debs: list[Path], folder: Path) -> list[Path]:
    """The same files as a build that is one commit further on."""
    folder.mkdir(exist_ok=True)
    return [again(path, folder) for path in debs]


def again(path: Path, folder: Path) -> Path:
    old = path.name.split("_")[1]
    new = re.sub(r"\+(\d+)", lambda found: f"+{int(found[1]) + 1}", old) if "+" in old else f"{old}+1"
    with tempfile.TemporaryDirectory() as unpacked:
        root = Path(unpacked)
        subprocess.run(["dpkg-deb", "--raw-extract", str(path), str(root)], check=True)
        control = root / "DEBIAN/control"
        control.write_text(control.read_text().replace(old, new))
        for about in (root / SITE).glob("piranha_web-*.dist-info"):
            (about / "METADATA").write_text((about / "METADATA").read_text().replace(old, new))
            about.rename(about.with_name(f"piranha_web-{new}.dist-info"))
        made = folder / path.name.replace(old, new)
        words = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(root), str(made)]
        subprocess.run(words, check=True, capture_output=True)
    return made
