"""What unit tests of several parts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def above() -> Iterator[Path]:
    """A folder of root's through which everybody may go, which pytest's own is not."""
    with TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)
