"""A lock for changes that come one at a time, in which some go before all that wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal


class Turns(asyncio.Lock):
    """An asyncio.Lock; `first` takes it as the next, whoever waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._pressing = 0  # how many wait in `first`
        self._calm = asyncio.Event()  # that there is none
        self._calm.set()

    async def acquire(self) -> Literal[True]:
        await super().acquire()
        while self._pressing:
            self.release()
            await self._calm.wait()
            await super().acquire()
        return True

    @asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """Hold it, before those that wait in `acquire`."""
        self._pressing += 1
        self._calm.clear()
        try:
            await super().acquire()
        finally:
            self._pressing -= 1
            if not self._pressing:
                self._calm.set()
        try:
            yield
        finally:
            self.release()
