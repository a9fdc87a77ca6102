"""Putting one configuration in the place of another, on the disk and in the kernel, and back.

The file is written first and the kernel then: a pulse that dies between the two finds the new file when it
starts again and goes on. What the kernel refuses of a new configuration takes all of it back, file and
kernel.

What takes long, the first checks of new real servers, is done before `Keeper.changing` is taken, so that a
takeover overtakes a waiting install.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from lvs.errors import KernelError, LvsError, RouterError
from lvs.nanny.checker import Target
from lvs.nanny.checks import Check
from lvs.nanny.health import Result, Verdict, adopted
from lvs.pulse.confirmation import Confirmation, Waiting
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import Outcome
from lvs.pulse.pair import Pair
from lvs.pulse.running import Running
from lvs.pulse.words import log_services, nothing_installed, taken_back
from lvs.router.apply import Refusal
from lvs.router.files import Installation
from lvs.router.sentences import Names
from lvs.router.state import Health, Owned, Part

FIRST_CHECK_SECONDS = 2.0  # that an install waits for the first checks of new real servers


class Installer:
    """What is installed: the file, when it came, what is wrong with it, what was there before it.

    Its methods come one at a time: their callers see to it.
    """

    def __init__(
        self,
        *,
        keeper: Keeper,
        pair: Pair,
        installation: Installation,
        confirmation: Confirmation,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keeper = keeper
        self.pair = pair
        self.installation = installation
        self.confirmation = confirmation
        self.installed_at: float | None = None
        self.file_problem: str | None = None
        self._clock = clock
        self._aside: Mapping[Target, Verdict] = {}  # verdicts of before an install that is not confirmed yet

    async def replace(
        self, new: Running, cause: str, *, confirm_within: float | None = None, drains: bool = True
    ) -> Outcome:
        """Install new and reconcile; raises KernelError after everything was put back.

        drains: deleted real servers keep their connections for a while; else they go at once.
        """
        keeper = self.keeper
        owned = await keeper.work.owned()
        seeds = {**self._aside, **await self._seeds(new)}
        results = await self._first_results(new, seeds)
        async with keeper.changing:
            before, verdicts, installed_at = keeper.running, dict(keeper.checker.verdicts), self.installed_at
            waited, left = self.confirmation.waiting, self.confirmation.left()
            try:
                if confirm_within is not None:
                    await keeper.work.run(lambda: self.confirmation.begin(new, before, confirm_within))
                await keeper.work.run(lambda: self.installation.install(new.text))
            except LvsError:  # a full disk: nothing came into force, so nothing waits for a confirmation
                if confirm_within is not None:
                    await self._resume(waited, left)
                raise
            try:
                await self._put_in_force(new, results, seeds, drains=drains)
                outcome = await self._tried(new, cause, may_stay=before is None and owned != Owned())
            except LvsError:
                await self._put_back(before, verdicts, installed_at)
                await self._resume(waited, left)
                raise
            self.pair.settle()
            if confirm_within is None:
                await self.forget()
            elif waited is None:
                self._aside = verdicts
        return outcome

    async def go_back(self, confirmed: Running, cause: str) -> None:
        """Install what was confirmed last; where its file cannot be written, it is in force even so.

        RouterError then, and KernelError when the kernel refuses some of it: to be tried again.
        """
        try:
            await self.replace(confirmed, cause, drains=False)
        except KernelError:
            raise
        except RouterError:
            running = self.keeper.running
            if running is None or running.sha256 != confirmed.sha256:
                await self.take_up(confirmed, cause)
            raise

    async def take_up(self, new: Running, cause: str) -> None:
        """Follow a file that is in place already, whatever the kernel refuses of it."""
        keeper = self.keeper
        if keeper.running is None:  # the heart may begin while the first checks are made
            await self.pair.consider(new)
            self.pair.settle()
        seeds = await self._seeds(new)
        results = await self._first_results(new, seeds)
        async with keeper.changing:
            with suppress(LvsError):  # noted in the account, which says it; tried again by `keep`
                await self._put_in_force(new, results, seeds)
                await keeper.reconcile(cause, whole=True, parting=True)
            self.pair.settle()

    async def take_out(self, cause: str) -> None:
        """Have no configuration in force, and nothing of ours in the kernel. Call with `changing` held."""
        keeper = self.keeper
        await keeper.work.run(lambda: self.installation.path.unlink(missing_ok=True))
        keeper.running, keeper.assigned, self.installed_at = None, None, None
        keeper.names, names = Names(), keeper.names
        self.file_problem = nothing_installed(self.installation)
        self.pair.settle()
        keeper.checker.watch({})
        await keeper.weighing.forget()
        try:
            keeper.note(await keeper.work.clear(names, keeper.guarding.guard), cause)
        except LvsError as error:
            keeper.account.fail(error)

    async def forget(self) -> None:
        """Wait for no confirmation any more."""
        if self.confirmation.waiting is not None:
            await self.keeper.work.run(self.confirmation.forget)
        self._aside = {}

    async def _resume(self, waiting: Waiting | None, left: float) -> None:
        """Wait for what was waited for before; the disk may refuse to note that, and the wait goes on."""
        try:
            await self.keeper.work.run(lambda: self.confirmation.resume(waiting, left))
        except RouterError as error:
            self.keeper.events.error(str(error))

    async def _tried(self, new: Running, cause: str, *, may_stay: bool) -> Outcome:
        """Reconcile; raises KernelError for what is refused now and was not before, modules aside.

        What lacks a module (`KernelState.modules`) still serves, but for one thing: it is said, and stays.

        may_stay: not then. A bad lvs.cf was in place and a table in service; there is nothing to go back to,
        and emptying the table would be worse than what was refused.
        """
        standing = self.keeper.account.standing
        outcome = await self.keeper.reconcile(cause, whole=False, parting=True)
        refused: list[Refusal] = [
            one
            for one in outcome.report.refused
            if one.change.text not in standing and one.change.part is not Part.MODULE
        ]
        if refused and not may_stay:
            raise taken_back(new, refused)
        return outcome

    async def _put_back(
        self, before: Running | None, verdicts: Mapping[Target, Verdict], installed_at: float | None
    ) -> None:
        if before is None:
            await self.take_out("put back")
            return
        keeper = self.keeper
        await keeper.work.run(lambda: self.installation.install(before.text))
        with suppress(LvsError):  # noted in the account, which says it
            await self._put_in_force(before, {}, verdicts, drains=False)
            self.installed_at = installed_at
            await keeper.reconcile("put back", whole=True)

    async def _seeds(self, new: Running) -> dict[Target, Verdict]:
        """The verdicts that the kernel's table gives, for a pulse that has no others yet."""
        keeper, now = self.keeper, self._clock()
        if keeper.running is not None:
            return {}
        try:
            by_hand = keeper.weighing.by_hand(new.config)
            found = await keeper.work.adopted_health(new.config, by_hand)
        except KernelError as error:
            keeper.account.fail(error)
            return {}
        return {target: adopted(serving=health is Health.HEALTHY, at=now) for target, health in found.items()}

    async def _first_results(self, new: Running, seeds: Mapping[Target, Verdict]) -> dict[Check, Result]:
        """The first checks of what is new or checked in a new way, so that the first table is a true one."""
        checker = self.keeper.checker
        strangers = new.watched
        if seeds:
            strangers = {target: how for target, how in new.watched.items() if target not in seeds}
        checks = checker.unjudged(strangers)
        within = min(FIRST_CHECK_SECONDS, max((check.timeout for check in checks), default=0.0))
        return await checker.try_out(checks, within)

    async def _put_in_force(
        self,
        new: Running,
        results: Mapping[Check, Result],
        seeds: Mapping[Target, Verdict],
        *,
        drains: bool = True,
    ) -> None:
        """Call with `changing` held. What the kernel refuses to tell is raised when all else is done."""
        keeper = self.keeper
        await self.pair.consider(new)
        before = keeper.running
        log_services(before, new)
        keeper.names = keeper.names_with(new)
        keeper.running = new
        self.installed_at = self._clock()
        if self.installation.path.exists():
            self.installed_at = self.installation.path.stat().st_mtime
        self.file_problem = None
        keeper.checker.watch(new.watched, results=results, seeds=seeds)
        try:
            await keeper.weighing.put_in_force(
                before.config if before else None, new, keeper.names, drains=drains
            )
        except KernelError as error:
            keeper.account.fail(error)
            raise
