"""What the calls of pulse's socket take for their arguments."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from lvs.errors import RouterError
from lvs.pulse.calls import calls
from lvs.pulse.lvsd import Lvsd


class Asked:
    """A pulse that keeps what it is asked for."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    async def server(self, targets: Any, order: Any, **given: Any) -> dict[str, Any]:
        self.given.append((targets, order, given))
        return {"changed": []}

    async def install(self, text: str, back_from: Any, **given: Any) -> dict[str, Any]:
        self.given.append((text, given))
        return {}


async def status(request: Any) -> dict[str, Any]:
    return {}


def ask(name: str, **request: Any) -> Asked:
    asked = Asked()
    asyncio.run(_awaited(calls(cast(Lvsd, asked), status, "r1")[name](request)))
    return asked


async def _awaited(call: Any) -> Any:
    return await call


@pytest.mark.parametrize(
    "until", [float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), "1", True, []]
)
def test_a_time_that_is_none_is_refused_in_words(until: object) -> None:
    with pytest.raises(RouterError, match="until must be seconds since the epoch"):
        ask("server", targets=[["web", "s1"]], order="drain", until=until)
    with pytest.raises(RouterError, match="confirm_within must be seconds, above 0"):
        ask("install", lvs_cf="", confirm_within=until)


def test_a_time_is_taken_as_it_is_and_none_is_none() -> None:
    for until in (1_800_000_000, 0.5, None):
        (_, _, given) = ask("server", targets=[["web", "s1"]], order="drain", until=until).given[0]
        assert given["until"] == until


@pytest.mark.parametrize(
    "targets", [None, "web/s1", [["web"]], [["web", 1]], [["web", ["s1"]]], {"web": "s1"}]
)
def test_targets_that_name_no_pairs_are_refused(targets: object) -> None:
    with pytest.raises(RouterError, match="targets must be a list of"):
        ask("server", targets=targets, order="drain")
