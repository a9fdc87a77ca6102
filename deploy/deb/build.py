"""Builds piranha-common, piranha-web and piranha-router: python -m deploy.deb.build [--out FOLDER].

Needs no root. The same tree gives the same packages, byte for byte: files have the time of the commit
(SOURCE_DATE_EPOCH). Who answers for them is said as Debian's tools want it, by DEBFULLNAME and DEBEMAIL.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from deploy.deb.contents import HOMEPAGE, NOBODYS, PACKAGES, PROJECT, Package, put
from deploy.deb.licences import Piece, copyright_of
from deploy.deb.version import Build, build_of
from deploy.deb.wheels import architecture

SCRIPTS = Path(__file__).parent / "scripts"
SCRIPT_NAMES = ("preinst", "postinst", "prerm", "postrm")
OVERRIDES = Path(__file__).parent / "overrides"


def main(arguments: list[str]) -> int:
    """0: built, their paths printed; 1: not, and why."""
    parser = argparse.ArgumentParser(prog="deploy.deb.build", description="Build the Debian packages.")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "deb", metavar="FOLDER")
    out: Path = parser.parse_args(arguments).out
    if shutil.which("dpkg-deb") is None:
        print("dpkg-deb is missing: build on Debian, or install the package dpkg.", file=sys.stderr)
        return 1
    build = build_of(PROJECT, dict(os.environ))
    out.mkdir(parents=True, exist_ok=True)
    try:
        for package in PACKAGES:
            print(pack(package, build, out), flush=True)
    except (RuntimeError, OSError) as error:
        print(f"{package.name} was not built: {error}", file=sys.stderr)
        return 1
    return 0


def pack(package: Package, build: Build, out: Path) -> Path:
    """Builds one package into the folder; its path."""
    machine = architecture()
    with tempfile.TemporaryDirectory(prefix="piranha-deb-") as folder:
        root = Path(folder, package.name)
        root.mkdir(mode=0o755)
        document(root, package, build, package.stage(root, build))
        compress(root)
        control(root, package, build, machine)
        tidy(root, build.made_at)
        path = out / f"{package.name}_{build.text}_{machine}.deb"
        done = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", str(root), str(path)],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(build.made_at)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return path


def maintainer(environment: Mapping[str, str] = os.environ) -> str:
    """Who answers for these packages (dch(1) reads the same). RuntimeError: that is no name or address."""
    name, address = environment.get("DEBFULLNAME", "Piranha Web"), environment.get("DEBEMAIL", NOBODYS)
    if not re.fullmatch(r"[^\s<>@]+@[^\s<>@]+", address) or not re.fullmatch(r"[^<>@,\x00-\x1f]+", name):
        raise RuntimeError("DEBFULLNAME and DEBEMAIL are no name and address: DEBEMAIL=you@your.domain")
    return f"{name} <{address}>"


def document(root: Path, package: Package, build: Build, pieces: Iterable[Piece]) -> None:
    """Licences and changes, where Debian looks for them, and what lintian is to know."""
    folder = Path("usr/share/doc", package.name)
    made_at = datetime.fromtimestamp(build.made_at, UTC)
    put(root, folder / "copyright", copyright_of(pieces, made_at.year))
    overrides = (OVERRIDES / package.name).read_text(encoding="utf-8")
    put(root, Path("usr/share/lintian/overrides", package.name), overrides)
    at = format_datetime(made_at)
    changes = f"{package.name} ({build.text}) bookworm; urgency=medium\n\n  * Built from {build.text}.\n\n"
    put(root, folder / "changelog", f"{changes} -- {maintainer()}  {at}\n")


def compress(root: Path) -> None:
    """Packs manual pages and changes, as Debian wants them."""
    for pattern in ("usr/share/man/*/*", "usr/share/doc/*/changelog"):
        for path in sorted(root.glob(pattern)):
            with Path(f"{path}.gz").open("wb") as file:
                file.write(gzip.compress(path.read_bytes(), 9, mtime=0))
            path.unlink()


def control(root: Path, package: Package, build: Build, machine: str) -> None:
    """The folder DEBIAN: fields, sums, conffiles, scripts."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files) // 1024 + len(files)
    put(root, "DEBIAN/control", fields(package, build, machine, size))
    sums = (f"{digest(path)}  {path.relative_to(root)}\n" for path in files)
    put(root, "DEBIAN/md5sums", "".join(sums))
    if package.conffiles:
        put(root, "DEBIAN/conffiles", "".join(f"{name}\n" for name in package.conffiles))
    for name in SCRIPT_NAMES:
        script = SCRIPTS / f"{package.name}.{name}"
        if script.is_file():
            put(root, f"DEBIAN/{name}", script.read_text(encoding="utf-8"), 0o755)


def fields(package: Package, build: Build, machine: str, size: int) -> str:
    """The control file (deb-control(5)). size: installed, KiB."""
    own = {name: value.format(version=build.text) for name, value in package.fields.items()}
    lines = {
        "Package": package.name,
        "Source": "piranha-web",
        "Version": build.text,
        "Architecture": machine,
        "Maintainer": maintainer(),
        "Installed-Size": str(size),
        **own,
        "Section": "net",
        "Priority": "optional",
        "Homepage": HOMEPAGE,
        "Description": package.summary,
    }
    if package.name == lines["Source"]:
        del lines["Source"]
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return text + textwrap.fill(package.description, 78, initial_indent=" ", subsequent_indent=" ") + "\n"


def digest(path: Path) -> str:
    """MD5 of a file, which is what dpkg --verify compares."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tidy(root: Path, made_at: int) -> None:
    """The same modes and times whoever builds, whenever."""
    for path in [root, *sorted(root.rglob("*"))]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (made_at, made_at), follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
