"""The status of this router put together: all of it, some virtual servers, or all but them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lvs.config.model import LvsConfig
from lvs.errors import LvsError
from lvs.pulse import status as documents
from lvs.pulse.installing import Installer
from lvs.pulse.keeping import Keeper
from lvs.pulse.kernel_work import Seen
from lvs.pulse.marks import marks
from lvs.pulse.status import Held
from lvs.reported.summary import MOST_ADDRESSES, MOST_FOREIGN
from lvs.router.guards import document_of
from lvs.router.plan import service_key
from lvs.router.state import Counters


async def status(installer: Installer, only: Collection[str] | None) -> dict[str, Any]:
    """The parts of the status document that are about the configuration and the kernel.

    only: the names of the virtual servers to tell of, and of nothing else but `problems`. An empty one: all
    but them; no table is read, `marks` says of each whether to ask for it, and there are MOST_ADDRESSES of
    the floating addresses, those that could not be raised first. None: all of it.
    """
    keeper, pair = installer.keeper, installer.pair
    problems = [one for one in (installer.file_problem, keeper.place.problem) if one]
    problems += [*pair.problems(), *keeper.account.problems(), *keeper.weighing.problems()]
    problems += keeper.work.problems()
    problems += keeper.guarding.problems(keeper.running.config if keeper.running else None)
    try:
        seen = await _seen(keeper, only)
    except LvsError as error:
        seen = Seen()
        if str(error) not in problems:
            problems.append(str(error))
    running, account = keeper.running, keeper.account
    problems += map(str, running.standing if running else ())
    if only:
        return {"problems": problems, **await _tables(keeper, seen, only)}
    addresses = documents.addresses_document(account.wanted.addresses, account.missing_addresses)
    return {
        "node": keeper.place.node.value,
        "role": keeper.role.value,
        "serial": running.serial if running else None,
        "sha256": running.sha256 if running else None,
        "installed_at": installer.installed_at,
        "problems": problems,
        "last_change": documents.change_document(account.last_change),
        "events": documents.events_document(keeper.events),
        **_few(addresses, MOST_ADDRESSES if only is not None else len(addresses)),
        **await _tables(keeper, seen, only),
        "redundancy": pair.document(),
        "sync": documents.sync_document(seen.sync),
        "unconfirmed": installer.confirmation.document(),
        "guard": document_of(keeper.guarding.guard),
        "aside": pair.aside.document() if keeper.assigned is not None else None,
        "counted": {"checks": keeper.checker.counts.document(), "roles": pair.counts.document()},
    }


def _few(addresses: Sequence[Mapping[str, Any]], most: int) -> dict[str, Any]:
    """Those that could not be raised first where there are more; addresses_more: how many are left out."""
    first = addresses if len(addresses) <= most else sorted(addresses, key=lambda one: bool(one["present"]))
    return {"addresses": list(first[:most]), "addresses_more": max(0, len(addresses) - most)}


async def _seen(keeper: Keeper, only: Collection[str] | None) -> Seen:
    """The kernel's table, or as much of it as is asked for."""
    if only is None:
        return await keeper.work.table()
    config = keeper.running.config if keeper.running else LvsConfig()
    named = [one for one in config.virtual_servers if one.active and one.name in only] if only else []
    return await keeper.work.part_of_table([key for one in named if (key := service_key(one)) is not None])


async def _tables(keeper: Keeper, seen: Seen, only: Collection[str] | None) -> dict[str, Any]:
    """Beside the loop, in which a role of the heart may be waiting: there may be thousands of them."""
    config = keeper.running.config if keeper.running else LvsConfig()
    wanted, held = keeper.account.wanted, held_by(keeper)
    if only is None:
        virtual_servers, foreign = await asyncio.to_thread(
            documents.table_documents, config, seen, held, wanted.services.keys()
        )
        return {"virtual_servers": virtual_servers, "foreign": foreign}
    if not only:
        return {"marks": await asyncio.to_thread(marks, config, held, wanted)}
    of = await asyncio.to_thread(
        documents.virtual_servers_document, config, seen.table, held, frozenset(only)
    )
    return {"virtual_servers": of}


async def counters(keeper: Keeper) -> dict[str, Any]:
    """What the kernel has counted for each active virtual server: `virtual_servers`, NAME to five numbers.

    They are connections, packets in and out, bytes in and out; null for one that is not in the table. Of
    virtual servers that are one service, the first has them, the others null. `foreign`: a few of the
    services that are not pulse's, as the status document has them. KernelError.
    """
    found = dict(await keeper.work.service_counters())
    config = keeper.running.config if keeper.running else LvsConfig()
    told: dict[str, list[int] | None] = {}
    for one in config.virtual_servers:
        key = service_key(one)
        if one.active and key is not None:
            told[one.name] = _numbers(found.pop(key, None))
    ours = (await keeper.work.owned()).services | keeper.account.wanted.services.keys()
    foreign = [key for key in found if key not in ours][:MOST_FOREIGN]
    seen = await keeper.work.part_of_table(foreign)
    return {"virtual_servers": told, "foreign": documents.foreign_document(seen.table, frozenset())}


def _numbers(counted: Counters | None) -> list[int] | None:
    if counted is None:
        return None
    packets, size = (counted.packets_in, counted.packets_out), (counted.bytes_in, counted.bytes_out)
    return [counted.connections, *packets, *size]


def held_by(keeper: Keeper) -> Held:
    """As of now, for a thread that reads it while the checks go on."""
    now = keeper.clock()
    return Held(
        verdicts=dict(keeper.checker.verdicts),
        shares=keeper.weighing.shares,
        hands=keeper.weighing.hands.in_force(now),
        leavers=keeper.weighing.departing.leavers,
        watched=keeper.running.watched if keeper.running else {},
        now=now,
    )
