"""The call `guard`: who may reach the panel's port on this router (ARCHITECTURE.md)."""

from __future__ import annotations

import asyncio
from typing import Any

from lvs.config.model import LvsConfig
from lvs.pulse.keeping import Keeper
from lvs.router.guards import document_of, refuse_conflict, refuse_to_cut
from lvs.router.state import Guard
from lvs.router.tcp_table import connections


async def guard(keeper: Keeper, asked: Guard | None, *, anyway: bool) -> dict[str, Any]:
    """Guard the port so, over restarts; None: guard none. The answer of the call.

    anyway: also where that cuts a connection that somebody has to the port. RouterError: nothing was changed.
    """
    if asked is not None:
        refuse_conflict(keeper.running.config if keeper.running else LvsConfig(), asked)
        if not anyway:
            refuse_to_cut(await asyncio.to_thread(connections, asked.port), asked)
    async with keeper.changing:
        changes = await keeper.guarding.replace(asked)
    return {"guard": document_of(asked), "changes": changes}
