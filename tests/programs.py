"""A folder of programs for checks, as an administrator fills it, and what is left of those that ran."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def program_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="piranha-checks-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def put(folder: Path, name: str, text: str, *, shell: str = "/bin/sh", mode: int = 0o755) -> Path:
    """Write the program folder/name."""
    path = folder / name
    path.write_text(f"#!{shell}\n{text}\n")
    path.chmod(mode)
    return path


def processes(word: str) -> list[int]:
    """The processes that have word in their command line, but for this one; zombies have none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            if word.encode() in line:
                found.append(int(entry.name))
    return found


def children(pid: int) -> list[int]:
    """The children of a process, zombies among them."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))
