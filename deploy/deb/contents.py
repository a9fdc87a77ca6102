"""What each package is: its control file, and where its files come from and go to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.deb import completion, manpages
from deploy.deb.licences import Piece, of_python, of_sphinx, of_vendored
from deploy.deb.version import Build
from deploy.deb.wheels import HOME, SITE, install

PROJECT = Path(__file__).resolve().parents[2]
APP = HOME / "app"
UNITS = Path("usr/lib/systemd/system")
CODE = ("lvs", "piranha_web", "templates", "static")
GUIDE = PROJECT / "build" / "guide"
HOMEPAGE = "http://www.linuxvirtualserver.org/"
NOBODYS = "piranha@localhost"  # in place of an address: the project has none

PROGRAM = """\
#!/usr/lib/piranha/bin/python3 -I
import sys

from piranha_web.cli import main

sys.exit(main())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package. fields: of its control file beside those that all have.

    stage: fills its folder; what in there others made.
    """

    name: str
    fields: Mapping[str, str]
    summary: str
    description: str
    stage: Callable[[Path, Build], tuple[Piece, ...]]
    conffiles: tuple[str, ...] = field(default=())


def put(root: Path, target: Path | str, text: str, mode: int = 0o644) -> None:
    """A file with that text below root."""
    path = root / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def copy(root: Path, source: str, target: Path | str, mode: int = 0o644) -> None:
    """A file of the project below root."""
    path = root / target
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / source, path)
    path.chmod(mode)


def tracked(folder: str) -> list[str]:
    """The project's files below a folder, as git knows them; all of them where there is no repository."""
    done = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files", "-z", "--", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0 and done.stdout:
        return [name for name in sorted(done.stdout.split("\0")) if name and (PROJECT / name).is_file()]
    found = (path for path in (PROJECT / folder).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(PROJECT)) for path in found if "__pycache__" not in path.parts)


def stage_common(root: Path, build: Build) -> tuple[Piece, ...]:
    """Python with all that the lock pins, our code, the command with its pages and completions."""
    brought = install(PROJECT / "requirements.lock", root)
    for folder in CODE:
        for name in tracked(folder):
            copy(root, name, APP / name)
    about = SITE / f"piranha_web-{build.text}.dist-info"
    put(root, about / "METADATA", f"Metadata-Version: 2.1\nName: piranha-web\nVersion: {build.text}\n")
    put(root, "usr/bin/piranha", PROGRAM, 0o755)
    copy(root, "deploy/systemd/sysusers.conf", "usr/lib/sysusers.d/piranha.conf")
    copy(root, "deploy/systemd/tmpfiles.conf", "usr/lib/tmpfiles.d/piranha.conf")
    put(root, "usr/share/bash-completion/completions/piranha", completion.bash())
    put(root, "usr/share/zsh/vendor-completions/_piranha", completion.zsh())
    for name, text in manpages.pages(build.text, build.made_at).items():
        section = name.rpartition(".")[2]
        put(root, Path("usr/share/man", f"man{section}", name), text)
    for name in (*tracked("docs"), "README.md"):
        if name.endswith(".md") or "/samples/" in name:
            copy(root, name, Path("usr/share/doc/piranha-common", name.removeprefix("docs/")))
    for folder in ("checks", "grafana", "prometheus", "redis"):
        for name in tracked(f"deploy/{folder}"):
            target = Path("usr/share/doc/piranha-common/examples", folder, Path(name).name)
            copy(root, name, target, 0o755 if folder == "checks" else 0o644)
    (root / "etc/piranha").mkdir(parents=True)
    vendored = APP / "static/vendor"
    return (*of_python(root / SITE, str(SITE), brought), *of_vendored(root / vendored, str(vendored)))


def stage_web(root: Path, build: Build) -> tuple[Piece, ...]:
    """The units of the manager, and the guide where it was built."""
    for unit in ("piranha-redis.service", "piranha-web.service", "piranha-manager.service"):
        copy(root, f"deploy/systemd/{unit}", UNITS / unit)
    if not GUIDE.is_dir():
        return ()
    for path in sorted(GUIDE.rglob("*")):
        if path.is_file() and ".doctrees" not in path.parts and path.name != ".buildinfo":
            copy(root, str(path.relative_to(PROJECT)), HOME / "guide" / path.relative_to(GUIDE))
    static = HOME / "guide/_static"
    vendored = of_vendored(PROJECT / "static/vendor", str(APP / "static/vendor"))
    taken = (
        replace(one, files=(str(static / "bootstrap.min.css"),))
        for one in vendored
        if one.name.startswith("bootstrap-")
    )
    return (*of_sphinx(root / static, str(static)), *taken)


def stage_router(root: Path, build: Build) -> tuple[Piece, ...]:
    """The units of a router."""
    for unit in ("pulse.service", "piranha-worker.service", "piranha-rules.service"):
        copy(root, f"deploy/systemd/{unit}", UNITS / unit)
    copy(root, "deploy/systemd/pulse.default", "etc/default/pulse")
    return ()


COMMON = Package(
    name="piranha-common",
    fields={
        "Depends": "python3.11, libc6 (>= 2.34), libstdc++6, zlib1g, iproute2, "
        "systemd | systemd-standalone-sysusers, adduser, tzdata, media-types",
        "Recommends": "bash-completion",
    },
    summary="Linux Virtual Server clusters: the command and what it needs",
    description="What the panels (piranha-web) and the routers (piranha-router) of Piranha Web have in "
    "common: the piranha command, and the Python packages that it needs, in an environment of their own.",
    stage=stage_common,
)
WEB = Package(
    name="piranha-web",
    fields={
        "Depends": "piranha-common (= {version})",
        "Recommends": "redis-server",
        "Suggests": "piranha-router, postgresql",
    },
    summary="set up and watch Linux Virtual Server clusters from a browser",
    description="The panels of Piranha Web, and the manager that carries configurations to the routers of a "
    "cluster (piranha-router, on this machine or on others). After installing it: piranha setup.",
    stage=stage_web,
)
ROUTER = Package(
    name="piranha-router",
    fields={
        "Depends": "piranha-common (= {version}), nftables, kmod",
        "Suggests": "ipvsadm, conntrack",
    },
    summary="router of a Linux Virtual Server cluster",
    description="pulse, which looks after this machine's IPVS table, floating addresses and nftables table, "
    "checks the real servers, and takes over when the other router of a pair dies; and the worker that "
    "carries to it what the manager (piranha-web) sends.",
    stage=stage_router,
    conffiles=("/etc/default/pulse",),
)
PACKAGES = (COMMON, WEB, ROUTER)
