"""The call `preflight`: what stands against a configuration on this router (ARCHITECTURE.md).

Loaded at the first call: it is no part of what pulse needs to serve.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lvs.config.model import LvsConfig
from lvs.pulse.keeping import Keeper
from lvs.pulse.running import understood
from lvs.router.preflight import document, judged
from lvs.router.state import Owned, Role
from lvs.router.surroundings import look

Document = dict[str, Any]


async def preflight(keeper: Keeper, text: str | None) -> Document:
    """The answer for that lvs.cf, or for the one in force; raises ConfigError where text is none.

    In a thread of its own: neither the event loop nor the work on the kernel waits for it. Where pulse only
    plans, the network is asked nothing: the machine may be any.
    """
    config = LvsConfig() if keeper.running is None else keeper.running.config
    if text is not None:
        config = (await asyncio.to_thread(understood, text)).config
    owned = await keeper.work.owned()
    asks = not keeper.locator.planning
    return await asyncio.to_thread(
        looked_at, config, keeper.role, owned, checks=keeper.checks_at_once, asks=asks
    )


def looked_at(
    config: LvsConfig, role: Role, owned: Owned, *, checks: int | None = None, asks: bool = True
) -> Document:
    """The answer for a configuration; checks and asks as in `surroundings.look`."""
    begun = time.monotonic()
    seen = look(config, role, owned=owned, checks=checks, asks=asks)
    return document(judged(seen, config), seen) | {"seconds": round(time.monotonic() - begun, 3)}
