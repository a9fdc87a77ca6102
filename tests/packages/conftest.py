"""What needs a kernel with IPVS runs in a guest (`make packages-pair`), all else on this machine's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

GUEST = os.environ.get("PIRANHA_GUEST")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out, as deselected, what this kernel is not for."""
    folder = Path(__file__).parent
    unfit = [
        item
        for item in items
        if item.path.is_relative_to(folder) and bool(item.get_closest_marker("kernel")) != bool(GUEST)
    ]
    if unfit:
        config.hook.pytest_deselected(items=unfit)
        items[:] = [item for item in items if item not in unfit]
