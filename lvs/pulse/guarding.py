"""The guard of the panel's port on this router: kept on the disk, and held in the kernel.

It is no part of lvs.cf, since one machine serves the panel, so `guard.json` beside the ledger has it. It
holds whatever becomes of configurations: before the first, over a bad one, and where the kernel's table of
virtual servers cannot be read. `Keeper` has it in all that it wants of the kernel; `hold` does it alone.

A file that cannot be understood opens nothing: the guard that the kernel has stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lvs.config.model import LvsConfig, Problem, Severity
from lvs.errors import KernelError, RouterError
from lvs.pulse.events import Events
from lvs.pulse.kept import Kept
from lvs.pulse.kernel_work import KernelWork
from lvs.router.apply import Report
from lvs.router.guards import conflict, document_of, read_document
from lvs.router.state import Guard

NAME = "guard.json"
VERSION = 1  # of the file's form


class Guarding:
    """The guard that is wanted here. refusal: why the kernel would not have it when it was held last."""

    def __init__(self, folder: Path, work: KernelWork, events: Events) -> None:
        self._file = Kept(folder / NAME, VERSION, work, events)
        self._work = work
        self._events = events
        self.guard: Guard | None = None
        self.refusal: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, in a sentence."""
        return self._file.problem

    async def load(self) -> None:
        """Take up the file; where it cannot be understood, what the kernel has."""
        try:
            text = await self._file.text()
            self.guard = None if text is None else read_document(self._file.document(text)["guard"])
        except (RouterError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.guard = await self._work.guard()
            kept = "there is none in the kernel to keep"
            if self.guard is not None:
                kept = f"the one that is in the kernel stays, for port {self.guard.port}"
            self._file.complain(
                f"The guard of the panel's port, {self._file.path}, cannot be read ({error}): {kept}. Give "
                "it anew: piranha guard --port PORT --allow NETWORK, or piranha guard --off."
            )

    async def hold(self) -> Report:
        """Have the kernel guard the port so, whatever else it holds. Call with `Keeper.changing` held."""
        report = await self._work.hold(self.guard)
        for change in report.changes:
            self._events.info(change.text)
        refused = [f"{each.change.text}: {each.reason}" for each in report.refused]
        refusal = f"The panel's port is not guarded: {refused[0]}" if refused else None
        if refusal is not None and refusal != self.refusal:
            self._events.error(refusal)
        self.refusal = refusal
        return report

    async def replace(self, guard: Guard | None) -> list[str]:
        """Have another guard from now on, or none; the changes in sentences.

        Call with `Keeper.changing` held. RouterError and KernelError: all is as it was.
        """
        before = self.guard
        await self._save(guard)
        report = await self.hold()
        if report.refused:
            refused = report.refused[0]
            await self._save(before)
            self.refusal = None
            raise KernelError(refused.change.text, refused.reason)
        return [change.text for change in report.changes]

    def problems(self, config: LvsConfig | None) -> Iterator[str]:
        """What an administrator should know of, in sentences; config: what is in force."""
        yield from filter(None, (self.problem, self.refusal))
        yield from (problem.message for problem in self.warnings(config or LvsConfig()))

    def warnings(self, config: LvsConfig) -> Iterator[Problem]:
        """That config wants the guarded port for something else."""
        reason = conflict(config, self.guard) if self.guard else None
        if reason:
            message = (
                f"{reason}: serve the panel at another port, or take the guard away (piranha guard --off)"
            )
            yield Problem(message=message, severity=Severity.WARNING)

    async def _save(self, guard: Guard | None) -> None:
        await self._file.write(guard=document_of(guard))
        self.guard = guard
