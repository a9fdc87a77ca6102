"""Several administrators, a worker and readers at once, on either database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RedisServer
from tests.databases.conftest import Site
from tests.databases.crowd import CODE


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whoever_edits_applies_and_reads_at_once_loses_nothing_and_sees_no_fault(
    kind: str, database: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    site = Site(tmp_path / "var", database if kind == "postgresql" else "")
    assert site.python(CODE) == "everything is there\n"
