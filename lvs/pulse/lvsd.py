"""The part of pulse that keeps the kernel as lvs.cf and the health of the real servers want it.

The theory. A configuration is in force (`running`) or none is. Whatever may change what is wanted (an
install, a file read again, a transition of health, somebody else's hand in the kernel) ends in `_reconcile`,
which computes what is wanted and brings the kernel there. Changes come one at a time (`_changing`).

An install writes the file first and the kernel then: a pulse that dies between the two finds the new file
when it starts again and goes on. What the kernel refuses of a new configuration takes all of it back, file
and kernel.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from lvs.config.model import LvsConfig
from lvs.errors import ConfigError, KernelError, LvsError, RouterError, StaleSerial
from lvs.nanny.checker import Checker, Probe, Target, probe
from lvs.nanny.checks import Check, assumes_web
from lvs.nanny.health import Result, Verdict, adopted
from lvs.pulse import status
from lvs.pulse.account import Account
from lvs.pulse.announcer import Announcer
from lvs.pulse.events import Events
from lvs.pulse.kernel_work import KernelWork, Outcome
from lvs.pulse.node import Locator, Place
from lvs.pulse.running import Running, understood
from lvs.pulse.wire import problems_to_wire
from lvs.router.apply import Refusal
from lvs.router.files import Installation
from lvs.router.ipvs import Table
from lvs.router.plan import destination_keys, service_key
from lvs.router.sentences import Names
from lvs.router.state import Change, Health, Node, Owned, Part, Verb

log = logging.getLogger("pulse")

FIRST_CHECK_SECONDS = 2.0  # that an install waits for the first checks of new real servers
KEEP_SECONDS = 10.0  # between looks at the kernel
COALESCE_SECONDS = 0.05  # in which transitions of health are gathered into one reconciliation
NAMED_REFUSALS = 5  # in the message of an install that was taken back


class Lvsd:
    """What pulse's calls (`status`, `plan`, `install`, `running_text`) and its tasks (`keep`) work on.

    limit: checks under way at once.
    """

    def __init__(
        self,
        *,
        work: KernelWork,
        installation: Installation,
        locator: Locator,
        clock: Callable[[], float] = time.time,
        probe: Probe = probe,
        limit: int = 400,
    ) -> None:
        self._work = work
        self._installation = installation
        self._locator = locator
        self._clock = clock
        self._changing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._names = Names()
        self._file_problem: str | None = None
        self._installed_at: float | None = None
        self.running: Running | None = None
        self.events = Events(clock)
        self.account = Account(self.events, clock)
        self.checker = Checker(self._told, probe=probe, clock=clock, limit=limit)
        self.announcer = Announcer(work.announce, self.events)
        self.place: Place = locator.find(None)

    # ---- the tasks

    async def start(self) -> None:
        """Take up the installed lvs.cf, if there is one, and the kernel as it is found."""
        async with self._changing:
            await self._take_from_disk("start")
        log.info("STARTING PULSE AS %s", "MASTER" if self.place.node is Node.PRIMARY else "BACKUP")

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
            async with self._changing:
                try:
                    await self._reconcile(cause, whole=whole)
                except LvsError as error:
                    log.debug("%s; trying again", error)  # the account has said it
                except Exception as error:
                    # A fault of ours must not end the checks; the next turn may do better.
                    log.exception("keeping the kernel ended in an unexpected error")
                    self.account.fail(RouterError(f"pulse failed at this: {type(error).__name__}: {error}"))

    async def reread(self) -> None:
        """Take up lvs.cf from the disk, as edited by hand; a bad one leaves everything as it is."""
        self.events.info("rereading configuration file")
        async with self._changing:
            await self._take_from_disk("lvs.cf was read again")

    async def rest(self) -> None:
        """Return when no change is under way; none begins afterwards."""
        await self._changing.acquire()

    # ---- the calls

    async def install(self, text: str, back_from: int | None = None) -> dict[str, Any]:
        """Put the configuration of text in force; raises ConfigError, StaleSerial, KernelError."""
        begun = time.monotonic()
        new = await asyncio.to_thread(understood, text)
        async with self._changing:
            self._refuse_stale(new, back_from)
            if self.running is not None and self.running.sha256 == new.sha256:
                await self._work.run(
                    lambda: self._installation.install(text)
                )  # the file may have been edited
                outcome = await self._reconcile("install", whole=True)
            else:
                outcome = await self._replace(new)
        return {
            "serial": new.serial,
            "sha256": new.sha256,
            "changes": [change.text for change in outcome.report.changes],
            "refused": status.refused_document(
                (one.change.text, one.reason) for one in outcome.report.refused
            ),
            "problems": problems_to_wire(new.warnings),
            "seconds": round(time.monotonic() - begun, 3),
        }

    async def plan(self, text: str) -> dict[str, Any]:
        """What installing text would change now, its new real servers taken as healthy; changes nothing."""
        try:
            new = await asyncio.to_thread(understood, text)
        except ConfigError as error:
            return {"changes": [], "problems": problems_to_wire(error.problems)}
        found = self.checker.health
        if self.running is None:
            found = await self._work.adopted_health(new.config)
        unchecked = {target for target in new.watched if found.get(target, Health.UNKNOWN) is Health.UNKNOWN}
        predicted = found | dict.fromkeys(unchecked, Health.HEALTHY)
        role = self._locator.find(new.config).role
        changes = await self._work.plan(new.config, role, predicted, self._names_with(new.config))
        return {
            "changes": [_with_condition(change, unchecked) for change in changes],
            "problems": problems_to_wire(new.warnings),
        }

    async def running_text(self) -> dict[str, Any]:
        """The configuration in force; raises RouterError while there is none."""
        if self.running is None:
            raise RouterError(self._file_problem or "No configuration is in force yet. Install one.")
        return {"lvs_cf": self.running.readable, "sha256": self.running.sha256, "serial": self.running.serial}

    async def status(self) -> dict[str, Any]:
        """The parts of the status document that are about the configuration and the kernel."""
        problems = [one for one in (self._file_problem, self.place.problem) if one]
        problems += self.account.problems()
        try:
            table, owned = await self._work.table()
        except LvsError as error:
            table, owned = Table(), Owned()
            if str(error) not in problems:
                problems.append(str(error))
        running, wanted, verdicts = self.running, self.account.wanted, dict(self.checker.verdicts)
        config = running.config if running else LvsConfig()
        return {
            "node": self.place.node.value,
            "role": self.place.role.value,
            "serial": running.serial if running else None,
            "sha256": running.sha256 if running else None,
            "installed_at": self._installed_at,
            "problems": problems + [str(problem) for problem in (running.warnings if running else ())],
            "last_change": status.change_document(self.account.last_change),
            "events": status.events_document(self.events),
            "addresses": status.addresses_document(wanted.addresses, self.account.missing_addresses),
            "virtual_servers": status.virtual_servers_document(config, table, verdicts),
            "foreign": status.foreign_document(table, owned.services | wanted.services.keys()),
        }

    # ---- putting a configuration in force

    def _refuse_stale(self, new: Running, back_from: int | None) -> None:
        installed = self.running.serial if self.running else None
        if installed is None or new.serial >= installed or back_from == installed:
            return
        raise StaleSerial(
            f"serial_no {new.serial} is older than the installed {installed}. "
            f"Take in what is installed, or raise serial_no above {installed}."
        )

    async def _replace(self, new: Running) -> Outcome:
        """Install new and reconcile; raises KernelError after everything was put back."""
        before, verdicts = self.running, dict(self.checker.verdicts)
        standing, installed_at = self.account.standing, self._installed_at
        owned = await self._work.owned()
        seeds = await self._seeds(new)
        results = await self._first_results(new, seeds)
        await self._work.run(lambda: self._installation.install(new.text))
        self._put_in_force(new, results, seeds)
        failure: LvsError | None = None
        try:
            outcome = await self._reconcile(f"install of serial {new.serial}", whole=False)
            refused = [one for one in outcome.report.refused if one.change.text not in standing]
        except LvsError as error:
            failure, refused = error, []
        if failure is None and (not refused or (before is None and owned != Owned())):
            # The second: a bad lvs.cf was in place and a table in service. There is nothing to go back to,
            # and emptying the table would be worse than what was refused.
            return outcome
        await self._put_back(before, verdicts, installed_at)
        raise failure or _taken_back(new, refused)

    async def _put_back(
        self, before: Running | None, verdicts: Mapping[Target, Verdict], installed_at: float | None
    ) -> None:
        if before is not None:
            await self._work.run(lambda: self._installation.install(before.text))
            self._put_in_force(before, {}, verdicts)
            self._installed_at = installed_at
        else:
            await self._work.run(lambda: self._installation.path.unlink(missing_ok=True))
            self.running, self._installed_at = None, None
            self._names, names = Names(), self._names
            self._file_problem = _nothing_installed(self._installation)
            self.checker.watch({})
        try:
            if before is not None:
                await self._reconcile("put back", whole=True)
            else:
                self._note(await self._work.clear(names), "put back")
        except LvsError as error:
            self.account.fail(error)

    async def _take_from_disk(self, cause: str) -> None:
        try:
            text = await self._work.run(self._installation.read)
            if text is None:
                self._file_problem = _nothing_installed(self._installation)
                self.events.warning(self._file_problem)
                return
            new = await asyncio.to_thread(understood, text)
            seeds = await self._seeds(new)
            self._put_in_force(new, await self._first_results(new, seeds), seeds)
        except ConfigError as error:
            self._file_problem = (
                f"{self._installation.path} is not valid, so the kernel is left as it is: {error}. "
                "Correct it and reload pulse, or apply a revision."
            )
            self.events.error(self._file_problem)
        except LvsError as error:
            self.account.fail(error)
        else:
            with suppress(LvsError):  # noted in the account, which says it; tried again by `keep`
                await self._reconcile(cause, whole=True)

    async def _seeds(self, new: Running) -> dict[Target, Verdict]:
        """The verdicts that the kernel's table gives, for a pulse that has no others yet."""
        if self.running is not None:
            return {}
        now = self._clock()
        try:
            found = await self._work.adopted_health(new.config)
        except KernelError as error:
            self.account.fail(error)
            return {}
        return {target: adopted(serving=health is Health.HEALTHY, at=now) for target, health in found.items()}

    async def _first_results(self, new: Running, seeds: Mapping[Target, Verdict]) -> dict[Check, Result]:
        """The first checks of what is new or checked in a new way, so that the first table is a true one."""
        strangers = new.watched
        if seeds:
            strangers = {target: how for target, how in new.watched.items() if target not in seeds}
        checks = self.checker.unjudged(strangers)
        within = min(FIRST_CHECK_SECONDS, max((check.timeout for check in checks), default=0.0))
        return await self.checker.try_out(checks, within)

    def _put_in_force(
        self, new: Running, results: Mapping[Check, Result], seeds: Mapping[Target, Verdict]
    ) -> None:
        _log_services(self.running, new)
        self._names = self._names_with(new.config)
        self.running = new
        self._installed_at = self._clock()
        if self._installation.path.exists():
            self._installed_at = self._installation.path.stat().st_mtime
        self._file_problem = None
        self.checker.watch(new.watched, results=results, seeds=seeds)

    # ---- the kernel

    async def _reconcile(self, cause: str, *, whole: bool) -> Outcome:
        """Bring the kernel to what is wanted now; raises KernelError when it cannot be read.

        whole: look for what others changed as well, at many times the cost.
        """
        if self.running is None:
            raise RouterError(self._file_problem or "No configuration is in force yet.")
        found = self._locator.find(self.running.config)
        if found.node is not self.place.node:
            self.events.warning(f"this router is the {found.node} and so {found.role}")
        self.place = found
        health = self.checker.health
        try:
            outcome = await self._work.reconcile(
                self.running.config, self.place.role, health, self._names, whole=whole
            )
        except LvsError as error:
            self.account.fail(error)
            raise
        self._note(outcome, cause)
        return outcome

    def _note(self, outcome: Outcome, cause: str) -> None:
        self.account.note(outcome, cause)
        addresses = [(one.verb, one.address) for one in outcome.report.changes if one.address is not None]
        self.announcer.lowered([address for verb, address in addresses if verb is Verb.REMOVE])
        self.announcer.raised([address for verb, address in addresses if verb is Verb.ANNOUNCE])

    def _names_with(self, config: LvsConfig) -> Names:
        """The names of config, and for what it no longer has, those in force until now."""
        return Names.of(config, self.running.config) if self.running else Names.of(config)

    def _told(self, target: Target, before: Verdict, after: Verdict) -> None:
        service, key = target
        virtual_server = self._names.services.get(service, str(service))
        of_it = f"{virtual_server}/{self._names.real_servers.get(target, key)}: {after.reason}"
        if after.health is Health.HEALTHY:
            self.events.info(f"[ active ] making {key} available ({of_it})")
        elif before.health is Health.UNKNOWN:
            self.events.warning(f"[inactive] {key} did not come up ({of_it})")
        else:
            self.events.warning(f"[inactive] shutting down {key} due to connection failure ({of_it})")
        self._wake.set()


