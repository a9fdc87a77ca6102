"""One of two routers: pulse's side of what the heart decides.

Between `Keeper`, which works on the kernel, and `HeartLine`, which speaks to the heart. Where lvs.cf means
one router only, or this one has no key, there is no heart, and `Keeper.assigned` is None.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lvs.config.model import Address, LvsConfig
from lvs.errors import KernelError, RouterError
from lvs.pulse import keys
from lvs.pulse.aside import Aside, entry_of
from lvs.pulse.condition import condition
from lvs.pulse.election.failover import Order, Stage
from lvs.pulse.heart.messages import Message
from lvs.pulse.heartline import HeartLine
from lvs.pulse.keeping import Keeper, Partner
from lvs.pulse.node import Place
from lvs.pulse.redundancy import (
    Keys,
    alone_because,
    inactive_because,
    is_meant,
    missing_interfaces,
    settings,
)
from lvs.pulse.running import Running
from lvs.pulse.words import NO_CONFIGURATION
from lvs.reported.counted import RoleCounts
from lvs.router import links
from lvs.router.state import InterfaceAddress, Role

ORDER_SECONDS = 5.0  # beyond the dead time, for an order of the administrator
LONGEST_ORDER = 25.0  # `piranha failover` waits a little longer; the heart goes on with a slow order
STOP_SECONDS = 3.0  # at the least, for a hand-over at the end
STOP_MARGIN = 2.0  # beyond the dead time, for the same
ALONE = "There is no second router to hand over to: enable redundancy in lvs.cf and apply it on both routers."
ALONE_ASIDE = (
    "There is no second router that would serve instead: to end service, deactivate the virtual servers and "
    "apply that."
)


class Pair(Partner):
    """Makes this router one of two as long as lvs.cf and the keys in folder say so.

    planning: there is never a heart. forced: become active at the start, whatever the other router says.
    """

    def __init__(
        self,
        keeper: Keeper,
        *,
        config_folder: Path,
        state: Path,
        name: str,
        planning: bool = False,
        forced: bool = False,
        dying: Callable[[], Collection[str]] = tuple,
        start: Callable[[Path], int] | None = None,
        missing_interfaces: Callable[[Collection[InterfaceAddress]], Collection[str]] = missing_interfaces,
        interface_of: Callable[[Address], str | None] = links.interface_of,
    ) -> None:
        self._keeper = keeper
        self._folder = config_folder
        self._name = name
        self._planning = planning
        self._forced = forced
        self._dying = dying
        self.file_problem: Callable[[], str | None] = lambda: None  # set by who has the file
        self._missing_interfaces = missing_interfaces
        self._interface_of = interface_of
        self._keys = Keys()
        self._problem: str | None = None
        self._running: Running | None = None  # what was considered last
        self._owed: Role | None = None  # a role not taken up at first, of which the heart waits to hear
        self.counts = RoleCounts()
        self.aside = Aside(state, keeper.work, keeper.events, keeper.clock)
        self.line = HeartLine(state, self, start)
        keeper.partner = self

    def in_doubt(self) -> bool:
        """Whether the heart may have said, or has said, that this router is not the active one."""
        return self._keeper.assigned is not None and self.line.in_doubt

    def yields(self) -> bool:
        """Whether the heart has asked the other router to take over, and waits for it."""
        return (self.line.status or {}).get("stage") == Stage.YIELDING

    # ---- configuration and keys

    def load_keys(self) -> None:
        """Take up the keys from the disk."""
        try:
            found = Keys(keys.load(self._folder))
        except RouterError as error:
            found = Keys(problem=str(error))
        if self._keys.keys and not found.keys:
            # Without any, both routers would act by themselves.
            self._keeper.events.warning(
                f"the cluster's keys stay those of before, since {found.problem or 'cluster.key is gone'}"
            )
            return
        self._keys = found

    def replace_keys(self, new: Sequence[bytes]) -> Keys:
        """Put new keys in their place, and give those of before; RouterError if they are none."""
        before = self._keys
        self._hold(keys.joined(new, before.keys))
        return before

    def put_back_keys(self, before: Keys) -> None:
        """After an install that failed: the keys of before it, if there were any."""
        if before.keys:
            self._hold(before.keys)

    def _hold(self, new: Sequence[bytes]) -> None:
        if tuple(new) != self._keys.keys:
            keys.save(self._folder, new)
            self._keys = Keys(tuple(new))

    def refuse_to_part(self, new: Running) -> None:
        """RouterError where this router would change its role by being one of two no longer.

        The other one hears of that later, or not at all if it is away: until then both would serve, or none.
        """
        keeper = self._keeper
        if self._planning or keeper.assigned in (None, keeper.place.role) or is_meant(new.config):
            return
        raise RouterError(
            "Without a second router the primary serves, but now the backup is active. Make the primary "
            "active first (Switch now, piranha failover), then apply this again."
        )

    async def consider(self, new: Running) -> None:
        """Work out, with a configuration that comes into force, whether this router is one of two.

        What it holds it keeps until the heart has spoken. Call with `Keeper.changing` held, or at the start.
        """
        keeper = self._keeper
        place, self._running = keeper.locator.find(new.config), new
        self._problem = self._why_not(new.config, place)
        if self._planning or not is_meant(new.config) or self._problem is not None:
            keeper.assigned = None
        elif keeper.assigned is None and keeper.running is not None:
            keeper.assigned = keeper.role
        elif keeper.assigned is None:
            keeper.assigned = await self._found(new)

    def _why_not(self, config: LvsConfig, place: Place) -> str | None:
        """Why this router is none of two, if that should be known; said once."""
        if self._planning:
            return None
        inactive = inactive_because(config, place)
        if inactive is not None and inactive != self._problem:
            self._keeper.events.warning(inactive)
        return inactive or alone_because(config, place, self._keys)

    async def _found(self, new: Running) -> Role:
        """The role of a pulse that has just begun: the one of the kernel as it is found."""
        with suppress(KernelError):
            if await self._keeper.work.holds(new.config):
                self._keeper.taken_over_before()
                return Role.ACTIVE
        return Role.STANDBY

    def settle(self) -> None:
        """Have the heart know what is in force now; start it if need be, or end it."""
        if self._keeper.assigned is None:
            self.line.dismiss()
        else:
            self.line.settle()

    # ---- what the heart wants (heartline.Listener)

    async def take_role(self, role: Role, reason: str, soft: bool) -> tuple[str, ...] | None:
        await self._keeper.ready.wait()
        before = self._keeper.role
        problems = await self._keeper.take_role(role, reason, soft=soft)
        if self._keeper.role is role and before is not role:
            self.counts.add(role.value, reason)
        self._owed = role if problems else None
        self.line.hurry()
        return problems

    async def settings(self) -> Message | None:
        """What is in force, and whether the floating addresses are up here."""
        keeper, forced = self._keeper, self._forced
        running = self._running
        if running is None or keeper.assigned is None:
            return None
        held = keeper.assigned is Role.ACTIVE
        if held and self.line.in_doubt:
            with suppress(KernelError):
                held = await keeper.work.holds(running.config)
        self._forced = False
        place = keeper.locator.find(running.config)
        return await asyncio.to_thread(
            settings,
            running,
            place,
            self._keys,
            name=self._name,
            held=held,
            forced=forced,
            interface_of=self._interface_of,
        )

    def condition(self) -> Message:
        keeper = self._keeper
        if self._owed is Role.ACTIVE and self._running and keeper.held_addresses() == self._running.floating:
            self._owed = None  # what did not succeed at first was tried again
            self.line.say({"say": "raised", "problems": []})
        elif self._owed is Role.STANDBY and keeper.assigned is Role.STANDBY and keeper.account.is_lowered:
            self._owed = None  # else this router would be unfit for ever
            self.line.say({"say": "lowered"})
        return condition(
            keeper,
            self._running,
            dying=[*self.aside.unfit(), *self._dying()],
            file_problem=self.file_problem(),
            missing_interfaces=self._missing_interfaces,
        )

    def gossip(self) -> tuple[int, Message]:
        hands = self._keeper.weighing.hands
        return hands.version, {"say": "gossip", "entries": hands.wire}

    def heard_gossip(self, entries: Collection[object]) -> None:
        self._keeper.weighing.hands.hear(entries)

    def announce(self, reason: str) -> None:
        self._keeper.events.info(f"announcing the floating addresses again: {reason}")
        self._keeper.announcer.again()

    def event(self, level: str, text: str) -> None:
        events = self._keeper.events
        {"warning": events.warning, "error": events.error}.get(level, events.info)(text)

    # ---- what the administrator wants

    async def hand_over(self, *, anyway: bool) -> dict[str, Any]:
        """Give the active role to the other router, or ask for it; RouterError says why not."""
        if self._keeper.role is Role.ACTIVE:
            return await self._order(Order.HAND_OVER_ANYWAY if anyway else Order.HAND_OVER)
        return await self._order(Order.TAKE)

    async def take_over_by_force(self) -> dict[str, Any]:
        """Become active, whatever the other router says, and whoever has set this one aside."""
        if self.aside.entry is not None:
            await self.take_part()  # whatever the disk says to it
        return await self._order(Order.FORCE)

    async def set_aside(
        self, *, by: str, reason: str, until: float | None, anyway: bool = False
    ) -> dict[str, Any]:
        """Take no part from now on; the active router hands over first. RouterError: it takes part.

        until: seconds since the epoch, None: until it is told. anyway: also where the routers differ, or
        while the other one serves and is not fit.
        """
        entry = entry_of(by, reason, self._keeper.clock(), until)
        if self._keeper.assigned is None:
            raise RouterError(self._problem or ALONE_ASIDE)
        handed = ""
        if self._keeper.role is Role.ACTIVE:
            await self._order(Order.HAND_OVER_ANYWAY if anyway else Order.HAND_OVER)
            handed = "it has handed over, and "
        else:
            self._refuse_without_active(anyway=anyway)
        unwritten = await self.aside.replace(entry)
        if self.line.said is Role.ACTIVE:  # the other one was set aside, or failed, in the same moment
            await self.aside.replace(None)
            raise RouterError(
                "This router is active by now, so it takes part: look at the other one, then say it again."
            )
        self.line.hurry()
        self._keeper.events.warning(f"set aside by {entry.by}{f': {entry.reason}' if entry.reason else ''}")
        message = (
            f"{handed}takes no part until it is told to{'' if until is None else ', or the time is over'}"
        )
        return {"role": self._keeper.role.value, "message": _but(message, unwritten)}

    def _refuse_without_active(self, *, anyway: bool) -> None:
        """RouterError on a standby that may be needed at any moment."""
        peer = (self.line.status or {}).get("peer") or {}
        if not peer.get("alive") or peer.get("role") != Role.ACTIVE.value:
            raise RouterError(
                "The other router is not heard to be active, so this one may be needed at any moment: see to "
                "the other first. Nothing was changed."
            )
        if not peer.get("fit", True) and not anyway:
            raise RouterError(
                "The other router is active, but not fit, as its own status says: this one may be needed at "
                "any moment. Nothing was changed. To set it aside nevertheless: piranha aside --anyway."
            )

    async def take_part(self) -> dict[str, Any]:
        """Be one of the pair again."""
        before = self.aside.entry
        unwritten = await self.aside.replace(None)
        self.line.hurry()
        message = "it was not set aside, and takes part"
        if before is not None:
            message = "takes part again"
            self._keeper.events.info(message)
        return {"role": self._keeper.role.value, "message": _but(message, unwritten)}

    async def _order(self, order: Order) -> dict[str, Any]:
        running = self._running
        if running is None:
            raise RouterError(self.file_problem() or NO_CONFIGURATION)
        if self._keeper.assigned is None:
            raise RouterError(self._problem or ALONE)
        within = min(LONGEST_ORDER, running.config.redundancy.deadtime + ORDER_SECONDS)
        message = await self.line.order(order, within)
        return {"role": self._keeper.role.value, "message": message}

    async def stop(self) -> None:
        """The end of pulse: hand over if somebody can take over, and end the heart."""
        running = self._running
        if running is None or self._keeper.assigned is None:
            return
        within = max(STOP_SECONDS, running.config.redundancy.deadtime + STOP_MARGIN)
        try:
            message = await self.line.order(Order.STOP, within)
        except RouterError as error:
            message = f"the kernel goes on balancing: {error}"
        self._keeper.events.info(f"stopping: {message}")
        await self.line.leave()

    # ---- the status

    def problems(self) -> Iterator[str]:
        """What is wrong with being one of two, in sentences."""
        yield from filter(None, (self._problem, self.aside.problem))
        if self._keeper.assigned is None:
            return
        if not self.line.is_open and self.line.problem is not None:
            yield self.line.problem
        yield from (self.line.status or {}).get("alarms", ())

    def document(self) -> Mapping[str, Any] | None:
        """The part `redundancy` of the status document; None: it is alone, or has heard nothing yet."""
        if self._keeper.assigned is None or self.line.status is None:
            return None
        return {**self.line.status, "heart": {"pid": self.line.pid, "alive": self.line.is_open}}


def _but(message: str, unwritten: str) -> str:
    """What came of an order, with what the disk said to it."""
    return f"{message}. {unwritten}" if unwritten else message
