"""The part of pulse that brings the kernel to what lvs.cf, the role and the health of the real servers want.

The theory. A configuration is in force (`running`) or none is. Whatever may change what is wanted (an
install, a role, a transition of health, somebody else's hand in the kernel) ends in `reconcile`, which works
out what is wanted and brings the kernel there. Changes come one at a time (`changing`), and none of them
waits for anything but the kernel and the disk while it holds that lock: a takeover is never far from its
turn.

The role is the place's (the primary is active), unless this router is one of two: then `assigned` has the
role that was taken up last. Where the heart may have said something that has not been heard yet (pulse has
just begun, or was held up for seconds), or has said `standby` and that waits for its turn, the role is
`in_doubt`: all is kept as lvs.cf wants, but the floating addresses stay as they are found, since the other
router may have them by now. What is under way then is stopped before it raises one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from lvs.config.model import LvsConfig
from lvs.errors import KernelError, LvsError, RouterError
from lvs.nanny.checker import Checker, Target
from lvs.nanny.health import Verdict
from lvs.nanny.rounds import unchecked
from lvs.nanny.under_way import Probe
from lvs.pulse.account import Account
from lvs.pulse.announcer import Announcer
from lvs.pulse.events import Events
from lvs.pulse.guarding import Guarding
from lvs.pulse.kernel_work import Aim, KernelWork, Outcome
from lvs.pulse.node import Locator, Place
from lvs.pulse.running import Running
from lvs.pulse.turns import Turns
from lvs.pulse.weighing import Weighing
from lvs.pulse.words import NO_CONFIGURATION
from lvs.router.sentences import Names
from lvs.router.state import Health, InterfaceAddress, Part, Role, Verb

log = logging.getLogger("pulse")

KEEP_SECONDS = 10.0  # between looks at the kernel
COALESCE_SECONDS = 0.05  # in which transitions of health are gathered into one reconciliation
LINGER_SECONDS = 3.0  # after standing down, for what the kernel has still to tell the other router
QUIET_SECONDS = 1.0  # after a change of role, before the look at everything: it may be followed by another
HUSH_SECONDS = 3.0  # after a hand-over, in which the other router still tells of its connections

Entered = Callable[[Role, LvsConfig], None]


class Partner:
    """The other router, as far as the kernel is concerned: here that there is none; `Pair` has one."""

    async def consider(self, new: Running) -> None:
        """A configuration comes into force, or this is found to be another machine of it: set `assigned`."""

    def settle(self) -> None:
        """That configuration stays."""

    def in_doubt(self) -> bool:
        """Whether this router may not be active any more; asked by the kernel's thread as well."""
        return False

    def yields(self) -> bool:
        """Whether this active router has asked the other one to take over; asked by that thread as well."""
        return False


