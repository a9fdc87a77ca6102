"""What pulse can be asked to do, and what it does by itself, with its configuration.

Installs come one at a time (`_installing`): those that are called for, a file that is read again, and going
back from one that nobody confirmed. `Installer` has the steps of each, `Keeper` the kernel, `Pair` the other
router.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lvs.config.model import Problem
from lvs.errors import ConfigError, LvsError, RouterError, StaleSerial
from lvs.nanny.checker import Target
from lvs.nanny.hand import Names, Order
from lvs.nanny.health import Verdict
from lvs.nanny.programs import FOLDER, missing, named
from lvs.nanny.shares import Shares
from lvs.pulse import status, telling, touching
from lvs.pulse.confirmation import Waiting
from lvs.pulse.explaining import explain
from lvs.pulse.installing import Installer
from lvs.pulse.kernel_work import Aim, Outcome
from lvs.pulse.redundancy import Keys
from lvs.pulse.running import Running, understood
from lvs.pulse.wire import problems_to_wire
from lvs.pulse.words import NO_CONFIGURATION, carried_out, nothing_installed
from lvs.router.state import Health, Node

log = logging.getLogger("pulse")

AGAIN_SECONDS = 10.0  # until going back is tried again


class Lvsd:
    """What pulse's calls (`status`, `plan`, `install`, `server`, …) and its tasks work on."""

    def __init__(self, installer: Installer) -> None:
        self.installer = installer
        self.keeper = installer.keeper
        self.pair = installer.pair
        self.confirmation = installer.confirmation
        self.pair.file_problem = lambda: installer.file_problem
        self._installation = installer.installation
        self._installing = asyncio.Lock()

    # ---- the tasks

    async def start(self) -> None:
        """Take up the installed lvs.cf, if there is one, and the kernel as it is found."""
        keeper = self.keeper
        async with self._installing:
            self.pair.load_keys()
            await self.pair.aside.load()
            await keeper.guarding.load()
            async with keeper.changing:
                await keeper.guarding.hold()  # before the first checks, which take a while
            await keeper.weighing.load()
            await self._take_from_disk("start")
            sha256 = keeper.running.sha256 if keeper.running else None
            try:
                await keeper.work.run(lambda: self.confirmation.load(sha256))
            except RouterError as error:
                keeper.events.error(str(error))
        keeper.ready.set()
        log.info("STARTING PULSE AS %s", "MASTER" if keeper.place.node is Node.PRIMARY else "BACKUP")

    async def keep_confirmed(self) -> None:
        """Go back from what is not confirmed in time, until cancelled."""
        while True:
            waiting = await self.confirmation.expired()
            async with self._installing:
                if self.confirmation.waiting is waiting and self.confirmation.left() <= 0:
                    await self._go_back(waiting)

    async def reread(self) -> None:
        """Take up lvs.cf from the disk, as edited by hand; a bad one leaves everything as it is."""
        self.keeper.events.info("rereading configuration file")
        async with self._installing:
            self.pair.load_keys()
            await self._take_from_disk("lvs.cf was read again")
            running, waiting = self.keeper.running, self.confirmation.waiting
            if waiting is not None and running is not None and running.sha256 != waiting.sha256:
                self.keeper.events.warning("lvs.cf was edited, so nothing waits for a confirmation any more")
                await self.installer.forget()

    async def rest(self) -> None:
        """Return when no change is under way; none begins afterwards."""
        await self._installing.acquire()
        await self.keeper.changing.acquire()
        await self.keeper.let_resets_out(now=True)

    # ---- the calls

    async def install(
        self,
        text: str,
        back_from: int | None = None,
        *,
        keys: Sequence[bytes] | None = None,
        confirm_within: float | None = None,
    ) -> dict[str, Any]:
        """Put the configuration of text in force; raises ConfigError, StaleSerial, KernelError, RouterError.

        keys: the cluster's, newest first. confirm_within: seconds after which what is in force now comes
        back, unless `confirm` is called before.
        """
        begun = time.monotonic()
        new = await asyncio.to_thread(understood, text)
        async with self._installing:
            self._refuse_stale(new, back_from)
            if back_from is None:
                self.pair.refuse_to_part(new)
                await self._refuse_programs(new)
            before = self.pair.replace_keys(keys) if keys else None
            try:
                outcome = await self._install(new, confirm_within, back=back_from is not None)
            except LvsError:
                self._put_back_keys(before)
                raise
        leavers = self.keeper.weighing.departing.leavers
        leaving = {place: leaver.connections for place, leaver in leavers.items()}
        failed = self.keeper.checker.failed
        return {
            "serial": new.serial,
            "sha256": new.sha256,
            "changes": [carried_out(change, leaving, failed) for change in outcome.report.changes],
            "refused": status.refused_document(
                (one.change.text, one.reason) for one in outcome.report.refused
            ),
            "problems": problems_to_wire((*new.warnings, *self.keeper.guarding.warnings(new.config))),
            "seconds": round(time.monotonic() - begun, 3),
        }

    async def plan(self, text: str) -> dict[str, Any]:
        """What installing text would change now, its new real servers taken as healthy; changes nothing."""
        try:
            new = await asyncio.to_thread(understood, text)
        except ConfigError as error:
            return {"changes": [], "problems": problems_to_wire(error.problems)}
        keeper = self.keeper
        found = keeper.checker.health
        if keeper.running is None:
            by_hand = keeper.weighing.by_hand(new.config)
            found = await keeper.work.adopted_health(new.config, by_hand)
        unchecked = {target for target in new.watched if found.get(target, Health.UNKNOWN) is Health.UNKNOWN}
        predicted = found | dict.fromkeys(unchecked, Health.HEALTHY)
        role = keeper.assigned or keeper.locator.find(new.config).role
        aim = Aim(
            new.config,
            role,
            predicted,
            weights=self._predicted(new, predicted).weights,
            departing=keeper.weighing.departing.destinations,
            guard=keeper.guarding.guard,
        )
        plan = await keeper.work.plan(aim, keeper.names_with(new))
        touched = await touching.look(keeper, plan, new.config)
        return {
            "changes": [touched.planned(change, unchecked) for change in plan.changes],
            "netfilter": await asyncio.to_thread(touching.rules_document, keeper, touched, new.config),
            "problems": problems_to_wire(
                (*new.warnings, *keeper.guarding.warnings(new.config), *await self._without_programs(new))
            ),
        }

    def _predicted(self, new: Running, health: Mapping[Target, Health]) -> Shares:
        """The exceptions from the plain weights, with real servers that were not checked yet as in health."""
        known = self.keeper.checker.verdicts
        verdicts = {
            target: verdict
            if verdict and verdict.health is health[target]
            else Verdict(health=health[target])
            for target in new.watched
            for verdict in (known.get(target),)
        }
        return self.keeper.weighing.predict(new.config, verdicts)

    async def running_text(self) -> dict[str, Any]:
        """The configuration in force; raises RouterError while there is none."""
        running = self.keeper.running
        if running is None:
            raise RouterError(self.installer.file_problem or "No configuration is in force yet. Install one.")
        return {"lvs_cf": running.readable, "sha256": running.sha256, "serial": running.serial}

    async def confirm(self, serial: int) -> dict[str, Any]:
        """The installed configuration stays; RouterError where that serial is not what is installed."""
        async with self._installing:
            waiting, running = self.confirmation.waiting, self.keeper.running
            expected = running.serial if running else None
            if serial != expected:
                raise RouterError(
                    f"serial {serial} cannot be confirmed: what is installed here is "
                    f"{'nothing' if expected is None else f'serial {expected}'}. Look at both routers and "
                    "apply again."
                )
            if waiting is not None and waiting.serial == serial:
                await self.installer.forget()
                self.keeper.events.info(f"serial {serial} was confirmed")
        return {"serial": serial}

    async def status(self, only: Collection[str] | None = None) -> dict[str, Any]:
        """The parts of the status document that are about the configuration and the kernel; see `telling`."""
        return await telling.status(self.installer, only)

    # ---- the administrator's hand

    async def server(
        self, targets: Sequence[Names], order: Order, *, by: str, reason: str, until: float | None
    ) -> dict[str, Any]:
        """Have real servers treated by hand; in force, in the kernel and on the disk when it returns.

        RouterError where nothing was changed. What the kernel or the disk refuses is said, and tried again.
        """
        keeper = self.keeper
        if keeper.running is None:
            raise RouterError(NO_CONFIGURATION)
        hands = keeper.weighing.hands
        changed = hands.order(keeper.running.config, targets, order, by=by, reason=reason, until=until)
        self.pair.line.hurry()  # the other router is to know as well
        await hands.save()
        if hands.problem is not None:
            changed.append(hands.problem)
        async with keeper.changing:
            try:
                await keeper.reconcile("by hand", whole=False)
            except LvsError as error:
                keeper.wake(whole=True)
                changed.append(f"not in the kernel yet, and tried again: {error}")
        return {"changed": changed}

    async def explain(self, virtual_server: str, real_server: str, *, test: bool) -> dict[str, Any]:
        """What is known of a real server, and why it is as it is; test: its check is made now."""
        return await explain(self.keeper, virtual_server, real_server, test=test)

    # ---- putting a configuration in force

    def _refuse_stale(self, new: Running, back_from: int | None) -> None:
        installed = self.keeper.running.serial if self.keeper.running else None
        if installed is None or new.serial >= installed or back_from == installed:
            return
        raise StaleSerial(
            f"serial_no {new.serial} is older than the installed {installed}. "
            f"Take in what is installed, or raise serial_no above {installed}."
        )

    async def _refuse_programs(self, new: Running) -> None:
        """RouterError when new would take real servers out only because their program is not there."""
        problems = await self._without_programs(new)
        if problems:
            raise RouterError("; ".join(problem.message for problem in problems) + ". Nothing was changed.")

    async def _without_programs(self, new: Running) -> list[Problem]:
        """The programs that new names, the configuration in force does not, and this router cannot run."""
        running = self.keeper.running
        added = named(new.config) - (named(running.config) if running else frozenset())
        if not (added and self.keeper.makes_checks):
            return []
        return [
            Problem(message=f"this router cannot run a program of this lvs.cf: {sentence}")
            for sentence in await asyncio.to_thread(missing, added, FOLDER.get())
        ]

    async def _install(self, new: Running, confirm_within: float | None, *, back: bool) -> Outcome:
        keeper, running = self.keeper, self.keeper.running
        if running is None or running.sha256 != new.sha256:
            return await self.installer.replace(
                new,
                f"install of serial {new.serial}",
                confirm_within=confirm_within,
                drains=not back,
            )
        async with keeper.changing:
            await keeper.work.run(lambda: self._installation.install(new.text))  # it may have been edited
            await self.pair.consider(running)  # the keys may be new
            outcome = await keeper.reconcile("install", whole=True)
            self.pair.settle()
            if self.confirmation.waiting is None:
                return outcome
            if confirm_within is None:
                await self.installer.forget()
            else:
                await keeper.work.run(lambda: self.confirmation.begin(running, running, confirm_within))
        return outcome

    async def _take_from_disk(self, cause: str) -> None:
        keeper, installer = self.keeper, self.installer
        try:
            text = await keeper.work.run(self._installation.read)
            if text is None:
                installer.file_problem = nothing_installed(self._installation)
                keeper.events.warning(installer.file_problem)
                return
            await installer.take_up(await asyncio.to_thread(understood, text), cause)
        except ConfigError as error:
            installer.file_problem = (
                f"{self._installation.path} is not valid, so the kernel is left as it is: {error}. "
                "Correct it and reload pulse, or apply a revision."
            )
            keeper.events.error(installer.file_problem)
        except LvsError as error:
            keeper.account.fail(error)

    async def _go_back(self, waiting: Waiting) -> None:
        """Put in force what was before an install that nobody confirmed. Call with `_installing` held."""
        cause = f"not confirmed within {waiting.within:g} s"
        self.keeper.events.warning(f"serial {waiting.serial} was {cause}: going back")
        try:
            text = await self.keeper.work.run(self.confirmation.confirmed_text)
            if text is not None:
                await self.installer.go_back(await asyncio.to_thread(understood, text), cause)
                return
            async with self.keeper.changing:
                await self.installer.take_out(cause)
            await self.installer.forget()
        except LvsError as error:
            self.keeper.events.error(f"going back did not succeed and is tried again: {error}")
            self.confirmation.postpone(AGAIN_SECONDS)

    def _put_back_keys(self, before: Keys | None) -> None:
        if before is not None:
            try:
                self.pair.put_back_keys(before)
            except RouterError as error:
                self.keeper.events.error(f"the cluster's keys of before could not be put back: {error}")
