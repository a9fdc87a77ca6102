"""What is known of one real server, and why it is as it is: the call `explain` (ARCHITECTURE.md).

And the check made now, with all that is said in it: also of a real server that is drained, deactivated, or
deleted and still departing, since whoever looks after it wants to see it well before it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from lvs.config.model import RealServer, VirtualServer
from lvs.errors import RouterError
from lvs.nanny.checker import Checker
from lvs.nanny.checks import Check, check_of
from lvs.nanny.descriptions import describe
from lvs.nanny.health import Verdict
from lvs.nanny.history import Run
from lvs.nanny.loads import Load
from lvs.nanny.probes.finding import Entry, Record, What
from lvs.pulse.keeping import Keeper
from lvs.pulse.running import understood
from lvs.pulse.status import hand_document
from lvs.pulse.words import NO_CONFIGURATION
from lvs.router.plan import Place, destination_key, service_key

Document = dict[str, Any]


async def explain(keeper: Keeper, virtual_server: str, real_server: str, *, test: bool) -> Document:
    """The document of a real server, by both names; RouterError when there is none.

    test: its check is made now, which may take as long as the check may.
    """
    of, one = _found(keeper, virtual_server, real_server)
    check, place = check_of(of, one), _place(of, one)
    tested = await _test(keeper.checker, check) if test else None
    now = keeper.clock()
    verdict = (keeper.checker.verdicts.get(place) if place else None) or Verdict()
    entry = keeper.weighing.hands.in_force(now).get((virtual_server, real_server))
    return {
        "check": describe(check) if check else "none: it has no address",
        "interval": of.timeout,
        "verdict": _verdict(verdict, now),
        "history": [_run(run) for run in keeper.checker.history(place)] if place else [],
        "hand": hand_document(entry),
        "load": _load(keeper.weighing.loads.loads.get(place)) if place else None,
        "weight": _weight(keeper, one, place),
        "test": tested,
    }


async def try_check(keeper: Keeper, text: str, virtual_server: str, real_server: str) -> Document:
    """The check that text, an lvs.cf that need not be in force, has for a real server, made once from here.

    It counts for nothing, and nothing is changed. ConfigError where text is no lvs.cf, RouterError where it
    has no such real server, or that one no address.
    """
    config = (await asyncio.to_thread(understood, text)).config
    for of in config.virtual_servers:
        for one in of.real_servers:
            if (of.name, one.name) == (virtual_server, real_server):
                check = check_of(of, one)
                tested = await _test(keeper.checker, check)
                return {"check": describe(check) if check else "", "test": tested}
    raise RouterError(
        f"This lvs.cf has no real server {virtual_server}/{real_server}: choose one that it has."
    )


def _found(keeper: Keeper, virtual_server: str, real_server: str) -> tuple[VirtualServer, RealServer]:
    """The two by their names, also if they are not active, or deleted and still departing."""
    running = keeper.running
    if running is None:
        raise RouterError(NO_CONFIGURATION)
    for of in running.config.virtual_servers:
        if of.name != virtual_server:
            continue
        for one in of.real_servers:
            if one.name == real_server:
                return of, one
        key = service_key(of)
        for leaver in keeper.weighing.departing.of(key) if key else ():
            if leaver.name == real_server:
                _, at = leaver.place
                return of, RealServer(name=leaver.name, address=at.address, port=at.port or None, weight=0)
    raise RouterError(
        f"The lvs.cf of this router has no real server {virtual_server}/{real_server}: look at piranha "
        "server list."
    )


def _place(of: VirtualServer, one: RealServer) -> Place | None:
    service, key = service_key(of), destination_key(of, one)
    return (service, key) if service and key else None


def _weight(keeper: Keeper, one: RealServer, place: Place | None) -> Document:
    """wanted: what the kernel's table is to have; null: not in it."""
    wanted = None
    if place is not None:
        destination = keeper.account.wanted.destinations.get(place[0], {}).get(place[1])
        wanted = destination.weight if destination else None
    why = keeper.weighing.shares.why.get(place, "") if place else ""
    if place in keeper.weighing.departing.destinations:
        why = "deleted: keeps its connections for a while"
    return {"configured": one.weight, "wanted": wanted, "why": why}


def _verdict(verdict: Verdict, now: float) -> Document:
    return {
        "health": verdict.health.value,
        "reason": verdict.reason,
        "since": verdict.since,
        "checked_at": verdict.checked_at,
        "streak": verdict.streak,
        "flapping": verdict.is_flapping(now),
        "warning": verdict.warning,
    }


def _run(run: Run) -> Document:
    return {
        "ok": run.ok,
        "reason": run.reason,
        "first": run.first,
        "last": run.last,
        "count": run.count,
        "slowest": run.slowest,
    }


def _load(load: Load | None) -> Document | None:
    if load is None:
        return None
    word = load.word.value if load.word else None
    return {"factor": load.factor, "word": word, "reason": load.reason, "at": load.at}


async def _test(checker: Checker, check: Check | None) -> Document:
    if check is None:
        raise RouterError("It has no address, so there is nothing to test: give it one, and apply.")
    record = Record()
    result = await checker.test(check, record)
    return {
        "ok": result.ok,
        "reason": result.reason,
        "warning": result.warning,
        "duration": result.duration,
        "transcript": [_beginning(check), *transcript(record.entries)],
    }


def _beginning(check: Check) -> Document:
    to = f"{check.address}, port {check.port}" if check.port else str(check.address)
    return {"at": 0.0, "what": What.NOTE.value, "text": f"begins: {to}"}


def transcript(entries: Iterable[Entry]) -> list[Document]:
    return [
        {"at": round(entry.at, 6), "what": entry.what.value, "text": escaped(entry.data)} for entry in entries
    ]


def escaped(data: bytes) -> str:
    r"""data as Python writes it in quotes: printable UTF-8 as it is, all else as \n, \x1b or \ufeff is."""
    text = data.decode("utf-8", "surrogateescape")
    return "".join(char if char.isprintable() and char != "\\" else _escape(char) for char in text)


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is no UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
