"""What is held of each real server that is watched.

`Rounds` makes each *distinct* check once, however many virtual servers want it; the checker judges the
results for each of them and keeps the verdicts. What those lead to is its owner's business, who is told of
each transition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from lvs.nanny.checks import Check
from lvs.nanny.health import Patience, Result, Verdict
from lvs.nanny.history import History, Run
from lvs.nanny.probes.finding import Finding, Record
from lvs.nanny.rounds import LIMIT, Rounds
from lvs.nanny.under_way import Probe
from lvs.reported.counted import BAD, GOOD, UNMADE, CheckCounts
from lvs.router.state import DestinationKey, Health, ServiceKey

Target = tuple[ServiceKey, DestinationKey]
Told = Callable[[Target, Verdict, Verdict], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """How one real server of one virtual server is watched."""

    check: Check
    patience: Patience


class Checker:
    """Keeps a verdict for each watched real server.

    told(target, before, after) is called in the event loop whenever a result changed the health. Use:
    `watch` to say what is wanted (at any time, before `run` too), `run` as a task, `try_out` for results now.

    A check that this router could not make (`Finding.ours`) is no result: verdict and history stay, and
    `unmade` has it until it can be made again.
    """

    def __init__(
        self,
        told: Told,
        *,
        probe: Probe | None = None,
        clock: Callable[[], float] = time.time,
        limit: int = LIMIT,
    ) -> None:
        self._told = told
        self._rounds = Rounds(self._ended, probe, limit, clock=clock)
        self._watched: dict[Target, Watched] = {}
        self._targets: dict[Check, tuple[Target, ...]] = {}
        self._verdicts: dict[Target, Verdict] = {}
        self._health: dict[Target, Health] = {}  # that of each verdict
        self._histories: dict[Check, History] = {}
        self._unmade: dict[Check, str] = {}
        self.counts = CheckCounts()

    @property
    def verdicts(self) -> Mapping[Target, Verdict]:
        return self._verdicts

    @property
    def health(self) -> dict[Target, Health]:
        """What was found of each real server, as of now."""
        return dict(self._health)

    @property
    def failed(self) -> dict[Target, str]:
        """Those whose checks fail now, with the reason."""
        verdicts = self._verdicts.items()
        return {target: verdict.reason for target, verdict in verdicts if verdict.health is Health.FAILED}

    @property
    def checks(self) -> int:
        """How many distinct checks are carried out."""
        return len(self._targets)

    @property
    def unmade(self) -> Mapping[Check, str]:
        """The checks that this router could not make the last time, and why."""
        return self._unmade

    def unjudged(self, wanted: Mapping[Target, Watched]) -> frozenset[Check]:
        """The checks of wanted that would be new or different for some real server."""
        return frozenset(wanted[target].check for target in self._fresh(wanted))

    def watch(
        self,
        wanted: Mapping[Target, Watched],
        *,
        results: Mapping[Check, Result] | None = None,
        seeds: Mapping[Target, Verdict] | None = None,
    ) -> None:
        """From now on watch exactly wanted; what stays as it was keeps its verdict, its count and its rhythm.

        results: of checks that were tried out already, judged for real servers that are new or checked
        differently now. seeds: verdicts to start from, of which nothing is told.
        """
        results, seeds = results or {}, seeds or {}
        fresh = self._fresh(wanted)
        if not fresh and len(wanted) == len(self._watched):  # at most the patience changed
            self._watched = dict(wanted)
            return
        self._verdicts = {
            target: self._verdicts.get(target) or seeds.get(target) or Verdict() for target in wanted
        }
        self._health = {target: verdict.health for target, verdict in self._verdicts.items()}
        self._watched = dict(wanted)
        gathered: dict[Check, list[Target]] = {}
        for target, watched in wanted.items():
            gathered.setdefault(watched.check, []).append(target)
        self._targets = {check: tuple(targets) for check, targets in gathered.items()}
        for target in fresh:
            result = results.get(wanted[target].check)
            if result is not None:
                self._judge(target, result)
        self._histories = {check: self._histories.get(check) or History() for check in self._targets}
        for check in self._targets.keys() & results.keys():
            self._histories[check].add(results[check])
        self._unmade = {check: why for check, why in self._unmade.items() if check in self._targets}
        self._rounds.want(self._targets.keys(), results)

    async def run(self) -> None:
        """Carry out the checks until cancelled; may be begun again after a fault of ours ended it."""
        await self._rounds.run()

    async def try_out(self, checks: Collection[Check], within: float) -> dict[Check, Result]:
        """The results of checks, made all at once, as far as they end within that many seconds."""
        return await self._rounds.try_out(checks, within)

    async def test(self, check: Check, record: Record) -> Result:
        """Make check now and keep in record what is said; counts for no verdict, and is in no history."""
        return await self._rounds.test(check, record)

    def history(self, target: Target) -> tuple[Run, ...]:
        """The last results of the check of target, newest first; nothing for one that is not watched."""
        watched = self._watched.get(target)
        history = self._histories.get(watched.check) if watched else None
        return history.runs() if history else ()

    def _fresh(self, wanted: Mapping[Target, Watched]) -> list[Target]:
        known = self._watched
        if wanted == known:  # mostly; and it takes no look at each
            return []
        return [
            target
            for target, watched in wanted.items()
            if target not in known or known[target].check != watched.check
        ]

    def _ended(self, check: Check, result: Result, finding: Finding) -> None:
        kind = check.kind.value
        if finding.ours:
            self._unmade[check] = finding.reason
            self.counts.add(kind, UNMADE, result.duration)
            return
        self._unmade.pop(check, None)
        self.counts.add(kind, GOOD if result.ok else BAD, result.duration)
        self._histories[check].add(result)
        for target in self._targets[check]:
            self._judge(target, result)

    def _judge(self, target: Target, result: Result) -> None:
        before = self._verdicts[target]
        after = before.judge(result, self._watched[target].patience)
        self._verdicts[target] = after
        if after.health is not before.health:
            self._health[target] = after.health
            self._told(target, before, after)
