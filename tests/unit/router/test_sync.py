"""What the kernel makes of a sync daemon's settings (tests/unit/router/kernel_suite.py asks the kernel)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvs.router.state import SyncDaemon, SyncState
from lvs.router.sync import agrees, started

HALF = SyncDaemon(SyncState.MASTER, "eth0", 7)


@pytest.mark.parametrize("state", SyncState)
@pytest.mark.parametrize(
    "edit", [{}, {"maxlen": 1}, {"maxlen": 65535}, {"group": ip_address("ff02::1")}, {"port": 1, "ttl": 2}]
)
def test_what_was_started_agrees_with_what_was_wanted(state, edit):
    wanted = replace(HALF, state=state, **edit)
    assert agrees(started(wanted), wanted)


@pytest.mark.parametrize(
    "edit",
    [
        {"interface": "eth1"},
        {"syncid": 8},
        {"maxlen": 44},
        {"group": ip_address("224.0.0.82")},
        {"port": 8849},
        {"ttl": 2},
    ],
)
def test_a_setting_that_is_not_the_kernels_choice_is_a_difference(edit):
    assert not agrees(replace(started(HALF), **edit), HALF)
    assert not agrees(started(HALF), replace(HALF, **edit))


def test_room_for_longer_frames_is_fine_where_messages_are_taken_in():
    backup = replace(HALF, state=SyncState.BACKUP)
    assert agrees(replace(started(backup), maxlen=8972), backup)
    assert not agrees(replace(started(backup), maxlen=1024), backup)
    assert not agrees(replace(started(HALF), maxlen=8972), HALF)


def test_a_kernel_that_tells_little_agrees_in_that():
    assert agrees(HALF, replace(HALF, maxlen=44, port=9000))
    assert not agrees(HALF, replace(HALF, syncid=8))
