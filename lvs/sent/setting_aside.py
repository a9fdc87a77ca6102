"""What the manager may have a router do about being one of the pair: take no part, take part again."""

from __future__ import annotations

from lvs import models, tasks
from lvs.sent.orders import Outcome, carried_out


def set_aside(
    router: models.Router, by: str, reason: str = "", until: float | None = None, *, anyway: bool = False
) -> Outcome:
    """Has the router take no part; the active one hands over first.

    by: the user's name. until: when it takes part again by itself, seconds since the epoch; None: not before
    it is told. anyway: also to a router with another lvs.cf or fewer healthy real servers.
    """
    return carried_out(router, tasks.set_aside, [by, reason, until, anyway])


def take_part(router: models.Router) -> Outcome:
    """Has the router be one of the pair again."""
    return carried_out(router, tasks.take_part, [])
