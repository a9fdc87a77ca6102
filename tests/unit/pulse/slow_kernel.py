"""A kernel in memory that stands still where a test wants it to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

from lvs.pulse.lvsd import Lvsd
from lvs.router.apply import Refusal
from lvs.router.ipvs import Table
from lvs.router.memory import MemoryKernel
from lvs.router.state import Change, InterfaceAddress, KernelState, Part, ServiceKey, Verb
from tests.unit.pulse.scripted_heart import ScriptedHeart
from tests.unit.pulse.world import until

LONGEST = 30  # seconds that it stands still if the test has died


class Gate:
    """A place in the kernel's work: shut, whoever comes there waits in it until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.waiting = False
        self.passed = 0

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def go_through(self) -> None:
        self.waiting = not self._open.is_set()
        self._open.wait(LONGEST)
        self.waiting = False
        self.passed += 1


class SlowKernel(MemoryKernel):
    """Has gates at its whole reading, before changes, at its table and before announcements."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.reading, self.changing, self.looking = Gate(), Gate(), Gate()
        self.raised: list[InterfaceAddress] = []

    def read(self, wanted: KernelState, only: Collection[ServiceKey] | None = None) -> KernelState:
        if only is None:
            self.reading.go_through()
        return super().read(wanted, only)

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        self.changing.go_through()
        self.raised += [
            change.address
            for change in changes
            if change.part is Part.ADDRESS and change.verb is Verb.ADD and change.address
        ]
        return super().carry_out(changes)

    def table(self) -> Table:
        self.looking.go_through()
        return super().table()


async def heard(scripted: ScriptedHeart, lvsd: Lvsd, *, times: int = 1) -> None:
    """Return when pulse has read what the heart said so far."""
    mark = f"mark {times}"
    scripted.say("event", level="info", text=mark)
    await until(lambda: mark in [event.text for event in lvsd.keeper.events])


async def at(gate: Gate, begin: Callable[[], None]) -> None:
    """Have it begun, and return when the kernel's work stands still in gate."""
    gate.shut()
    begin()
    await until(lambda: gate.waiting)
