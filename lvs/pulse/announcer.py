"""Telling the neighbours of a new floating address again and again: 5 times over 5 seconds, as Piranha did.

The first time is part of the change that raises the address; the others are here, since a single frame is
easily lost while a switch is learning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from lvs.errors import KernelError
from lvs.pulse.events import Events
from lvs.router.state import InterfaceAddress

ROUNDS = 5
INTERVAL = 1.0  # seconds


class Announcer:
    """Repeats announcements in the task `run`; announce is the kernel's, called for all that are due."""

    def __init__(
        self,
        announce: Callable[[Collection[InterfaceAddress]], Awaitable[None]],
        events: Events,
        interval: float | None = None,
    ) -> None:
        self._announce = announce
        self._events = events
        self._interval = INTERVAL if interval is None else interval
        self._left: dict[InterfaceAddress, int] = {}
        self._wake = asyncio.Event()

    def raised(self, addresses: Collection[InterfaceAddress]) -> None:
        """These were announced just now, for the first time."""
        self._left |= dict.fromkeys(addresses, ROUNDS - 1)
        if addresses:
            self._wake.set()

    def lowered(self, addresses: Collection[InterfaceAddress]) -> None:
        """These are no longer ours: silence about them."""
        for address in addresses:
            self._left.pop(address, None)

    async def run(self) -> None:
        """Announce what is due until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._left:
                await asyncio.sleep(self._interval)
                await self._round()
            self._events.info("gratuitous lvs arps finished")

    async def _round(self) -> None:
        due = frozenset(self._left)
        if not due:
            return
        try:
            await self._announce(due)
        except KernelError as error:
            self._events.warning(str(error))
        for address in due & self._left.keys():
            self._left[address] -= 1
            if self._left[address] <= 0:
                del self._left[address]
