"""`piranha join` by root where the folder is the worker's own user's: whatever that user put there."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from lvs.machines.joining import NotJoined, give, refuse_other, user_of

NOBODY = pwd.getpwnam("nobody")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def var(above: Path) -> Path:
    """The folder of the worker's user."""
    made = above / "var"
    made.mkdir()
    os.chown(made, NOBODY.pw_uid, NOBODY.pw_gid)
    return made


def test_a_folder_behind_a_link_of_that_user_is_neither_written_nor_given_away(
    above: Path, var: Path
) -> None:
    etc = above / "etc"
    etc.mkdir()
    (var / "worker").symlink_to(etc)
    path = var / "worker" / "worker.json"

    with pytest.raises(NotJoined, match="cannot be written by user id"):
        refuse_other(path, "r1", anyway=False)
    give(path, user_of(path, "nobody"))

    assert etc.stat().st_uid == 0
    assert list(etc.iterdir()) == []


def test_the_folder_is_made_as_its_user_and_a_pipe_in_it_hangs_nobody(var: Path) -> None:
    path = var / "worker" / "worker.json"
    refuse_other(path, "r1", anyway=False)
    assert path.parent.stat().st_uid == NOBODY.pw_uid
    os.mkfifo(path)

    refuse_other(path, "r1", anyway=False)


def test_another_users_folder_is_refused_before_the_token_is_used(var: Path) -> None:
    with pytest.raises(NotJoined, match="another user than daemon"):
        user_of(var / "worker" / "worker.json", "daemon")
    with pytest.raises(NotJoined, match="there is no user nobodyatall"):
        user_of(var / "worker" / "worker.json", "nobodyatall")


def test_files_in_a_folder_of_roots_become_the_workers(above: Path) -> None:
    path = above / "worker" / "worker.json"
    refuse_other(path, "r1", anyway=False)
    path.write_text("{}")
    (path.parent / "serials").write_text("x")

    give(path, user_of(path, "nobody"))

    assert {one.stat().st_uid for one in (path, path.parent, path.parent / "serials")} == {NOBODY.pw_uid}
