"""Disks with the packages installed, made on this machine's kernel for those that boot in a slower guest.

`python -m tests.packages.images`: the disks, the packages of this tree and those of a later build, into
var/packages/pair, which a guest sees. Nothing is set up on the disks.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.packages import debs
from tests.packages.machine import KEPT, Machine, machines

FOLDER = KEPT / "pair"
FIRST, LATER = FOLDER / "first", FOLDER / "later"
# In the words of docs/installing.md.
MANAGER = ("./piranha-common_*.deb", "./piranha-web_*.deb")
ROUTER = ("./piranha-common_*.deb", "./piranha-router_*.deb")
# What is on which disk. The successor restores what the manager wrote when it had the later build.
DISKS = {"manager": (MANAGER, "first"), "router": (ROUTER, "first"), "successor": (MANAGER, "later")}
OWN_FILES = "--option=Dpkg::Options::=--force-confold"


def image(disk: str) -> Path:
    return FOLDER / f"{disk}.tar"


def install(machine: Machine, packages: Sequence[str], build: str) -> str:
    """Installs packages of a folder of /exchange from nothing but their files; what apt says."""
    words = f"cd /exchange/{build} && apt-get install --yes --quiet {OWN_FILES} {' '.join(packages)}"
    return machine.done("sh", "-c", words)


def make(folder: Path) -> None:
    """Installs each on a clean Debian, and keeps the disk. folder: empty, for what is made on the way."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FIRST.mkdir(parents=True)
    for path in (built := debs.built()):
        shutil.copy(path, FIRST)
    debs.later(built, LATER)
    shutil.copytree(FIRST, folder / "exchange/first")
    shutil.copytree(LATER, folder / "exchange/later")
    with machines(folder, *DISKS) as made:
        for disk, machine in made.items():
            machine.start()
            install(machine, *DISKS[disk])
            machine.shut_down()
            machine.keep(image(disk))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="piranha-images-") as folder:
        make(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
