"""What the heart says of its own router: pulse's word, its interfaces' carrier, the gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lvs.pulse.election.failover import Fitness, Own
from lvs.pulse.heart.messages import Message
from lvs.pulse.heart.settings import Settings, digest
from lvs.router.links import LinkChange

RAISE_AGAIN = 300.0  # seconds after which addresses that could not be raised may be tried again
ASK_EVERY = 0.2  # the least seconds between two questions for the gateway


class Gateway:
    """Whether the gateway that is to be watched answers; asked all the time, so that a standby knows too."""

    def __init__(self, now: float) -> None:
        self.next_at = now
        self.answered_at = now

    def due(self, now: float, settings: Settings) -> bool:
        """Whether to ask now."""
        if now < self.next_at:
            return False
        self.next_at = now + self._interval(settings)
        return True

    def lost(self, now: float, settings: Settings) -> bool:
        """No answer for the dead time, and to three questions at least."""
        return now - self.answered_at >= max(settings.deadtime, 3 * self._interval(settings))

    def _interval(self, settings: Settings) -> float:
        return max(settings.keepalive, ASK_EVERY)


class Condition:
    """Gathers what makes this router's `Own`."""

    def __init__(self, settings: Settings, carriers: Mapping[str, bool], now: float) -> None:
        self._serial, self._sha256 = settings.serial, settings.sha256
        self._healthy = self._total = 0
        self._unfit: tuple[str, ...] = ()
        self._not_raised: tuple[str, ...] = ()
        self._not_raised_until = self._deaf_until = now
        self.carriers = dict(carriers)
        self.gateway = Gateway(now)

    def use(self, settings: Settings) -> None:
        """Another configuration: what could not be raised may be possible now."""
        self._serial, self._sha256 = settings.serial, settings.sha256
        self._not_raised = ()

    def told(self, message: Message) -> None:
        """pulse's message `condition`; ValueError or TypeError if it is none."""
        serial, sha256 = int(message.get("serial") or 0), digest(message.get("sha256"))
        total = max(int(message.get("total") or 0), 0)
        unfit = tuple(str(one) for one in message.get("unfit") or ())
        self._serial, self._sha256, self._unfit = serial, sha256, unfit
        self._healthy, self._total = min(max(int(message.get("healthy") or 0), 0), total), total

    def raised(self, problems: Iterable[str], now: float) -> None:
        """What pulse could not raise when it was told to; nothing: all is up."""
        self._not_raised = tuple(str(one) for one in problems)
        self._not_raised_until = now + RAISE_AGAIN

    def not_raised(self, now: float) -> tuple[str, ...]:
        """What keeps this router from being active, as far as it was tried."""
        return self._not_raised if now < self._not_raised_until else ()

    def changed(self, changes: Iterable[LinkChange], settings: Settings) -> bool:
        """Takes in carriers that came or went; whether one that is watched came."""
        came = False
        for change in changes:
            self.carriers[change.interface] = change.up
            came = came or (change.up and change.interface in settings.watched)
        return came

    def own(self, now: float, settings: Settings, more: Iterable[str], *, deaf: bool) -> Own:
        """more: further reasons why this router is not fit. deaf: it has no link to hear the other router on.

        For the dead time after that was so, silence proves nothing yet.
        """
        down = [name for name in settings.watched if not self.carriers.get(name)]
        cut_off = bool(down) and (settings.monitor_links or len(down) == len(settings.watched))
        lost = settings.gateway is not None and self.gateway.lost(now, settings)
        reasons = [*more, *self._unfit, *self.not_raised(now)]
        if deaf:
            self._deaf_until = now + settings.deadtime
        if now < self._deaf_until:
            reasons.append("it could not hear the other router on any link: see the alarms of its links")
        if cut_off:
            reasons.append(f"no link on {', '.join(down)}: check the cable and the switch")
        if lost:
            reasons.append(f"the gateway {settings.gateway} does not answer: check the network")
        return Own(
            serial=self._serial,
            sha256=self._sha256,
            healthy=self._healthy,
            total=self._total,
            fitness=Fitness(reasons=tuple(reasons), cut_off=cut_off, gateway_lost=lost),
        )
