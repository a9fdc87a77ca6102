"""The real kernel does what the kernel in memory does, and ipvsadm agrees with the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvs.router.apply import LinuxKernel
from tests.kernel.namespace import fresh_network
from tests.unit.router.kernel_suite import KernelSuite, NetfilterSuite


@pytest.fixture
def kernel() -> Iterator[LinuxKernel]:
    with fresh_network("eth0", "eth1"):
        yield LinuxKernel()


@pytest.mark.kernel
class TestLinuxKernel(KernelSuite):
    """IPVS, addresses, sysctls."""


@pytest.mark.kernel
@pytest.mark.nft
class TestLinuxNetfilter(NetfilterSuite):
    """Where nftables has the family inet."""
