"""Where the web server's processes keep what each counted. To be named before prometheus_client is loaded.

What processes that have ended counted stays there, and counts on; it begins anew with the server.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def prepare(environment: Mapping[str, str]) -> Path:
    """An empty folder: in systemd's RuntimeDirectory of this service, else in memory."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if not given:
        return Path(tempfile.mkdtemp(prefix="piranha-metrics-", dir=MEMORY if MEMORY.is_dir() else None))
    folder = Path(given) / "metrics"
    clear(folder)
    folder.mkdir(mode=0o700)
    return folder


def clear(folder: Path) -> None:
    """The end of the server, or what one before it left."""
    shutil.rmtree(folder, ignore_errors=True)
