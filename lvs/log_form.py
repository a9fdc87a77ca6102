"""Which form the log of a process has. Apart from `lvs.logs`, because the heart does without logging."""

from __future__ import annotations

import os
from collections.abc import Mapping

STDERR = 2


def is_journal(environment: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Whether what is written there goes to the journal, and not where somebody has led it since."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(descriptor)
        return (int(device), int(inode)) == (status.st_dev, status.st_ino)
    except (ValueError, OSError):
        return False


def is_json(environment: Mapping[str, str]) -> bool:
    """Whether JSON is wished."""
    return environment.get("PIRANHA_LOG_FORMAT", "").strip().lower() == "json"


def is_ours(environment: Mapping[str, str]) -> bool:
    """Whether the log has another form than the one for people at a terminal."""
    return is_json(environment) or is_journal(environment)
