"""Which weight each real server gets: configuration, verdicts, the administrator's hand, loads, time. Pure.

`lvs.router.plan` knows the plain case: a healthy real server has its configured weight, a failed one is out,
or at weight 0 where the virtual server quiesces. `shares` names those for which something else holds, in this
order:

1. The hand (`lvs.nanny.hand`): DRAIN and MAINTENANCE weight 0, and out of the table once drained; DOWN as
   failed; UP as healthy.
2. An agent that says `drain` (weight 0) or `down` (as failed).
3. Pool protection: the checks (an agent's `down` counts as one) never leave fewer than `protection` percent,
   rounded up, of the real servers that the administrator wants in (active, weight above 0, no hand that takes
   it out). Missing ones are filled up: those not checked yet first, then those that failed last. They keep
   their weight.
4. The weight: configured, times the load's factor between floor and ceiling (a healthy one with a weight
   above 0 never falls below 1, but by an agent's 0 %), and the slow start: it doubles in equal steps of time
   from a 32nd (1 at least) of that to all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from lvs.config.model import LvsConfig
from lvs.nanny.hand import Hand
from lvs.nanny.health import Verdict
from lvs.nanny.loads import Load
from lvs.router.plan import Place


@dataclass(frozen=True, slots=True)
class Shares:
    """The exceptions of one moment.

    weights: what those real servers weigh; None: not in the table. why: for each of weights, in a few words
    for a page ("draining", "kept by pool protection", "slow start, 25 %", "agent: 60 %"). protected: those
    that are in though their checks failed. until: when time alone may change this (seconds since the epoch;
    None: never).
    """

    weights: Mapping[Place, int | None] = field(default_factory=dict)
    why: Mapping[Place, str] = field(default_factory=dict)
    protected: frozenset[Place] = frozenset()
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What besides the configuration the weights depend on.

    hands: by the names of virtual and real server, ended ones left out or not. drained: those under DRAIN or
    MAINTENANCE that have no connections left. loads: what was said of each.
    """

    verdicts: Mapping[Place, Verdict] = field(default_factory=dict)
    hands: Mapping[tuple[str, str], Hand] = field(default_factory=dict)
    drained: Set[Place] = frozenset()
    loads: Mapping[Place, Load] = field(default_factory=dict)
    now: float = 0.0


def shares(config: LvsConfig, given: Circumstances) -> Shares:
    """The weights that differ from the plain case."""
    raise NotImplementedError
