"""Where the web server's processes keep what each counted. To be named before prometheus_client is loaded.

What processes that have ended counted stays there, and counts on; it begins anew with the server.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
PREFIX = "piranha-metrics-"


def prepare(environment: Mapping[str, str], memory: Path = MEMORY) -> Path:
    """An empty folder: in systemd's RuntimeDirectory of this service, else in memory."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        folder = Path(given) / "metrics"
        clear(folder)
        folder.mkdir(mode=0o700)
        return folder
    place = memory if memory.is_dir() else Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}*"):
        process = old.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdecimal() and not Path("/proc", process).exists():  # it was killed
            clear(old)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))


def clear(folder: Path) -> None:
    """The end of the server, or what one before it left."""
    shutil.rmtree(folder, ignore_errors=True)
