"""What may be asked of pulse over its socket: each request checked, and handed on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lvs.errors import RouterError
from lvs.pulse import confirmation, keys
from lvs.pulse.control import Call
from lvs.pulse.lvsd import Lvsd

Request = Mapping[str, Any]


def calls(lvsd: Lvsd, status: Call) -> dict[str, Call]:
    """The calls by their names (ARCHITECTURE.md)."""

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

    async def hand_over(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.hand_over(anyway=request.get("anyway") is True)

    async def take_over_by_force(request: Request) -> Mapping[str, Any]:
        return await lvsd.pair.take_over_by_force()

    return {
        "install": install,
        "plan": plan,
        "running": running,
        "status": status,
        "confirm": confirm,
        "hand_over": hand_over,
        "take_over_by_force": take_over_by_force,
    }


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
    usable = type(seconds) in (int, float) and math.isfinite(seconds) and 0 < seconds <= confirmation.LONGEST
    if not usable:
        raise RouterError(f"{name} must be seconds, above 0 and at most {confirmation.LONGEST:g}.")
    return float(seconds)


def _keys(request: Request) -> tuple[bytes, ...] | None:
    written = request.get("keys")
    if not written:
        return None
    if not isinstance(written, list) or not all(isinstance(key, str) for key in written):
        raise RouterError("keys must be a list of keys in hexadecimal digits, the newest first.")
    return keys.parse("\n".join(written), "The request")
