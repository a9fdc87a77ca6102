"""Tests in a booted kernel with IPVS: deploy/lab/guest uml -- pytest tests/kernel -p no:cacheprovider

They take over the machine they run on, so they only ever run inside a guest (PIRANHA_GUEST says which kind).
User-Mode Linux lacks nftables' ip and inet families: tests marked `nft` are left to the VM.
"""

from __future__ import annotations

import os
import subprocess

import pytest

GUEST = os.environ.get("PIRANHA_GUEST")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "nft: needs nftables' ip or inet family, which User-Mode Linux lacks")


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
