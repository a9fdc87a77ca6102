"""Where an installation lies, and its commands, run as its administrator would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import piranha_web
from lvs.errors import LvsError
from lvs.machines import rights, worker_file
from lvs.pulse.terminal import harmless
from piranha_web import installed
from piranha_web.tls import making

COMMAND_SECONDS = 300  # the tables of a large database that is new; everything else takes moments
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
UNITS = tuple(map(Path, ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")))


CODE = Path(piranha_web.__file__).resolve().parents[1]


def python() -> list[str]:
    """Python for a child of ours: it imports nothing from the folder that root happens to stand in.

    Of the packages' Python nothing else counts either; a checkout's finds its own code by PYTHONPATH.
    """
    return [sys.executable, "-I" if installed.is_installed() else "-P"]


class NotSetUp(LvsError):
    """A step could not be done; why, and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of an installation. root: / or, for one that is tried out, a folder."""

    root: Path = Path("/")
    is_real: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_real", self.root == Path("/"))

    @property
    def env_file(self) -> Path:
        """The site's settings."""
        named = os.environ.get(installed.VARIABLE) if self.is_real else None
        return Path(named) if named else self.root / installed.FILE.relative_to("/")

    @property
    def var(self) -> Path:
        """The manager's folder."""
        named = self.settings().get("PIRANHA_VAR") if self.is_real else None
        return Path(named) if named else self.root / installed.VAR.relative_to("/")

    @property
    def worker_file(self) -> Path:
        """The worker's file of the router on this machine."""
        if self.is_real:
            return worker_file.path_in(os.environ)
        return self.root / worker_file.DEFAULT.relative_to("/")

    @property
    def has_services(self) -> bool:
        """Whether services can be started here."""
        return (
            self.is_real and SYSTEMD.is_dir() and any(self.has_unit(one) for one in ("piranha-web", "pulse"))
        )

    def has_unit(self, name: str) -> bool:
        """Whether this service is installed."""
        return any((folder / f"{name}.service").exists() for folder in UNITS)

    def settings_text(self) -> str:
        """The file of the settings as it is; "": there is none."""
        try:
            return self.env_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            raise NotSetUp(f"{self.env_file} cannot be read: {error}.") from error

    def settings(self) -> dict[str, str]:
        """What it says."""
        return installed.parsed(self.settings_text())[0]

    def secret(self, name: str) -> str:
        """The line in a file of the manager's folder; "": there is none."""
        return self.text(name).strip()

    def text(self, name: str) -> str:
        """The text of a file of the manager's folder, read as its user; "": there is none."""
        path = self.var / name
        try:
            return rights.below(path, lambda: rights.read_text(path), NotSetUp)
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            raise NotSetUp(f"{path} cannot be read: {error}.") from error

    def write(self, path: Path, text: str, mode: int = 0o600) -> None:
        """Puts a file in its place in one step; below the manager's folder as its user, whose it is."""
        if not path.is_relative_to(self.var):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            making.write(path, text.encode(), mode)
            return
        for folder in (self.var, path.parent):
            self.make(folder)
        rights.below(path.parent, lambda: self.put(path, text, mode), NotSetUp)
        self.give(path)

    def put(self, path: Path, text: str, mode: int) -> None:
        """Writes a file of the manager's folder; NotSetUp: it would be another one."""
        if path.is_symlink() or path.parent.is_symlink():
            raise NotSetUp(f"{path} is behind a link: no secret is written there. Put that in its place.")
        making.write(path, text.encode(), mode)

    def make(self, folder: Path) -> None:
        """Makes the manager's folder, or one below it, where there is none."""
        if not os.path.lexists(folder):
            rights.below(folder, lambda: folder.mkdir(mode=0o700, parents=True), NotSetUp)
            self.give(folder)

    def give(self, path: Path) -> None:
        """Gives the site's user what is below the manager's folder, if root made it in a folder of root's."""
        if self.is_real and path.is_relative_to(self.var) and rights.owner_on_the_way(path.parent) is None:
            installed.give(path)

    def environment(self, settings: Mapping[str, str | None]) -> dict[str, str]:
        """What a command of the site gets, with these settings: nothing of ours but those."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIRANHA_", "DATABASE_URL", "DJANGO_"))
        }
        said = {name: value for name, value in settings.items() if value is not None}
        more = {worker_file.VARIABLE: str(self.worker_file), installed.VARIABLE: str(self.env_file)}
        return {**kept, **said, **more, "PYTHONPATH": str(CODE)}

    def run(self, settings: Mapping[str, str | None], *words: str, typed: str = "") -> str:
        """Runs a `piranha` command; what it prints. NotSetUp with what it says when it fails."""
        done = subprocess.run(  # noqa: S603 - our own command, by a list of words
            [*python(), "-m", "piranha_web.cli", *words],
            env=self.environment(settings),
            input=typed,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
            raise NotSetUp(f"`piranha {' '.join(words[:2])}` failed: {harmless(said[-1])}")
        return done.stdout

    def state(self, settings: Mapping[str, str | None], password: str | None = None) -> Mapping[str, Any]:
        """How far it is set up, by `piranha manage site_state`. password: one that it may have already."""
        words = ("manage", "site_state", *(("--password-stdin",) if password is not None else ()))
        found: Mapping[str, Any] = json.loads(self.run(settings, *words, typed=f"{password or ''}\n"))
        return found
