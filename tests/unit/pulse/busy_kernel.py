"""A kernel in memory through which connections go, as a test says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from lvs.router.apply import Refusal
from lvs.router.ipvs import Table
from lvs.router.memory import MemoryKernel
from lvs.router.plan import Place
from lvs.router.state import Change, Counters, Part, ServiceKey, Verb


class BusyKernel(MemoryKernel):
    """open: the connections of each real server, by its address. cut: how many it had when it was removed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, int] = {}
        self.cut: dict[str, int] = {}
        self.looks = 0  # at counters

    def read_counters(self, keys: Collection[ServiceKey]) -> Table:
        self.looks += 1
        return self._counted(super().read_counters(keys))

    def table(self) -> Table:
        return self._counted(super().table())

    def carry_out(self, changes: Sequence[Change]) -> tuple[Refusal, ...]:
        for change in changes:
            if change.part is Part.DESTINATION and change.verb is Verb.REMOVE and change.destination_key:
                address = str(change.destination_key.address)
                self.cut[address] = self.open.get(address, 0)
        return super().carry_out(changes)

    def weights(self) -> dict[str, int]:
        """Each real server in the table to its weight, by address."""
        return {
            str(key.address): destination.weight
            for members in self.destinations.values()
            for key, destination in members.items()
        }

    def _counted(self, table: Table) -> Table:
        return replace(
            table,
            destination_counters={
                service: {key: self._counters((service, key)) for key in members}
                for service, members in table.destinations.items()
            },
        )

    def _counters(self, place: Place) -> Counters:
        count = self.open.get(str(place[1].address), 0)
        return Counters(connections=count, active=count // 2, inactive=count - count // 2)
