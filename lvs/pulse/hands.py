"""pulse's side of the administrator's hand: the entries, their file, and what the other router has of them.

What was ordered is in force as soon as it is taken in here: the file and the other router follow, and a disk
that is full keeps nobody from draining a real server. The file (`hand.json` beside the ledger) is read before
the first plan, so that a restart never revives what somebody took out. It goes by names, as the orders do:
what lvs.cf calls a real server is it, wherever it moves, and one that comes back finds its order.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lvs.config.memo import Memo
from lvs.config.model import LvsConfig, VirtualServer
from lvs.config.sentences import listed
from lvs.errors import RouterError
from lvs.nanny import hand
from lvs.nanny.hand import MOST_ENTRIES, Entries, Hand, Names, Order
from lvs.pulse.events import Events
from lvs.pulse.kept import Kept
from lvs.pulse.kernel_work import KernelWork
from lvs.router.plan import Place, active_members

NAME = "hand.json"
VERSION = 1  # of the file's form
TIDY_EVERY = 3600.0  # seconds between two looks for entries that nobody needs any more
SAID_BY_ONE = 20  # real servers that the log names one by one
NAMED = 3  # real servers that an error names
REFUSED_AGAIN = 600.0  # seconds after which it is said again that the other router says what makes no sense


class Hands:
    """The entries, newest of each real server; changed is called when they are others than before."""

    def __init__(
        self,
        folder: Path,
        work: KernelWork,
        events: Events,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = Kept(folder / NAME, VERSION, work, events)
        self._work = work
        self._events = events
        self._changed = changed
        self._clock = clock
        self._unsaved = asyncio.Event()
        self._known: dict[Names, Hand] = {}
        self._ended_until = 0.0  # those that ended before were said
        self._tidied_at = 0.0
        self._refused_at = -math.inf  # when it was said last that an entry is not taken in
        self.version = 0  # grows with each change
        self._written: tuple[int, list[dict[str, Any]]] = 0, []  # of which version, and what `wire` was then

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, in a sentence."""
        return self._file.problem

    @property
    def entries(self) -> Entries:
        return self._known

    @property
    def wire(self) -> list[dict[str, Any]]:
        """The entries as the other router is told of them. Thousands may come in many small pieces, so they
        are written when they are asked for."""
        if self._written[0] != self.version:
            self._written = self.version, [hand.to_wire(entry) for entry in self._known.values()]
        return self._written[1]

    def in_force(self, now: float) -> dict[Names, Hand]:
        """What the hand says now."""
        return hand.in_force(self._known, now) if self._known else {}

    # ---- the file

    async def load(self) -> None:
        """Take up the file. One that cannot be understood is set aside, and said."""
        self._ended_until = self._clock()
        try:
            text = await self._file.text()
        except RouterError as error:
            self._file.complain(f"{error}. No order by hand is in force on this router until then")
            return
        if text is None:
            return
        known, faults = _read(text, self._clock())
        self._take_up(hand.merged(self._known, known))  # the other router may have been heard already
        if faults:
            aside = self._file.path.with_name(f"{NAME}.unreadable")
            with suppress(OSError):  # then the next save replaces it
                await self._work.run(lambda: self._file.path.rename(aside))
            self._file.complain(
                f"{self._file.path} has what cannot be understood ({faults[0]}), and {len(known)} orders "
                "that can, which are in force: look at the real servers, and give what is missing again. "
                f"The file is kept as {aside.name}"
            )
            self._unsaved.set()

    async def run(self) -> None:
        """Keep the file as the entries are, and say which have ended, until cancelled."""
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            await self.save()

    async def save(self) -> None:
        """Write the file; what the disk refuses is a problem in the status, and tried at the next change."""
        try:
            await self._file.write(entries=self.wire)
        except RouterError as error:
            self._file.complain(
                f"{error}. What was ordered by hand is in force, and would not be after a restart"
            )

    # ---- what is ordered here

    def order(
        self,
        config: LvsConfig,
        targets: Sequence[Names],
        order: Order,
        *,
        by: str,
        reason: str,
        until: float | None,
    ) -> list[str]:
        """Take in an order, and give a sentence for each real server; RouterError says why not.

        It is in force from here on; `save` is to follow.
        """
        now = self._clock()
        _refuse_unknown(config, targets)
        if until is not None and (order is Order.AUTO or until <= now):
            raise RouterError("until must be a time to come, and auto has none: nothing was changed.")
        entries = [
            Hand(
                virtual_server=virtual_server,
                real_server=real_server,
                order=order,
                at=hand.newer(now, filter(None, [self._known.get((virtual_server, real_server))])),
                by=hand.fitting(by),
                reason=hand.fitting(reason),
                until=until,
            )
            for virtual_server, real_server in dict.fromkeys(targets)
            if order is not Order.AUTO or (virtual_server, real_server) in self._known
        ]
        for entry in entries:
            refusal = hand.refusal(entry, now)
            if refusal:
                raise RouterError(f"{_called(entry.names)}: {refusal}. Nothing was changed.")
        if len(self._known.keys() | {entry.names for entry in entries}) > MOST_ENTRIES:
            raise RouterError(
                f"At most {MOST_ENTRIES} real servers are kept track of by hand: give some back to their "
                "checks (auto), or deactivate the virtual server. Nothing was changed."
            )
        self._take_up(hand.merged(self._known, {entry.names: entry for entry in entries}))
        said = [f"{_called(entry.names)}: {hand.sentence(entry, now)}" for entry in entries]
        self._say(said)
        ordered = {entry.names for entry in entries}
        return said + [
            f"{_called(names)}: was left to its checks already"
            for names in dict.fromkeys(targets)
            if names not in ordered
        ]

    # ---- what the other router says

    def hear(self, documents: Iterable[object]) -> None:
        """Take in what the other router knows, as far as it is newer."""
        now = self._clock()
        heard: dict[Names, Hand] = {}
        for document in documents:
            try:
                entry = hand.from_wire(document, now)
            except ValueError as error:
                self._refuse(str(error))
                continue
            known = self._known.get(entry.names)
            if (known is None or entry.replaces(known)) and not _is_forgotten(entry, now):
                heard[entry.names] = entry
        if not heard:
            return
        merged = hand.merged(self._known, heard)
        if len(merged) > MOST_ENTRIES:
            merged = hand.tidied(merged, now, merged.keys())
        self._take_up(merged)
        self._unsaved.set()
        self._say(
            f"{_called(names)}: {hand.sentence(entry, now)} (the other router says so)"
            for names, entry in heard.items()
        )

    # ---- time

    def tick(self, config: LvsConfig) -> None:
        """Say which orders have ended by themselves, and forget those that nobody needs any more."""
        now, before = self._clock(), self._ended_until
        if not self._known:
            self._ended_until = now
            return
        ended = [
            entry
            for entry in self._known.values()
            if entry.order is not Order.AUTO and entry.until is not None and before < entry.until <= now
        ]
        self._ended_until = max(before, now)
        self._say(f"{_called(entry.names)}: {hand.sentence(entry, now)}" for entry in ended)
        if now - self._tidied_at >= TIDY_EVERY:
            self._tidied_at = now
            left = hand.tidied(self._known, now, _names(config))
            if left != self._known:
                self._take_up(left)
                self._unsaved.set()

    # ---- inside

    def _take_up(self, entries: dict[Names, Hand]) -> None:
        self._known = entries
        self.version += 1
        self._changed()

    def _say(self, sentences: Iterable[str]) -> None:
        said = list(sentences)
        for sentence in said[:SAID_BY_ONE]:
            self._events.info(f"by hand: {sentence}")
        if len(said) > SAID_BY_ONE:
            self._events.info(f"by hand: and {len(said) - SAID_BY_ONE} more real servers")

    def _refuse(self, reason: str) -> None:
        now = self._clock()
        if not 0 <= now - self._refused_at < REFUSED_AGAIN:  # it says the same again every few seconds
            self._refused_at = now
            self._events.warning(f"an order by hand that the other router tells of is not taken in: {reason}")


