"""How much of the processor the datagrams of others may have. Pure.

The heart runs before everything that is not real-time (sched(7)). On its processor nothing else goes on
meanwhile: no pulse, no check, and where the kernel has put packets off to ksoftirqd, no balancing. So whoever
floods its port must not keep it busy.
"""

from __future__ import annotations

AT_ONCE = 0.005  # seconds of one link's datagrams in a row; then the other link, and others, have their turn
RESTS = 3.0  # seconds of rest for each second of work with datagrams: they have a quarter of a processor
SHORTEST = 0.001  # seconds of rest worth taking: a heartbeat now and then needs none


class Pace:
    """The rest that is owed for work with datagrams; time in which there was none counts as rest."""

    def __init__(self, now: float) -> None:
        self._owed = 0.0
        self._at = now

    def worked(self, begun: float, ended: float) -> None:
        """This time went by with what datagrams led to."""
        self._owed = self._owed_at(begun) + RESTS * (ended - begun)
        self._at = ended

    def rest(self, now: float) -> float:
        """The seconds in which the heart is to do nothing from now on."""
        owed = self._owed_at(now)
        return owed if owed >= SHORTEST else 0.0

    def _owed_at(self, now: float) -> float:
        return max(self._owed - (now - self._at), 0.0)