def _with_condition(change: Change, unchecked: set[Target]) -> str:
    of_unchecked = (change.service_key, change.destination_key) in unchecked
    if change.part is Part.DESTINATION and change.verb is Verb.ADD and of_unchecked:
        return f"{change.text}, once its check passes"
    return change.text


def _taken_back(new: Running, refused: list[Refusal]) -> KernelError:
    reasons = [f"{one.change.text}: {one.reason}" for one in refused[:NAMED_REFUSALS]]
    if len(refused) > NAMED_REFUSALS:
        reasons.append(f"and {len(refused) - NAMED_REFUSALS} more")
    return KernelError(
        f"install serial {new.serial} (refused; what was in force before is in force again)",
        "; ".join(reasons),
    )


def _nothing_installed(installation: Installation) -> str:
    return (
        f"{installation.path} does not exist yet: nothing is balanced. Apply a revision, or write the file."
    )


def _log_services(before: Running | None, new: Running) -> None:
    """Piranha's lines for what starts and stops, which tools look for in logs."""
    old = {one.name for one in before.config.virtual_servers if one.active} if before else set()
    for virtual_server in new.config.virtual_servers:
        if virtual_server.active and virtual_server.name not in old:
            log.info("starting virtual service %s active: %d", virtual_server.name, virtual_server.port)
            if virtual_server.real_servers and assumes_web(virtual_server):
                log.info("no monitor configured, assuming web service on port 80")
    for name in sorted(old - {one.name for one in new.config.virtual_servers if one.active}):
        log.info("shutting down virtual service %s", name)
    if not log.isEnabledFor(logging.DEBUG):
        return
    fresh = new.watched.keys() - (before.watched.keys() if before else ())
    for virtual_server in new.config.virtual_servers:
        places = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
        for real_server, place in places:
            if (service_key(virtual_server), place) in fresh:
                names = (virtual_server.name, real_server.name, os.getpid())
                log.debug("create_monitor for %s/%s running as pid %d", *names)