def _read(text: str, now: float) -> tuple[dict[Names, Hand], list[str]]:
    """The entries of the file's text, and what is wrong with it."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            return {}, [f"its version is {document['version']}, this pulse writes {VERSION}"]
        written = list(document["entries"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return {}, [f"{type(error).__name__}: {error}"]
    known: dict[Names, Hand] = {}
    faults = []
    if len(written) > MOST_ENTRIES:  # pulse wrote no such file, and should not be long in reading it
        faults.append(f"{len(written)} entries, of which only the first {MOST_ENTRIES} are read")
    for one in written[:MOST_ENTRIES]:
        try:
            entry = hand.from_wire(one, now, own=True)
        except ValueError as error:
            faults.append(str(error))
            continue
        before = known.get(entry.names)
        if before is None or entry.replaces(before):
            known[entry.names] = entry
    return known, faults


def _is_forgotten(entry: Hand, now: float) -> bool:
    """Whether it would only be forgotten again: the other router may be slower at that."""
    return not hand.tidied({entry.names: entry}, now, {entry.names})


def _refuse_unknown(config: LvsConfig, targets: Collection[Names]) -> None:
    if not targets:
        raise RouterError("Name the real servers: VIRTUAL SERVER and REAL SERVER of each.")
    known = _names(config)
    unknown = [names for names in dict.fromkeys(targets) if names not in known]
    if unknown:
        named = listed(map(_called, unknown), NAMED)
        raise RouterError(
            f"The lvs.cf of this router has no real server {named}: look at piranha server list. "
            "Nothing was changed."
        )


def _names(config: LvsConfig) -> Mapping[Names, None]:
    return {
        (virtual_server.name, real_server.name): None
        for virtual_server in config.virtual_servers
        for real_server in virtual_server.real_servers
    }


def places(config: LvsConfig, wanted: Iterable[Names]) -> dict[Names, Place]:
    """Where the active real servers of these names are; those that config does not have are left out."""
    virtual_servers = {one.name: one for one in config.virtual_servers if one.active}
    found = {}
    for virtual_server, real_server in wanted:
        of = virtual_servers.get(virtual_server)
        place = _places(of).get(real_server) if of else None
        if place is not None:
            found[virtual_server, real_server] = place
    return found


@Memo
def _places(virtual_server: VirtualServer) -> dict[str, Place]:
    return {real_server.name: place for real_server, place in active_members(virtual_server)}


def _called(names: Names) -> str:
    """As the command line names it."""
    return "/".join(names)
