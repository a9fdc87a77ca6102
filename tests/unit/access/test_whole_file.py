"""Files in a folder of the site's user, changed by root: whatever lies there in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lvs.errors import LvsError
from lvs.machines import rights
from piranha_web.access import whole_file

SITE = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def folder(above: Path) -> Path:
    """A folder in it, of the site's user."""
    made = above / "var"
    made.mkdir()
    if os.geteuid() == 0:
        os.chown(made, SITE, SITE)
    return made


def secret(above: Path) -> Path:
    """Root's own file."""
    made = above / "shadow"
    made.write_text("root:secret\n")
    made.chmod(0o600)
    return made


@pytest.mark.parametrize("how", ["symlink_to", "hardlink_to"])
def test_a_link_in_the_place_of_the_lock_gives_nobody_the_file_behind_it(
    above: Path, folder: Path, how: str
) -> None:
    victim = secret(above)
    getattr(folder / ".targets.lock", how)(victim)

    with pytest.raises(OSError), whole_file.locked(folder / "targets"):
        pass

    assert victim.stat().st_uid == os.geteuid()


def test_a_pipe_in_the_place_of_the_lock_hangs_nobody(folder: Path) -> None:
    os.mkfifo(folder / ".targets.lock")

    with pytest.raises(OSError, match="no plain file"), whole_file.locked(folder / "targets"):
        pass


@as_root
def test_the_lock_is_the_folders_owners(folder: Path) -> None:
    with whole_file.locked(folder / "targets"):
        assert (folder / ".targets.lock").stat().st_uid == SITE


@as_root
def test_a_link_put_in_the_place_of_the_new_file_is_not_given_away(
    above: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = secret(above)
    sync = os.fsync

    def exchanged(descriptor: int) -> None:
        sync(descriptor)
        for one in folder.glob(".token-*"):
            one.unlink()
            one.symlink_to(victim)

    monkeypatch.setattr(whole_file.os, "fsync", exchanged)

    whole_file.replace(folder / "token", b"x")

    assert victim.stat().st_uid == 0
    assert victim.stat().st_mode & 0o777 == 0o600


@as_root
def test_a_new_file_has_the_owner_of_the_old_one_or_else_of_its_folder(above: Path, folder: Path) -> None:
    whole_file.replace(folder / "new", b"x")
    assert (folder / "new").stat().st_uid == SITE
    (above / "old").write_bytes(b"x")
    os.chown(above / "old", SITE, SITE)
    whole_file.replace(above / "old", b"y")
    assert (above / "old").stat().st_uid == SITE


@as_root
def test_what_root_does_below_somebodys_folder_is_done_as_that_user(above: Path, folder: Path) -> None:
    (folder / "away").symlink_to(above)
    victim = secret(above)

    assert rights.below(folder / "away" / "x", os.geteuid) == SITE
    assert rights.below(above / "none" / "x", os.geteuid) == 0
    with pytest.raises(PermissionError, match="shadow"):
        rights.below(folder / "away" / "shadow", lambda: (folder / "away" / "shadow").read_text())
    (above / "by_root").symlink_to(folder)
    assert rights.below(above / "by_root" / "x", os.geteuid) == SITE
    assert victim.read_text() == "root:secret\n"


@as_root
def test_what_goes_wrong_there_is_said_here(folder: Path) -> None:
    def refuses() -> None:
        raise LvsError("not this one")

    with pytest.raises(LvsError, match="not this one"):
        rights.below(folder, refuses)
    with pytest.raises(LvsError, match="KeyError"):
        rights.below(folder, lambda: dict[str, str]()["x"])
