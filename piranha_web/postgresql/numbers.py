"""The numbers of this site's advisory locks in its database."""

from __future__ import annotations

WRITING = 0x70697261  # "pira": a transaction
MANAGER = WRITING + 1  # the manager's worker
