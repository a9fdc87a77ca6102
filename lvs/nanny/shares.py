"""Which weight each real server gets: configuration, verdicts, the administrator's hand, loads, time. Pure.

`lvs.router.plan` knows the plain case: a healthy real server has its configured weight, a failed one is out,
or at weight 0 where the virtual server quiesces. `shares` names those for which something else holds, in this
order:

1. The hand (`lvs.nanny.hand`): DRAIN and MAINTENANCE weight 0, and out of the table once drained; DOWN as
   failed; UP as healthy, with all of the configured weight, whatever checks, agent and load say.
2. An agent that says `drain` (weight 0: somebody's will at the real server) or `down` (as failed).
3. Pool protection: the checks (an agent's `down` or 0 % counts as one) never leave fewer than `protection`
   percent, rounded up, of the real servers that are wanted in (active, weight above 0, no hand that takes it
   out, no agent's `drain`). Missing ones are filled up: those not checked yet first, then those whose agent
   says 0 %, then those that failed last. They keep their weight.
4. The weight: configured, times the load's factor between floor and ceiling (a healthy one with a weight
   above 0 never falls below 1, but by an agent's 0 %), and the slow start: it doubles in equal steps of time
   from a 32nd (1 at least) of that to all of it.

What follows from that:

- Those that protection keeps serve, so the sorry server stays out. It comes in when no weight is above 0;
  with protection only when the hand, lvs.cf or an agent's `drain` has taken all of them out.
- Weight 0 in lvs.cf is the administrator's as well: never counted, never protected, never raised.
- Right after a change, when nothing has been checked yet, protection keeps the share in from the start.
- A slow start begins when a result made the real server healthy (`Verdict.came_up`), so not for one that was
  found serving when pulse began, nor after UP by hand. Weights are relative: while protection keeps one that
  failed at all of its weight, nobody of that service starts slowly beside it, and those that served then do
  not fall back later (`Shares.steady`). A clock that is set back ends it.
- Virtual servers with one firewall mark are one service. Each protects a pool of its own. What several of
  them name is one place in the kernel: of the orders by hand that are in force the newest counts, of other
  exceptions the smallest weight, and protection by any keeps it in. A place that one virtual server names
  twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from lvs.config.memo import Memo
from lvs.config.model import AGENT_MONITOR, NO_MONITOR, LvsConfig, RealServer, VirtualServer
from lvs.nanny import hand
from lvs.nanny.hand import Hand, Names, Order
from lvs.nanny.health import Verdict
from lvs.nanny.loads import Load, Word
from lvs.router.plan import Place, active_members, plain_weight, service_key
from lvs.router.state import Health, ServiceKey

DOUBLINGS = 5  # of the slow start (Piranha's nanny: from a 32nd)
_UNCHECKED = Verdict()

# Whom protection keeps first.
_NOT_CHECKED, _NO_SHARE, _FAILED = range(3)


@dataclass(frozen=True, slots=True)
class Shares:
    """The exceptions of one moment.

    weights: what those real servers weigh; None: not in the table. why: for each of weights, in a few words
    for a page ("draining", "kept by pool protection", "slow start, 25 %", "agent: 60 %"). protected: those
    that are in though their checks failed (not those that were not checked yet). steady: those that serve and
    are not to start slowly, for the Circumstances of the next moment. until: when time alone may change this
    (seconds since the epoch; None: never).
    """

    weights: Mapping[Place, int | None] = field(default_factory=dict)
    why: Mapping[Place, str] = field(default_factory=dict)
    protected: frozenset[Place] = frozenset()
    steady: frozenset[Place] = frozenset()
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What besides the configuration the weights depend on.

    hands: by the names of virtual and real server, ended ones left out or not. drained: those under DRAIN or
    MAINTENANCE that have no connections left. loads: what was said of each. steady: that of the Shares
    before.
    """

    verdicts: Mapping[Place, Verdict] = field(default_factory=dict)
    hands: Mapping[Names, Hand] = field(default_factory=dict)
    drained: Set[Place] = frozenset()
    loads: Mapping[Place, Load] = field(default_factory=dict)
    steady: Set[Place] = frozenset()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Rising:
    """A slow start: when it began, and in how many seconds the weight is reached."""

    since: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a real server stands.

    weight: None: not in the table. why: "" in the plain case. full: the weight with which protection keeps
    it; 0: it is none of those that are wanted in. turn: who is kept first, smallest first.
    """

    weight: int | None
    why: str = ""
    full: int = 0
    turn: tuple[int, float] = (_FAILED, 0.0)
    rising: Rising | None = None

    @property
    def serves(self) -> bool:
        return self.weight is not None and self.weight > 0


def shares(config: LvsConfig, given: Circumstances) -> Shares:
    """The weights that differ from the plain case.

    A virtual server with neither protection, slow start, load monitor nor hand costs next to nothing.
    """
    orders = hand.in_force(given.hands, given.now)
    parts = [_of_service(group, orders, given) for group in _concerned(config, {name for name, _ in orders})]
    return Shares(
        weights={place: weight for part in parts for place, weight in part.weights.items()},
        why={place: why for part in parts for place, why in part.why.items()},
        protected=frozenset().union(*(part.protected for part in parts)),
        steady=frozenset().union(*(part.steady for part in parts)),
        until=min((part.until for part in parts if part.until is not None), default=None),
    )


def _concerned(config: LvsConfig, by_hand: Set[str]) -> Iterable[Sequence[VirtualServer]]:
    """The active virtual servers of each service for which anything but the plain case can hold.

    by_hand: the names of virtual servers with an order in force.
    """
    keys = {
        service_key(each)
        for each in config.virtual_servers
        if each.active
        and (each.protection or each.slow_start or each.load_monitor != NO_MONITOR or each.name in by_hand)
    }
    groups: dict[ServiceKey, list[VirtualServer]] = {}
    for each in config.virtual_servers if keys else ():
        key = service_key(each)
        if each.active and key is not None and key in keys:
            groups.setdefault(key, []).append(each)
    return groups.values()


def _of_service(group: Sequence[VirtualServer], orders: Mapping[Names, Hand], given: Circumstances) -> Shares:
    """The exceptions behind one service; group: the virtual servers that make it up."""
    hands = _hands(group, orders)
    if not hands and len(group) == 1 and _is_plain(group[0], given):
        return _NOTHING
    standings: dict[Place, Standing] = {}
    for virtual_server in group:
        for place, real_server in _places(virtual_server).items():
            own = _standing(virtual_server, real_server, place, hands.get(place), given)
            standings[place] = _joined(standings.get(place), own)
    kept: dict[Place, Standing] = {}
    for virtual_server in group:
        missing = _kept(virtual_server, standings)
        standings |= missing
        kept |= missing
    times = [order.until for order in hands.values() if order.until is not None and given.now < order.until]
    for place, each in [] if kept else list(standings.items()):
        if each.rising is not None:
            standings[place], step = _slowed(each, each.rising, given.now)
            times.append(step)
    exceptions = {place: each for place, each in standings.items() if each.why}
    return Shares(
        weights={place: each.weight for place, each in exceptions.items()},
        why={place: each.why for place, each in exceptions.items()},
        protected=frozenset(place for place, each in kept.items() if each.turn[0] != _NOT_CHECKED),
        steady=_steady(group, standings, hands, None if kept else given.steady),
        until=min(times, default=None),
    )


_NOTHING = Shares()


@Memo
def _places(virtual_server: VirtualServer) -> Mapping[Place, RealServer]:
    """Its active real servers by their places, each place once."""
    return {place: real_server for real_server, place in active_members(virtual_server)}


def _hands(group: Sequence[VirtualServer], orders: Mapping[Names, Hand]) -> dict[Place, Hand]:
    """The newest order of those that are in force for a place."""
    found: dict[Place, Hand] = {}
    for virtual_server in group if orders else ():
        for real_server, place in active_members(virtual_server):
            order = orders.get((virtual_server.name, real_server.name))
            if order is not None and (place not in found or order.replaces(found[place])):
                found[place] = order
    return found


def _is_plain(virtual_server: VirtualServer, given: Circumstances) -> bool:
    """Whether health alone decides for all of its real servers, no hand given; quick to see.

    Nobody starts slowly, no load says anything, and protection need not keep anybody.
    """
    loads = given.loads if virtual_server.load_monitor != NO_MONITOR else {}
    wanted = serving = 0
    for place, real_server in _places(virtual_server).items():
        verdict = given.verdicts.get(place, _UNCHECKED)
        if loads and not _says_nothing(loads.get(place)):
            return False
        wanted += real_server.weight > 0
        if verdict.health is Health.HEALTHY:
            serving += real_server.weight > 0
            if virtual_server.slow_start and _began(virtual_server, verdict, given.now) is not None:
                return False
    return 100 * serving >= virtual_server.protection * wanted


def _says_nothing(load: Load | None) -> bool:
    """Whether it leaves the weight as it is."""
    return load is None or (load.factor in (None, 1.0) and load.word in (None, Word.UP))


def _began(virtual_server: VirtualServer, verdict: Verdict, now: float) -> float | None:
    """When the slow start began in which this healthy real server is; None: in none."""
    since = verdict.since
    if not virtual_server.slow_start or not verdict.came_up or since is None:
        return None
    return since if since <= now < since + virtual_server.slow_start else None


def _standing(
    virtual_server: VirtualServer,
    real_server: RealServer,
    place: Place,
    order: Hand | None,
    given: Circumstances,
) -> Standing:
    """How it stands behind virtual_server, before protection and slow start."""
    if order is not None:
        return _by_hand(virtual_server, real_server, order, place in given.drained, given.now)
    verdict = given.verdicts.get(place, _UNCHECKED)
    load = given.loads.get(place) if virtual_server.load_monitor != NO_MONITOR else None
    if load is not None and load.word is not None and load.word is not Word.UP:
        return _by_word(virtual_server, real_server, verdict, load)
    weight, why = _loaded(virtual_server, real_server.weight, load)
    full = weight or real_server.weight
    if verdict.health is not Health.HEALTHY:
        turn = (_NOT_CHECKED, 0.0) if verdict.health is Health.UNKNOWN else (_FAILED, -(verdict.since or 0.0))
        return Standing(plain_weight(virtual_server, real_server, verdict.health), "", full, turn)
    if weight == 0:
        return Standing(0, why, full, (_NO_SHARE, 0.0))
    began = None if place in given.steady else _began(virtual_server, verdict, given.now)
    rising = None if began is None or weight == 1 else Rising(began, float(virtual_server.slow_start))
    return Standing(weight, why, full, rising=rising)


def _by_hand(
    virtual_server: VirtualServer, real_server: RealServer, order: Hand, drained: bool, now: float
) -> Standing:
    if order.order is Order.UP:
        return Standing(real_server.weight, "forced up", real_server.weight)
    if order.order is Order.DOWN:
        return Standing(plain_weight(virtual_server, real_server, Health.FAILED), "forced down")
    if order.order is Order.MAINTENANCE:
        return Standing(None if drained else 0, "in maintenance")
    over = order.until is not None and order.until <= now
    return Standing(None, "drained") if drained or over else Standing(0, "draining")


def _by_word(
    virtual_server: VirtualServer, real_server: RealServer, verdict: Verdict, load: Load
) -> Standing:
    """How one stands whose agent says that it is not to serve."""
    plain = plain_weight(virtual_server, real_server, verdict.health)
    healthy = verdict.health is Health.HEALTHY
    if load.word is Word.DRAIN:
        return Standing(0, "agent: drain") if healthy else Standing(plain)
    full = _loaded(virtual_server, real_server.weight, load)[0] or real_server.weight
    if not healthy:
        return Standing(plain, "", full, (_FAILED, -(verdict.since or load.at)))
    failed = plain_weight(virtual_server, real_server, Health.FAILED)
    return Standing(failed, "agent: down", full, (_FAILED, -load.at))


def _loaded(virtual_server: VirtualServer, weight: int, load: Load | None) -> tuple[int, str]:
    """weight by the load, and why it is another then; 0 only when an agent says 0 %."""
    if load is None or load.factor is None or weight == 0:
        return weight, ""
    by_agent = virtual_server.load_monitor == AGENT_MONITOR
    floor = virtual_server.weight_floor
    least = (0 if by_agent else 100) if floor is None else floor
    percent = max(float(least), min(float(virtual_server.weight_ceiling), load.factor * 100))
    made = 0 if by_agent and percent <= 0 else max(1, round(weight * percent / 100))
    if made == weight:
        return weight, ""
    return made, f"{'agent' if by_agent else 'load monitor'}: {percent:.0f} %"


def _joined(first: Standing | None, second: Standing) -> Standing:
    """How a place stands that two name: as the later one says, but for exceptions, of which the smallest."""
    if first is None or not first.why:
        return second
    if not second.why:
        return first
    return min(first, second, key=lambda each: (each.weight or 0, each.weight is None))


def _kept(virtual_server: VirtualServer, standings: Mapping[Place, Standing]) -> dict[Place, Standing]:
    """Those that protection fills up with."""
    if not virtual_server.protection:
        return {}
    pool = [(place, standings[place]) for place in _places(virtual_server) if standings[place].full > 0]
    out = sorted((each for each in pool if not each[1].serves), key=lambda each: each[1].turn)
    missing = -(-len(pool) * virtual_server.protection // 100) - (len(pool) - len(out))
    kept = out[: max(0, missing)]
    return {place: replace(each, weight=each.full, why=_kept_why(each)) for place, each in kept}


def _kept_why(standing: Standing) -> str:
    because = ", not checked yet" if standing.turn[0] == _NOT_CHECKED else ""
    return f"kept by pool protection{because}"


def _slowed(standing: Standing, rising: Rising, now: float) -> tuple[Standing, float]:
    """How one stands that starts slowly, and when that changes."""
    steps = [rising.since + rising.seconds * step / DOUBLINGS for step in range(1, DOUBLINGS + 1)]
    left = sum(1 for step in steps if step > now)
    weight = max(1, (standing.weight or 0) >> left)
    why = f"slow start, {100 >> left} %"
    return replace(standing, weight=weight, why=f"{standing.why}, {why}" if standing.why else why), steps[
        -left
    ]


def _steady(
    group: Sequence[VirtualServer],
    standings: Mapping[Place, Standing],
    hands: Mapping[Place, Hand],
    before: Set[Place] | None,
) -> frozenset[Place]:
    """Those that serve and are not to start slowly; before: of the last moment, None: all of them."""
    if not any(each.slow_start for each in group):
        return frozenset()
    return frozenset(
        place
        for place, each in standings.items()
        if each.serves
        and (before is None or place in before or (place in hands and hands[place].order is Order.UP))
    )
