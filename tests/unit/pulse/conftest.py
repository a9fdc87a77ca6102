"""What tests of pulse share: a world whose kernel has connections. Those that need none make their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.pulse.busy_kernel import BusyKernel
from tests.unit.pulse.world import World


@pytest.fixture
def kernel() -> BusyKernel:
    return BusyKernel()


@pytest.fixture
def world(tmp_path: Path, kernel: BusyKernel, monkeypatch: pytest.MonkeyPatch) -> World:
    """Its pulse looks at what drains a hundred times a second."""
    monkeypatch.setattr("lvs.pulse.weighing.LOOK_SECONDS", 0.01)
    return World(tmp_path, kernel)
