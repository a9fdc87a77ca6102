"""Which files of a manager a backup has, and by which names."""

from __future__ import annotations

from pathlib import Path

from piranha_web.databases.backup import AUTHORITY, places


def test_the_managers_own_authority_goes_along_with_its_key_whatever_names_it(tmp_path: Path) -> None:
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_text(name)
    own = {"PIRANHA_BROKER_CA": str(tmp_path / "ca.pem")}
    assert places(tmp_path, own) == {name: tmp_path / name for name in ("ca.key", "ca.pem")}


def test_the_authority_of_a_redis_elsewhere_has_a_name_of_its_own(tmp_path: Path) -> None:
    elsewhere = tmp_path / "redis" / "ca.pem"
    found = places(tmp_path, {"PIRANHA_BROKER_CA": str(elsewhere)})
    assert found == {AUTHORITY: elsewhere}
