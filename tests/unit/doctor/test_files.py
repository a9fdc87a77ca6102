"""What the doctor says of the files in the manager's folder."""

from __future__ import annotations

from pathlib import Path

from piranha_web.doctor.of_machine import files
from piranha_web.setup.place import Place


def test_a_link_is_a_fault_of_its_own_and_nobody_is_told_to_give_away_what_is_behind_it(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "installed")
    place.var.mkdir(mode=0o700, parents=True)
    victim = tmp_path / "shadow"
    victim.write_text("root:secret\n")
    victim.chmod(0o644)
    (place.var / "secret.key").symlink_to(victim)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "redis.conf").write_text("x")
    (place.var / "redis").symlink_to(tmp_path / "etc")

    found = list(files(place))

    assert [one.what for one in found] == [
        f"{place.var / name} is a link, and may lead to a file that is none of the site's"
        for name in ("secret.key", "redis")
    ]
    assert not any("chmod" in one.remedy or "chown" in one.remedy for one in found)
