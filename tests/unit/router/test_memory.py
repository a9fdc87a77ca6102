"""The kernel in memory does what the real one does (the same suite as tests/kernel/test_reconcile.py)."""

from __future__ import annotations

import pytest

from lvs.router.memory import MemoryKernel
from tests.unit.router.kernel_suite import KernelSuite, NetfilterSuite


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel(interfaces={"lo", "eth0", "eth1"})


class TestMemoryKernel(KernelSuite, NetfilterSuite):
    """Everything the suites ask."""
