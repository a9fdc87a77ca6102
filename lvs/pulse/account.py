"""What pulse has to say about its work on the kernel: the last change, what was refused, what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lvs.errors import LvsError
from lvs.pulse.events import Events
from lvs.pulse.kernel_work import Outcome
from lvs.pulse.status import LastChange
from lvs.router.apply import Refusal, Report
from lvs.router.state import Change, InterfaceAddress, KernelState, Part, Verb

TOLD = 20  # changes said one by one in log and events
SHOWN = 200  # changes kept for the status


class Account:
    """Notes each reconciliation, says it in log and events, and answers for the state of things."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.time) -> None:
        self._events = events
        self._clock = clock
        self.last_change: LastChange | None = None
        self.wanted = KernelState()
        self._report = Report()
        self._failure: str | None = None
        self.failures = 0  # attempts that failed since the last that did not

    @property
    def refused(self) -> tuple[Refusal, ...]:
        return self._report.refused

    @property
    def standing(self) -> frozenset[str]:
        """The changes that the kernel has been refusing."""
        return frozenset(refusal.change.text for refusal in self._report.refused)

    @property
    def missing_addresses(self) -> frozenset[InterfaceAddress]:
        """The floating addresses that are wanted and not there."""
        if self._failure is not None:
            return self.wanted.addresses
        return frozenset(
            change.address for change in self._report.remaining if _raises(change) and change.address
        )

    @property
    def refused_addresses(self) -> frozenset[InterfaceAddress]:
        """The floating addresses that the kernel would not raise."""
        refused = (refusal.change for refusal in self._report.refused)
        return frozenset(change.address for change in refused if _raises(change) and change.address)

    @property
    def is_lowered(self) -> bool:
        """Whether the last reconciliation wanted no floating address, and left none up."""
        left = (change for change in self._report.remaining if change.address is not None)
        return self._failure is None and not self.wanted.addresses and not any(left)

    def note(self, outcome: Outcome, cause: str) -> None:
        """A reconciliation that ended."""
        if self._failure is not None:
            self._events.info("the kernel can be worked with again")
        standing = self.standing
        self.failures = 0
        self._failure, self._report, self.wanted = None, outcome.report, outcome.wanted
        new = [refusal for refusal in outcome.report.refused if refusal.change.text not in standing]
        if outcome.drifted:
            cause = "changed outside"
        if outcome.report.changes or new:
            self._say(outcome, new)
            self.last_change = LastChange(
                at=self._clock(),
                cause=cause,
                changes=shortened([change.text for change in outcome.report.changes]),
                refused=tuple((refusal.change.text, refusal.reason) for refusal in new[:SHOWN]),
            )

    def fail(self, error: LvsError) -> None:
        """A reconciliation that could not even be tried; said once, however often it is tried again."""
        if str(error) != self._failure:
            self._events.error(str(error))
        self._failure = str(error)
        self.failures += 1

    def problems(self) -> Iterator[str]:
        """What is wrong now, in sentences."""
        if self._failure is not None:
            yield self._failure
            return
        for refusal in self._report.refused[:TOLD]:
            yield f"Refused: {refusal.change.text}: {refusal.reason}"
        if len(self._report.refused) > TOLD:
            yield f"{len(self._report.refused) - TOLD} more changes were refused; see pulse's log."
        left = [change for change in self._report.remaining if change.text not in self.standing]
        if left and not self._report.refused:
            yield (
                f"{len(left)} changes did not last, the first: {left[0].text}. Another program changes the "
                "kernel at the same time: stop it (keepalived, ldirectord, ipvsadm in a script)."
            )

    def _say(self, outcome: Outcome, new: list[Refusal]) -> None:
        for change in outcome.report.changes[:TOLD]:
            if outcome.drifted:
                self._events.warning(f"was changed outside, put back: {change.text}")
            else:
                self._events.info(change.text)
        if len(outcome.report.changes) > TOLD:
            self._events.info(f"and {len(outcome.report.changes) - TOLD} more changes")
        for refusal in new[:TOLD]:
            self._events.error(f"refused: {refusal.change.text}: {refusal.reason}")
        if len(new) > TOLD:
            self._events.error(f"and {len(new) - TOLD} more changes were refused")


def shortened(sentences: list[str]) -> tuple[str, ...]:
    """At most SHOWN of them, and then how many there are besides."""
    if len(sentences) <= SHOWN:
        return tuple(sentences)
    return (*sentences[:SHOWN], f"and {len(sentences) - SHOWN} more changes")


def _raises(change: Change) -> bool:
    return change.part is Part.ADDRESS and change.verb is Verb.ADD
