"""A sentence for a file that could not be written."""

from __future__ import annotations

import errno


def unwritten(error: OSError) -> str:
    """What went wrong, and what to do about it."""
    if isinstance(error, PermissionError):
        remedy = "Run this as the user of the web server, or as root."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Make room on that disk (df -h), then run this again."
    else:
        remedy = "Mend that, then run this again."
    return f"Nothing was changed: {error}. {remedy}"
