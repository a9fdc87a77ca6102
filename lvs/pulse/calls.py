"""What may be asked of pulse over its socket: each request checked, and handed on."""

from __future__ import annotations

import asyncio
import pwd
from collections.abc import Mapping
from typing import Any

from lvs.errors import RouterError
from lvs.nanny.hand import Order
from lvs.pulse import confirmation, explaining, keys, telling
from lvs.pulse.control import ASKED_BY, Call
from lvs.pulse.guard import guard as have_guarded
from lvs.pulse.lvsd import Lvsd
from lvs.router.guards import guard_of

Request = Mapping[str, Any]

LATEST = 1e12  # seconds since the epoch; JSON has whole numbers that no float can be


def calls(lvsd: Lvsd, status: Call, name: str) -> dict[str, Call]:
    """The calls by their names (ARCHITECTURE.md); name: this router's."""
    return {
        "status": status,
        **_of_configurations(lvsd),
        **_of_roles(lvsd, name),
        **_of_this_machine(lvsd),
        **_of_real_servers(lvsd, name),
    }


def _of_configurations(lvsd: Lvsd) -> dict[str, Call]:
    async def install(request: Request) -> Mapping[str, Any]:
        return await lvsd.install(
            _text(request),
            _number(request, "back_from"),
            keys=_keys(request),
            confirm_within=_seconds(request, "confirm_within"),
        )

    async def plan(request: Request) -> Mapping[str, Any]:
        return await lvsd.plan(_text(request))

    async def running(request: Request) -> Mapping[str, Any]:
        return await lvsd.running_text()

    async def confirm(request: Request) -> Mapping[str, Any]:
        serial = _number(request, "serial")
        if serial is None:
            raise RouterError('Say which installed configuration is right: {"call": "confirm", "serial": N}.')
        return await lvsd.confirm(serial)

    return {"install": install, "plan": plan, "running": running, "confirm": confirm}


def _of_roles(lvsd: Lvsd, name: str) -> dict[str, Call]:
    async def hand_over(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.hand_over(anyway=request.get("anyway") is True)

    async def take_over_by_force(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.take_over_by_force()

    async def set_aside(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.set_aside(
            by=_words(request, "by") or user_name(name),
            reason=_words(request, "reason"),
            until=_time(request, "until"),
            anyway=request.get("anyway") is True,
        )

    async def take_part(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.take_part()

    return {
        "hand_over": hand_over,
        "take_over_by_force": take_over_by_force,
        "set_aside": set_aside,
        "take_part": take_part,
    }


def _of_this_machine(lvsd: Lvsd) -> dict[str, Call]:
    async def preflight(request: Request) -> Mapping[str, Any]:
        # Loaded at the first call: it is much, and no part of what pulse needs to serve.
        from lvs.pulse.preflight import preflight as look

        return await look(lvsd.keeper, None if request.get("lvs_cf") is None else _text(request))

    async def rules(request: Request) -> Mapping[str, Any]:
        from lvs.pulse.rules import rules as show

        return await show(lvsd.keeper)

    async def guard(request: Request) -> Mapping[str, Any]:
        asked = guard_of(request.get("port"), request.get("networks"))
        return await have_guarded(lvsd.keeper, asked, anyway=request.get("anyway") is True)

    async def counters(request: Request) -> Mapping[str, Any]:
        return await telling.counters(lvsd.keeper)

    reading = asyncio.Lock()

    async def connections(request: Request) -> Mapping[str, Any]:
        from lvs.pulse.connections import connections as look

        return await look(lvsd.keeper, reading, request)

    return {
        "preflight": preflight,
        "rules": rules,
        "guard": guard,
        "counters": counters,
        "connections": connections,
    }


def _of_real_servers(lvsd: Lvsd, name: str) -> dict[str, Call]:
    examining = asyncio.Lock()

    async def server(request: Request) -> Mapping[str, Any]:
        return await lvsd.server(
            _targets(request),
            _order(request),
            by=_words(request, "by") or user_name(name),
            reason=_words(request, "reason"),
            until=_time(request, "until"),
        )

    async def explain(request: Request) -> Mapping[str, Any]:
        names = _words(request, "virtual_server"), _words(request, "real_server")
        return await lvsd.explain(*names, test=request.get("test") is True)

    async def examine(request: Request) -> Mapping[str, Any]:
        from lvs.pulse.examining import examine as look  # much, and no part of what pulse needs to serve

        names = _words(request, "virtual_server"), _words(request, "real_server")
        return await look(lvsd.keeper, examining, *names)

    async def try_check(request: Request) -> Mapping[str, Any]:
        names = _words(request, "virtual_server"), _words(request, "real_server")
        return await explaining.try_check(lvsd.keeper, _text(request), *names)

    return {"server": server, "explain": explain, "examine": examine, "try_check": try_check}


def names_in(request: Request) -> frozenset[str] | None:
    """The virtual servers that a request for the status names; None: all that there is."""
    names = request.get("servers")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RouterError("servers must be a list of names of virtual servers.")
    return frozenset(names)


def _text(request: Request) -> str:
    text = request.get("lvs_cf")
    if not isinstance(text, str):
        raise RouterError('The request has no lvs.cf: send {"call": …, "lvs_cf": TEXT}.')
    return text


def _number(request: Request, name: str) -> int | None:
    number = request.get(name)
    if number is not None and type(number) is not int:
        raise RouterError(f"{name} must be the serial number of a configuration.")
    return number


def _seconds(request: Request, name: str) -> float | None:
    seconds = request.get(name)
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not 0 < seconds <= confirmation.LONGEST:
        raise RouterError(f"{name} must be seconds, above 0 and at most {confirmation.LONGEST:g}.")
    return float(seconds)


def _words(request: Request, name: str) -> str:
    text = request.get(name)
    if text is not None and not isinstance(text, str):
        raise RouterError(f"{name} must be a text.")
    return text or ""


def _time(request: Request, name: str) -> float | None:
    seconds = request.get(name)
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not abs(seconds) < LATEST:
        raise RouterError(f"{name} must be seconds since the epoch.")
    return float(seconds)


def _targets(request: Request) -> list[tuple[str, str]]:
    targets = request.get("targets")
    pairs = isinstance(targets, list) and all(
        isinstance(one, list) and len(one) == 2 and all(isinstance(each, str) for each in one)
        for one in targets
    )
    if not pairs:
        raise RouterError("targets must be a list of [VIRTUAL SERVER, REAL SERVER].")
    return [(one[0], one[1]) for one in targets or ()]


def _order(request: Request) -> Order:
    try:
        return Order(str(request.get("order")))
    except ValueError as error:
        raise RouterError(f"order must be one of {', '.join(Order)}.") from error


def user_name(router: str) -> str:
    """Who asks, as the kernel knows the other end of the socket: "root on r1"."""
    uid = ASKED_BY.get()
    if uid is None:
        return f"somebody on {router}"
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    return f"{user} on {router}"


def _keys(request: Request) -> tuple[bytes, ...] | None:
    written = request.get("keys")
    if not written:
        return None
    if not isinstance(written, list) or not all(isinstance(key, str) for key in written):
        raise RouterError("keys must be a list of keys in hexadecimal digits, the newest first.")
    return keys.parse("\n".join(written), "The request")
