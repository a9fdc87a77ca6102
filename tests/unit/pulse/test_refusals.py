"""Refused connections to the control socket in the log: a few lines, and then how many more."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from pathlib import Path

import pytest

from lvs.pulse.control import ControlServer
from lvs.pulse.refusals import MOST, QUIET, Refusals

TIMES = 100
NOT_ME = frozenset({os.getuid() + 4242})


def ask(path: Path, times: int) -> list[str]:
    """What each of so many connections is told."""
    told = []
    for _ in range(times):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(10)
            opened.connect(str(path))
            with opened.makefile("rb") as lines:
                told.append(json.loads(lines.readline())["error"]["message"])
    return told


def test_who_is_refused_again_and_again_is_told_each_time_and_logged_ten_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve() -> list[str]:
        server = ControlServer(tmp_path / "pulse.sock", {}, NOT_ME)
        await server.start()
        try:
            return await asyncio.to_thread(ask, tmp_path / "pulse.sock", TIMES)
        finally:
            await server.close()

    with caplog.at_level(logging.WARNING, "lvs.pulse.control"):
        told = asyncio.run(serve())

    assert len(told) == TIMES
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:MOST] == [f"control socket: {told[0]}"] * MOST
    assert lines[MOST:] == [
        f"control socket: {TIMES - MOST} more connections were refused than are logged one by one"
    ]


def test_the_number_is_said_when_the_minute_is_over_and_then_lines_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse() -> None:
        refusals = Refusals()
        for _ in range(MOST + 7):
            refusals.note("no")
        end = refusals._end
        assert end is not None
        assert 0 < end.when() - asyncio.get_running_loop().time() <= QUIET
        refusals.sum_up()  # what it calls then
        assert end.cancelled()
        refusals.sum_up()

    with caplog.at_level(logging.WARNING, "lvs.pulse.control"):
        asyncio.run(refuse())

    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        *["control socket: no"] * MOST,
        "control socket: 7 more connections were refused than are logged one by one",
    ]
