"""What an administrator's hand says of a real server, whatever its checks say. Pure.

An entry names the real server as lvs.cf does and says one order. The newest entry wins (`at`, then the
order's name), on every router and in whatever order they hear of it, so that two routers that tell each other
all they have end with the same. AUTO is an entry as well, kept for KEPT_SECONDS, or an older order would come
back.

- DRAIN: no new connections; out of the table when none is left, or at `until`; stays out.
- MAINTENANCE: the same, until `until` (None: until somebody says AUTO); then the checks decide.
- DOWN: as if its checks failed. UP: as if they were good. Both until `until`, or for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEPT_SECONDS = 7 * 86_400.0  # that an AUTO, or an entry of a real server that is gone, is remembered
MOST_ENTRIES = 5_000  # of all real servers; more are refused
LONGEST_REASON = 200  # characters, of reason and of by


class Order(StrEnum):
    """What the administrator wants of a real server."""

    AUTO = "auto"
    DRAIN = "drain"
    MAINTENANCE = "maintenance"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """One entry. at, until: seconds since the epoch."""

    virtual_server: str
    real_server: str
    order: Order
    at: float
    by: str = ""
    reason: str = ""
    until: float | None = None