class Keeper:
    """The kernel, what is wanted of it, and what came of that.

    entered(role, config) is called when a role has been taken up. state: the folder of pulse's notes. limit:
    checks under way at once.
    """

    def __init__(
        self,
        *,
        work: KernelWork,
        locator: Locator,
        state: Path,
        clock: Callable[[], float] = time.time,
        probe: Probe | None = None,
        limit: int = 400,
    ) -> None:
        self.work = work
        self.clock = clock
        self.locator = locator
        self.running: Running | None = None
        self.names = Names()
        self.place: Place = locator.find(None)
        self.assigned: Role | None = None
        self.partner = Partner()
        self.entered: Entered = lambda role, config: None
        self.changing = Turns()
        self.events = Events(clock)
        self.account = Account(self.events, clock)
        self.makes_checks = probe is not unchecked
        self.checks_at_once = limit
        self.checker = Checker(self._told, probe=probe, clock=clock, limit=limit)
        self.weighing = Weighing(
            state=state,
            work=work,
            events=self.events,
            wake=self.wake,
            verdicts=lambda: self.checker.verdicts,
            unmade=lambda: self.checker.unmade,
            probe=probe,
            clock=clock,
        )
        self.guarding = Guarding(state, work, self.events)
        self.announcer = Announcer(self._announce, self.events, self.held_addresses)
        self.ready = asyncio.Event()  # the lvs.cf of the start is in force, if there is a good one
        self._wake = asyncio.Event()
        self._whole = False  # the next turn of `keep` is to look at everything
        self._role_taken: Role | None = None
        self._quiet: asyncio.TimerHandle | None = None  # the look at everything after a change of role
        self._stood_down: float | None = None  # on the loop's clock
        self._hushed_until: float | None = None  # on the loop's clock

    @property
    def role(self) -> Role:
        """What this router does."""
        return self.place.role if self.assigned is None else self.assigned

    def held_addresses(self) -> frozenset[InterfaceAddress]:
        """The floating addresses that are up here; none while the role is in doubt."""
        if not self._holds():
            return frozenset()
        return self.account.wanted.addresses - self.account.missing_addresses

    def taken_over_before(self) -> None:
        """This pulse begins beside floating addresses that are up: nothing is taken over."""
        self._role_taken = Role.ACTIVE

    def wake(self, *, whole: bool = False) -> None:
        """Have `keep` reconcile soon; whole: with a look at everything."""
        self._whole |= whole
        self._wake.set()

    async def keep(self) -> None:
        """Follow the health of the real servers, and put back what others change, until cancelled."""
        loop = asyncio.get_running_loop()
        look = loop.time() + KEEP_SECONDS
        while True:
            cause, whole = "health", False
            try:
                async with asyncio.timeout_at(look):
                    await self._wake.wait()
                    await asyncio.sleep(COALESCE_SECONDS)
            except TimeoutError:
                cause, whole = "look at the kernel", True
                look = loop.time() + KEEP_SECONDS
            self._wake.clear()
            whole, self._whole = whole or self._whole, False
            async with self.changing:
                await self._keep_once(cause, whole=whole)

    async def _keep_once(self, cause: str, *, whole: bool) -> None:
        try:
            if self.running is None:
                if whole:
                    await self.guarding.hold()
                return
            await self.let_resets_out()
            if whole:
                await self.weighing.look_for_programs()
            await self.reconcile(cause, whole=whole)
        except LvsError as error:
            log.debug("%s; trying again", error)  # the account has said it
        except Exception as error:
            # A fault of ours must not end the checks; the next turn may do better.
            log.exception("keeping the kernel ended in an unexpected error")
            self.account.fail(RouterError(f"pulse failed at this: {type(error).__name__}: {error}"))

    async def take_role(self, role: Role, reason: str, *, soft: bool = False) -> tuple[str, ...] | None:
        """Raise the floating addresses, or lower them; what did not succeed, in sentences.

        None: another role was said meanwhile, or may have been, and nothing was raised. soft: the other
        router has handed over, and its kernel has still to tell ours of its last connections.
        """
        begun = time.monotonic()
        async with self.changing.first():
            if self.running is None or self.assigned is None:
                return (NO_CONFIGURATION,)
            if role is Role.ACTIVE and self.partner.in_doubt():
                return None
            parting = role is Role.STANDBY and self.assigned is Role.ACTIVE
            if parting:
                self._linger()
            self.assigned, again = role, role is self._role_taken
            self._look_when_quiet()
            try:
                if soft and role is Role.ACTIVE:
                    await self._hush(self.running)
                outcome = await (self._part(reason) if parting else self._change_role(reason))
            except LvsError as error:
                self.wake(whole=True)  # what failed is tried again
                return (str(error),)
            except Exception as error:
                # A fault of ours must not leave the heart, and the other router, waiting for an answer.
                log.exception("taking up the role ended in an unexpected error")
                self.wake(whole=True)
                return (f"pulse failed at this: {type(error).__name__}: {error}",)
        if outcome.held_back:
            return None
        if not again:
            self.events.info(f"{role} after {(time.monotonic() - begun) * 1000:.1f} ms ({reason})")
        not_moved = _not_moved(outcome)
        if not_moved:
            self.wake(whole=True)
        return not_moved

    async def reconcile(
        self, cause: str, *, whole: bool, role: bool = False, parting: bool = False
    ) -> Outcome:
        """Bring the kernel to what is wanted now; raises KernelError when it cannot be read.

        whole: look for what others changed as well, at many times the cost; role: of that, at what a role
        changes. parting: real servers were deleted, of which some may have no connections: those go now. Call
        with `changing` held.
        """
        running = self.running
        if running is None:
            raise RouterError(NO_CONFIGURATION)
        await self._locate(running)
        taken = None if self._in_doubt() else self.role
        try:
            outcome = await self._reconcile(running, taken, whole=whole, role_changes=role)
            if parting and await self.weighing.let_go():
                outcome = joined(outcome, await self._reconcile(running, taken, whole=False))
        except LvsError as error:
            self.account.fail(error)
            if whole:
                await self.guarding.hold()
            raise
        self.note(outcome, cause)
        if taken is not None and taken is not self._role_taken and not outcome.held_back:
            self._role_taken = taken
            self.entered(taken, running.config)
        return outcome

    async def _reconcile(
        self, running: Running, role: Role | None, *, whole: bool, role_changes: bool = False
    ) -> Outcome:
        aim = Aim(
            running.config,
            role,
            self.checker.health,
            lingering=self._lingers(),
            weights=self.weighing.weigh(running.config).weights,
            departing=self.weighing.departing.destinations,
            guard=self.guarding.guard,
        )
        return await self.work.reconcile(
            aim, self.names, whole=whole, role=role_changes, may_raise=lambda: not self._in_doubt()
        )

    def _in_doubt(self) -> bool:
        return self.role is Role.ACTIVE and self.partner.in_doubt()

    def _holds(self) -> bool:
        return self.role is Role.ACTIVE and not self.partner.in_doubt()

    async def _announce(self, addresses: Collection[InterfaceAddress]) -> None:
        await self.work.announce(addresses, still=self._announces)

    def _announces(self) -> bool:
        # The neighbours believe who announced last, which must not be the one that hands over.
        return self._holds() and not self.partner.yields()

    def _look_when_quiet(self) -> None:
        """Have `keep` look at everything, as a change of role does not for speed's sake, but not at once."""
        if self._quiet is not None:
            self._quiet.cancel()
        loop = asyncio.get_running_loop()
        self._quiet = loop.call_later(QUIET_SECONDS, partial(self.wake, whole=True))

    async def _locate(self, running: Running) -> None:
        """Find out which machine this is; its role does not change by that where it is one of two."""
        found = self.locator.find(running.config)
        if found == self.place:
            return
        await self.partner.consider(running)
        if found.node is not self.place.node:
            self.events.warning(f"this router is the {found.node}")
        self.place = found
        self.partner.settle()

    def note(self, outcome: Outcome, cause: str) -> None:
        """Account for a reconciliation, and have what was raised announced again."""
        self.account.note(outcome, cause)
        self.guarding.refusal = None  # the account has what was refused
        addresses = [(one.verb, one.address) for one in outcome.report.changes if one.address is not None]
        self.announcer.lowered([address for verb, address in addresses if verb is Verb.REMOVE])
        self.announcer.raised([address for verb, address in addresses if verb is Verb.ANNOUNCE])

    def names_with(self, running: Running) -> Names:
        """Its names, and for what it no longer has, those in force until now."""
        return Names.of(running.config, self.running.config) if self.running else Names.of(running.config)

    def _linger(self) -> None:
        loop = asyncio.get_running_loop()
        self._stood_down = loop.time()
        loop.call_later(LINGER_SECONDS, self.wake)

    def _lingers(self) -> bool:
        since = self._stood_down
        return since is not None and asyncio.get_running_loop().time() < since + LINGER_SECONDS

    async def _hush(self, running: Running) -> None:
        """Keep the kernel from resetting connections of which it will hear in a moment."""
        loop = asyncio.get_running_loop()
        try:
            await self.work.hold_resets(running.floating)
        except KernelError as error:
            log.info("clients may be reset until the other router's connections are known: %s", error)
            return
        self._hushed_until = loop.time() + HUSH_SECONDS
        loop.call_later(HUSH_SECONDS, self.wake)

    async def let_resets_out(self, *, now: bool = False) -> None:
        """End the quiet of a hand-over when its time is over, or at once."""
        until = self._hushed_until
        if until is None or not (now or asyncio.get_running_loop().time() >= until):
            return
        try:
            await self.work.let_resets_out()
        except KernelError as error:
            self.events.warning(f"TCP resets of the floating addresses are still held back: {error}")
        else:
            self._hushed_until = None

    async def _change_role(self, reason: str) -> Outcome:
        return await self.reconcile(reason, whole=False, role=True)

    async def _part(self, reason: str) -> Outcome:
        await self._tell_rest()  # clients' packets go to the other router by now, if it has announced itself
        outcome = await self._change_role(reason)
        await self._tell_rest()  # what came here until this moment
        return outcome

    async def _tell_rest(self) -> None:
        """Have the other router know the youngest connections before their clients send again."""
        try:
            await self.work.tell_rest()
        except KernelError as error:
            log.info("the other router hears of the last connections seconds later: %s", error)

    def _told(self, target: Target, before: Verdict, after: Verdict) -> None:
        service, key = target
        virtual_server = self.names.services.get(service, str(service))
        of_it = f"{virtual_server}/{self.names.real_servers.get(target, key)}: {after.reason}"
        where = key if key.port else key.address  # behind a firewall mark: at whatever port is asked for
        if target in self.weighing.ordered:
            self.events.info(f"{where} is {after.health} by its check; an order by hand holds ({of_it})")
        elif after.health is Health.HEALTHY:
            self.events.info(f"[ active ] making {where} available ({of_it})")
        elif before.health is Health.UNKNOWN:
            self.events.warning(f"[inactive] {where} did not come up ({of_it})")
        else:
            self.events.warning(f"[inactive] shutting down {where} due to connection failure ({of_it})")
        self._wake.set()


def joined(first: Outcome, second: Outcome) -> Outcome:
    """Two reconciliations as one; a real server that the second took out was not changed before."""
    out = {
        (change.service_key, change.destination_key)
        for change in second.report.changes
        if change.part is Part.DESTINATION and change.verb is Verb.REMOVE
    }
    changes = [
        change for change in first.report.changes if (change.service_key, change.destination_key) not in out
    ]
    report = replace(second.report, changes=(*changes, *second.report.changes))
    return replace(first, wanted=second.wanted, report=report, held_back=second.held_back)


def _not_moved(outcome: Outcome) -> tuple[str, ...]:
    """The floating addresses that could not be raised or lowered, in sentences with the reason."""
    return tuple(
        f"{one.change.text}: {one.reason}"
        for one in outcome.report.refused
        if one.change.address and one.change.verb is not Verb.ANNOUNCE
    )
