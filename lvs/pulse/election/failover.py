"""Who of the two routers is active: the election, as a state machine that only computes.

The theory
----------
Two routers, one role to have. Each says of itself in a heartbeat, every `keepalive` (K) seconds on each link,
what it is, and believes of the other what it said last; after `deadtime` (T) without a word it is *silent*.
There is no third vote, so the rules are made such that whoever can know that something is wrong acts on it:

1. A router that is not fit never takes over (an administrator may force it).
2. Standby beside an active router: stay. Beside a standby one: the primary takes over at once; the backup
   does when the primary says that it is not fit, or does nothing for 1.5 T although it says that it is.
3. Silence for T: take over, unless the network says that the other machine still answers for a floating
   address (the *witness*, asked from T/2 on every P = min(K, T/6) seconds, within 0.01 and 1). Then only the
   heartbeat is cut, or the processes are dead and the kernel balances on: stay, raise an alarm, and go on
   asking; three questions that each had P for their answer, and found none when all that had come was read,
   end it, after 0.1 s at the least. A heartbeat ends it as well. Nor does silence count before two questions
   have found no answer in this way: what is late may be this router.
4. Nobody stands down for a router that does not hold the addresses (`released` is true), but one that is of
   no use itself. Both active and in contact: the one that was forced, else the one that holds the addresses,
   else the fit one, else the primary stays and announces again; the other stands down. One that hears, and is
   not heard, stands down, since only it can know. Both active, no contact, and the witness sees the other:
   the backup stands down, and if that does not end it (a kernel that balances on without its pulse) the
   primary, at the first answer after max(1 s, T) + 2 max(P, Q).
5. Handing over never leaves a gap: the active router *yields*, the other takes over and says so; only when it
   holds the addresses does the first one stand down. If it does not within max(1 s, T), or says that it
   cannot, the first one stays, and by rule 4 the other stands down. One that ends need not hear that: it
   also stands down when the other is silent and its machine answers for a floating address.
6. A router that took over and does not hold the addresses after max(1 s, T) is *late*: its pulse hangs, or
   could not raise all of them. It is not fit, its being forced counts no longer, and it yields to a fit
   standby; one that it does not hear takes over by itself. With nobody to yield to, it goes on trying. Of
   two that are late the one that rule 4 names goes on.
7. An active router that is not fit yields to one that is. With its own links lost and nobody to yield to, or
   with neither the peer nor the gateway to be heard, it stands down: a useless owner is one too many.
8. What another router said is worth as much as what was sent last: heartbeats that overtook each other on two
   links are sorted by `session` and `number`.
9. T is the longer one of what both say, while a change of lvs.cf has reached only one of them.
10. Silence counts only while this router listened: a pause (an event that comes more than T/2 after the last,
   as after a suspended machine or SIGSTOP; `next_at` is never further away than T/4) starts the count anew,
   and nothing is taken over for a moment (min(K, T/4)), until what was queued meanwhile has been read. So
   does a return of the own links or of the gateway.

Bounds, with d the longest way of a datagram, q the lateness of the edge (tick after next_at), r and l the
time to raise and to lower addresses, I the longer of both keepalives, Q 0.25 s (how often a router that has
long been active asks for a rival):

* nobody owns the addresses, while one fit router runs and may know it: at most T + d + q + r after a crash;
  at most 1.5 T + I + d + q + r from any state; 4 (P + q), or 0.1 s + q, more after a witness that fell
  silent; max(1 s, T) more for each pulse that was asked to raise them and did not answer.
* both own them, while heartbeats pass in at least one direction: at most 4 I + d + q + l, and 2 d + q + l
  when both directions pass and nothing is lost; T + 2 I + d + q + l after a router was forced while the other
  direction had just been cut, since the other one only then says that it does not hear. While only the
  witness sees, and after T of silence: max(P, Q) + q + l, or max(1 s, T) + 4 max(P, Q) + q + l where the
  backup's processes are dead.
* a hand-over: none without an owner, at most 2 d + q + l with two.

l is max(1 s, T) at the most: then the heart takes the addresses down in place of a pulse that did not.

These bounds are of machines on which a heart decides. Where pulse and heart were killed, or the service was
stopped while nobody could take over, the kernel holds the addresses and no rule can lower them. In reach, the
witness sees it, and the bounds above hold. Cut off from everything it holds them beside the one that took
over, where nobody can reach them, until its service manager has started pulse, and pulse a heart (in s), and
that finds the links or the gateway lost: s + max(T, 0.6 s) + q + l; without a watched gateway, until the end.

Silence in both directions with the network between the routers cut as well cannot be told from a crash: then
both are active, unless the gateway is watched, and rule 4 ends it once anything passes again.

The transition table is `lvs.pulse.election.table.TABLE`: what the words in it mean is worked out in
`lvs.pulse.election.facts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lvs.pulse.election import alarms as failover_alarms
from lvs.pulse.election import orders as failover_orders
from lvs.pulse.election import peer as failover_peer
from lvs.pulse.election.facts import facts
from lvs.pulse.election.table import RIVAL, Action, Fitness, Order, Own, Row, Rules, Stage, Verb, row_for
from lvs.pulse.election.view import WAITING, View
from lvs.pulse.heartbeat import Heartbeat, Link
from lvs.router.floating import Role

__all__ = ["Action", "Failover", "Fitness", "Order", "Own", "Rules", "Stage", "Step", "Verb"]

_AGAIN = 10.0  # seconds before a hand-over that failed is tried again by itself, at least


@dataclass(frozen=True, slots=True)
class Step:
    """What an event led to: the machine as it is now, and what the edge is to do, in order."""

    failover: Failover
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover(View):
    """One router's view of the election. now: seconds of a clock that never steps (CLOCK_BOOTTIME).

    Made by `start`. Every event gives a Step; after each of them, and at `next_at` at the latest, comes
    `tick`. The questions that can be asked of it are in View.
    """

    @classmethod
    def start(cls, rules: Rules, own: Own, now: float, *, held: bool, forced: bool = False) -> Failover:
        """A router whose pulse begins; held: its floating addresses are up, pulse was away for a moment.

        forced: as ordered(FORCE) would. The first event's Step tells what is to be done at the start.
        """
        stage, reason = Stage.LISTENING, "listening for the other router"
        pending: tuple[Action, ...] = (Action(Verb.SEND),)
        if forced:
            stage, reason = Stage.ACTIVE, "forced to be active"
            pending = (Action(Verb.TAKE_OVER, reason, "warning"), *pending)
        elif held:
            stage, reason = Stage.ACTIVE, "its floating addresses are up: active as before"
        return cls(
            rules=rules,
            own=own,
            stage=stage,
            since=now,
            reason=reason,
            up=held,
            forced=forced,
            stage_at=now,
            listening_from=now,
            last_at=now,
            pending=pending,
        )

    def heard(
        self,
        now: float,
        link: Link,
        heartbeat: Heartbeat,
        *,
        session: int | None = None,
        number: int | None = None,
    ) -> Step:
        """An accepted heartbeat of the other router.

        session: names one run of its heart. number: grows with each round of sending and is the same on both
        links, so that a heartbeat overtaken on the other link is known as old; None: the last to come is the
        newest.
        """
        me, actions = self._woken(now)
        if heartbeat.node is self.rules.node:
            return replace(me, double_at=now)._decided(now, actions)
        ears = (*(ear for ear in me.ears if ear[0] is not link), (link, now))
        peer = me.peer
        if peer is not None and peer.is_older(session, number):
            return replace(me, ears=ears)._decided(now, actions)
        restarted = peer is not None and peer.restarts_with(heartbeat, session)
        known = None if restarted or peer is None or now >= peer.at + me.deadtime else peer
        if known is None:
            actions.append(Action(Verb.SEND))  # it is to learn at once that it is heard
        fresh = failover_peer.heard(known, now, heartbeat, me.own.sha256, session, number)
        keeps, forced = me.keeps and not restarted, me.forced and not fresh.forces(known)
        me = replace(me, ears=ears, peer=fresh, keeps=keeps, forced=forced)
        step = me._decided(now, actions)
        announcement = failover_peer.announcement(known, fresh)
        if announcement and me.stage is Stage.ACTIVE and step.failover.stage is Stage.ACTIVE:
            return Step(step.failover, (*step.actions, Action(Verb.ANNOUNCE, announcement)))
        return step

    def tick(self, now: float) -> Step:
        """Time has passed."""
        me, actions = self._woken(now)
        me = replace(me, questions=me.questions.ticked(now, me.probe_interval(now)))
        return me._decided(now, actions)

    def judged(self, now: float, own: Own) -> Step:
        """This router's own condition or configuration's number is another now."""
        me, actions = self._woken(now)
        before, after = me.own.fitness, own.fitness
        if (before.cut_off and not after.cut_off) or (before.gateway_lost and not after.gateway_lost):
            me = replace(me, listening_from=now)
        if before.cut_off and not after.cut_off:
            actions.append(Action(Verb.TELL, "Local NIC link(s) restored: Pulse enabled"))
        if before.is_fit is not after.is_fit or me.own.sha256 != own.sha256:
            actions.append(Action(Verb.SEND))
        return replace(me, own=own)._decided(now, actions)

    def ruled(self, now: float, rules: Rules, *, anew: bool = False) -> Step:
        """Another configuration is in force. anew: so says another pulse, which no order is from."""
        me, actions = self._woken(now)
        if anew:  # one that was killed at its end may have left a STOP behind
            me = replace(me, leaving=False, order=None)
        ears = tuple(ear for ear in me.ears if ear[0] in rules.links)
        return replace(me, rules=rules, ears=ears)._decided(now, [*actions, Action(Verb.SEND)])

    def witnessed(self, now: float) -> Step:
        """The other router's machine answered for a floating address (ARP, neighbour discovery)."""
        me, actions = self._woken(now)
        goes_on = me.rival_from > me.since and now < me.questions.answered_at + max(me.deadtime, 3.0)
        rival_from = me.rival_from if goes_on else now
        me = replace(me, questions=me.questions.answer(now), rival_from=rival_from)
        return me._decided(now, actions)

    def raised(self, now: float) -> Step:
        """All floating addresses are up, as TAKE_OVER asked; until then the other router keeps its own."""
        me, actions = self._woken(now)
        if me.role is not Role.ACTIVE or me.stage is Stage.STANDING_DOWN:
            return me._decided(now, actions)  # overtaken by a stand down
        return replace(me, up=True)._decided(now, [*actions, Action(Verb.SEND)])

    def lowered(self, now: float) -> Step:
        """The floating addresses are down, as STAND_DOWN asked."""
        me, actions = self._woken(now)
        if me.stage is not Stage.STANDING_DOWN:
            return me._decided(now, actions)  # overtaken by an order to be active
        order = me.order
        me = replace(
            me,
            stage=Stage.STANDBY,
            stage_at=now,
            since=now,
            up=False,
            forced=False,
            order=None,
            leaving=me.leaving or order is Order.STOP,
        )
        actions.append(Action(Verb.SEND))
        if order is Order.STOP:
            actions.append(Action(Verb.LEAVE, "the other router is active", order=order))
        elif order is not None:
            actions.append(Action(Verb.DONE, "handed over to the other router", order=order))
        return me._decided(now, actions)

    def fenced(self, now: float, reason: str) -> Step:
        """The heart has taken the addresses down by itself, because pulse is gone or hangs.

        judged() with what makes this router unfit comes before, or it would take over again.
        """
        me, actions = self._woken(now)
        if me.order is not None:
            actions.append(Action(Verb.REFUSE, reason, "error", me.order))
        me = replace(me, stage=Stage.STANDBY, stage_at=now, up=False, forced=False, order=None, wish="")
        if self.role is Role.ACTIVE:
            me = replace(me, since=now, reason=reason)
        return me._decided(now, [*actions, Action(Verb.SEND)])

    def ordered(self, now: float, order: Order) -> Step:
        """An administrator's will; its answer (DONE, LEAVE, REFUSE with order) may come in a later Step."""
        me, actions = self._woken(now)
        if me.order is not None and order not in (Order.FORCE, Order.STOP):
            refusal = f"another order is being carried out: {me.order}; wait until it is done"
            return me._decided(now, [*actions, Action(Verb.REFUSE, refusal, "warning", order)])
        if me.order is not None:
            actions.append(Action(Verb.REFUSE, f"another order came: {order}", "warning", me.order))
        me = replace(me, order=None, keeps=False)
        if order is Order.FORCE:
            return me._force(now, actions)
        me = replace(me, forced=False)
        if order is Order.STOP:
            return me._stop(now, actions)
        if me.role is Role.ACTIVE:
            return me._hand_over(now, order, actions)
        return me._ask(now, order, actions)

    def _woken(self, now: float) -> tuple[Failover, list[Action]]:
        """This machine at now: after a pause it listens anew."""
        me = replace(self, last_at=now, pending=())
        if now - self.last_at > self.rules.deadtime / 2:
            settled_at = now + min(self.rules.keepalive, self.rules.deadtime / 4)
            me = replace(me, listening_from=now, settled_at=settled_at)
        return me, list(self.pending)

    def _decided(self, now: float, actions: list[Action]) -> Step:
        """What the table says, then what goes on by itself: orders that time out, questions, news."""
        me = self
        row = None if me.leaving else row_for(me.stage, facts(me, now))
        if row is not None and row.to is not None:
            me, more = me._moved(now, row, row.to)
            actions += more
        ended = failover_orders.ended(me, now)
        if ended is not None:
            me, actions = replace(me, order=None), [*actions, ended]
        if me._probe_due(now):
            me = replace(me, questions=me.questions.ask(now, me.quiet_from))
            actions.append(Action(Verb.PROBE))
        alarms = failover_alarms.alarms(me, now)
        news = failover_alarms.news(me.told, alarms)
        return Step(replace(me, told=alarms) if news else me, (*actions, *news))

    def _moved(self, now: float, row: Row, to: Stage) -> tuple[Failover, list[Action]]:
        """A row of the table carried out."""
        me = replace(self, stage=to, stage_at=now)
        if to is Stage.STANDBY:
            return replace(me, reason=row.reason), []
        if to in (Stage.YIELDING, Stage.STANDING_DOWN):
            broken_off = failover_orders.broken_off(self) if self.stage is Stage.ACTIVE else None
            me = me if broken_off is None else replace(me, order=None)
            yields = to is Stage.YIELDING
            me, more = me._yielding(now, row.reason) if yields else me._standing_down(row.reason, row.level)
            return me, more if broken_off is None else [broken_off, *more]
        if self.stage is Stage.YIELDING:
            return me._staying(now, row)
        asked = self.order is not None or (row.soft and self.peer is not None and self.peer.heartbeat.fit)
        return replace(me, keeps=asked)._taking_over(now, row.reason, row.level, soft=row.soft)

    def _taking_over(
        self, now: float, reason: str, level: str = "info", *, soft: bool = False
    ) -> tuple[Failover, list[Action]]:
        me = replace(self, stage=Stage.ACTIVE, stage_at=now, since=now, reason=reason, up=False)
        return me, [Action(Verb.TAKE_OVER, reason, level, soft=soft), Action(Verb.SEND)]

    def _yielding(self, now: float, wish: str) -> tuple[Failover, list[Action]]:
        me = replace(self, stage=Stage.YIELDING, stage_at=now, wish=wish)
        return me, [Action(Verb.TELL, f"handing over: {wish}"), Action(Verb.SEND)]

    def _standing_down(self, reason: str, level: str) -> tuple[Failover, list[Action]]:
        told = f"{reason} ({self.wish})" if self.wish else reason
        me = replace(self, stage=Stage.STANDING_DOWN, reason=told, wish="")
        return me, [Action(Verb.STAND_DOWN, told, level), Action(Verb.SEND)]

    def _staying(self, now: float, row: Row) -> tuple[Failover, list[Action]]:
        """A hand-over that did not come about."""
        patient_at = now + max(_AGAIN, 3 * self.rules.deadtime)
        me = replace(self, order=None, wish="", patient_at=patient_at)
        if row.leave:
            return me._left(row.reason)
        refusal = f"{row.reason}: this one stays active; see what the other router's log says"
        verb = Verb.TELL if self.order is None else Verb.REFUSE
        return me, [Action(verb, refusal, "warning", self.order), Action(Verb.SEND)]

    def _left(self, reason: str) -> tuple[Failover, list[Action]]:
        """The end of a STOP that leaves the addresses where they are: the kernel goes on balancing."""
        reason = f"{reason}: the kernel goes on balancing" if self.role is Role.ACTIVE else reason
        left = Action(Verb.LEAVE, reason, order=Order.STOP)
        return replace(self, leaving=True, order=None), [Action(Verb.SEND), left]

    # Orders.

    def _force(self, now: float, actions: list[Action]) -> Step:
        me = replace(self, forced=True, keeps=True, leaving=False, order=Order.FORCE, order_at=now, wish="")
        if me.stage in (Stage.ACTIVE, Stage.YIELDING):
            me, more = replace(me, stage=Stage.ACTIVE), [Action(Verb.SEND)]
        else:
            me, more = me._taking_over(now, "forced to be active", "warning")
        return me._decided(now, [*actions, *more])

    def _stop(self, now: float, actions: list[Action]) -> Step:
        peer, alive = self.peer, self.peer_alive(now)
        me = replace(self, order=Order.STOP, order_at=now)
        more: list[Action] = []
        if me.stage in WAITING:
            me, more = me._left("this router is standby")
        elif me.stage is Stage.ACTIVE and peer is not None and alive and peer.serves:
            me = replace(me, stage_at=now)
            me, more = me._standing_down("partner active", "info")
        elif me.stage is Stage.ACTIVE and peer is not None and alive and (peer.takes or peer.active):
            me, more = me._yielding(now, "pulse stops")
        elif me.stage is Stage.ACTIVE and me.peer_silent(now) and me.peer_holds(now):
            me, more = replace(me, stage_at=now)._standing_down(RIVAL, "warning")
        elif me.stage is Stage.ACTIVE:
            me, more = me._left("nobody can take over")
        return me._decided(now, [*actions, *more])

    def _hand_over(self, now: float, order: Order, actions: list[Action]) -> Step:
        if order is Order.TAKE:
            handing = self.stage is not Stage.ACTIVE
            refused = Action(Verb.REFUSE, "this router is handing over just now", "warning", order)
            done = Action(Verb.DONE, "this router is active already", order=order)
            return self._decided(now, [*actions, refused if handing else done])
        me = replace(self, order=order, order_at=now)
        if me.stage is not Stage.ACTIVE:
            return me._decided(now, actions)
        refusals = failover_alarms.refusals(self, now, anyway=order is Order.HAND_OVER_ANYWAY)
        if refusals:
            return self._decided(now, [*actions, Action(Verb.REFUSE, " ".join(refusals), "warning", order)])
        me, more = me._yielding(now, "ordered by hand")
        return me._decided(now, [*actions, *more])

    def _ask(self, now: float, order: Order, actions: list[Action]) -> Step:
        """A standby that is to become active."""
        refusals = failover_alarms.refusals(self, now)
        if order is Order.HAND_OVER_ANYWAY and self.own.fitness.is_fit:
            refusals = ("This router is standby: order that on the active router.",)
        if refusals:
            return self._decided(now, [*actions, Action(Verb.REFUSE, " ".join(refusals), "warning", order)])
        me, more = replace(self, order=order, order_at=now), [Action(Verb.SEND)]
        if self.peer is not None and not self.peer.active:
            me, more = replace(me, keeps=True)._taking_over(now, "ordered by hand")
        return me._decided(now, [*actions, *more])

    # What goes on by itself.

    def _probe_due(self, now: float) -> bool:
        if not self.rules.witness or self.leaving or (self.peer is not None and self.peer.gone):
            return False
        return now >= max(
            self.quiet_from + self.deadtime / 2, self.questions.asked_at + self.probe_interval(now)
        )
