"""Tests in a booted kernel with IPVS: deploy/lab/guest uml -- pytest tests/kernel -p no:cacheprovider

They take over the machine they run on, so they only ever run inside a guest (PIRANHA_GUEST says which kind).
User-Mode Linux lacks nftables' ip and inet families: tests marked `nft` are left to the VM.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab, answers
from tests.kernel.leftovers import clear_kernel, forget_neighbours

GUEST = os.environ.get("PIRANHA_GUEST")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nft: needs nftables' ip or inet family, which User-Mode Linux lacks")


@functools.cache
def has_nftables() -> bool:
    """Whether this kernel takes an nftables table of the family inet."""
    probe = ["unshare", "--net", "nft", "add", "table", "inet", "probe"]
    return subprocess.run(probe, capture_output=True).returncode == 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, as deselected, what this kernel is not for."""
    ours = [item for item in items if item.path.is_relative_to(os.path.dirname(__file__))]
    if GUEST is None:
        unfit = ours
    elif not has_nftables():
        unfit = [item for item in ours if item.get_closest_marker("nft")]
    else:
        unfit = []
    if unfit:
        config.hook.pytest_deselected(items=unfit)
        items[:] = [item for item in items if item not in unfit]


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    lab = Lab()
    lab.up()
    yield lab
    lab.down()


@pytest.fixture
def lab(_lab: Lab) -> Iterator[Lab]:
    """The lab of deploy/lab/network.py, its routers without configuration, all its web servers answering.

    One for the session: what a test leaves on the routers (IPVS, nftables, floating addresses) is cleared,
    and everybody forgets which router had an address last: what is added by hand is not announced.
    """
    for name in (network.CLIENT, *network.ROUTERS, *network.REAL_SERVERS):
        forget_neighbours(name)
    yield _lab
    for router in network.ROUTERS:
        clear_kernel(_lab, router, nftables=has_nftables())
    _lab.start_servers(*(name for name in network.REAL_SERVERS if not answers(name)))
