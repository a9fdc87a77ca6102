"""Telling the neighbours of the floating addresses again and again: 5 times over 5 seconds, as Piranha did,
and once a minute from then on.

The first time is part of the change that raises the address; the others are here, since a single frame is
easily lost while a switch is learning. The minute's is for neighbours that learnt something else meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from lvs.errors import KernelError
from lvs.pulse.events import Events
from lvs.router.state import InterfaceAddress

ROUNDS = 5
INTERVAL = 1.0  # seconds
REMINDER = 60.0  # seconds between announcements of what has long been up


class Announcer:
    """Repeats announcements in the task `run`.

    announce is the kernel's, called for all that are due; held gives the floating addresses that are up here.
    """

    def __init__(
        self,
        announce: Callable[[Collection[InterfaceAddress]], Awaitable[None]],
        events: Events,
        held: Callable[[], frozenset[InterfaceAddress]],
    ) -> None:
        self._announce = announce
        self._events = events
        self._held = held
        self._left: dict[InterfaceAddress, int] = {}
        self._wake = asyncio.Event()
        self._at_once = False

    def raised(self, addresses: Collection[InterfaceAddress]) -> None:
        """These were announced just now, for the first time."""
        self._left |= dict.fromkeys(addresses, ROUNDS - 1)
        if addresses:
            self._wake.set()

    def again(self) -> None:
        """The neighbours may have learnt otherwise: all that are up, at once and then as after raising."""
        held = self._held()
        self._left |= dict.fromkeys(held, ROUNDS)
        if held:
            self._at_once = True
            self._wake.set()

    def lowered(self, addresses: Collection[InterfaceAddress]) -> None:
        """These are no longer ours: silence about them."""
        for address in addresses:
            self._left.pop(address, None)

    async def run(self) -> None:
        """Announce what is due until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REMINDER):
                    await self._wake.wait()
            if not self._wake.is_set():
                await self._tell(self._held())
                continue
            while self._left:
                await self._until_next_round()
                await self._round()
            self._wake.clear()
            self._events.info("gratuitous lvs arps finished")

    async def _until_next_round(self) -> None:
        """Return after the interval, or at once when `again` asks for it."""
        self._wake.clear()
        if not self._at_once:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    while not self._at_once:
                        await self._wake.wait()
                        self._wake.clear()
        self._at_once = False

    async def _round(self) -> None:
        due = frozenset(self._left)
        await self._tell(due & self._held())
        for address in due & self._left.keys():
            self._left[address] -= 1
            if self._left[address] <= 0:
                del self._left[address]

    async def _tell(self, due: Collection[InterfaceAddress]) -> None:
        if not due:
            return
        try:
            await self._announce(due)
        except KernelError as error:
            self._events.warning(str(error))
