"""The cluster's key file: private, replaced in one step, and refused when it cannot be trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lvs.errors import RouterError
from lvs.pulse import keys

NEW, OLD = bytes(range(32)), bytes(range(100, 140))


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / keys.NAME
    path.write_text(text)
    path.chmod(mode)
    return path


def test_keys_come_back_as_they_were_saved_newest_first(tmp_path: Path) -> None:
    keys.save(tmp_path, [NEW, OLD])
    assert keys.load(tmp_path) == (NEW, OLD)
    assert (tmp_path / keys.NAME).read_text() == f"{NEW.hex()}\n{OLD.hex()}\n"


def test_without_a_file_there_is_no_key(tmp_path: Path) -> None:
    assert keys.load(tmp_path) == ()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_saved_file_is_the_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    (tmp_path / f".{keys.NAME}.new").touch(0o666)  # left by a crash
    before = os.umask(umask)
    try:
        keys.save(tmp_path, [NEW])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / keys.NAME).stat().st_mode) == 0o600


def test_a_file_that_was_open_to_others_is_private_once_it_is_saved_again(tmp_path: Path) -> None:
    written(tmp_path, f"{OLD.hex()}\n", 0o644)
    keys.save(tmp_path, [NEW])
    assert keys.load(tmp_path) == (NEW,)


def test_a_file_is_replaced_not_rewritten(tmp_path: Path) -> None:
    keys.save(tmp_path, [OLD])
    with (tmp_path / keys.NAME).open() as before:
        keys.save(tmp_path, [NEW, OLD])
        assert before.read() == f"{OLD.hex()}\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_read_or_write_is_refused_with_a_remedy(tmp_path: Path, mode: int) -> None:
    written(tmp_path, f"{NEW.hex()}\n", mode)
    with pytest.raises(RouterError, match=r"make new keys.*chmod 600"):
        keys.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "zz\n", NEW.hex()[:-2], f"{NEW.hex()}\n" * 2, "\n".join(bytes([n] * 32).hex() for n in range(3))],
    ids=["empty", "no digits", "short", "twice the same", "three"],
)
def test_what_is_no_key_is_refused_and_never_quoted(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(RouterError, match="apply a revision") as refused:
        keys.load(tmp_path)
    assert NEW.hex()[:8] not in str(refused.value)


def test_neither_short_nor_missing_nor_too_many_keys_are_saved(tmp_path: Path) -> None:
    for wrong in ([], [b"short"], [NEW, NEW], [NEW, OLD, bytes(32)]):
        with pytest.raises(RouterError):
            keys.save(tmp_path, wrong)
    assert not (tmp_path / keys.NAME).exists()


def test_neither_a_link_nor_a_pipe_is_taken_for_the_file(tmp_path: Path) -> None:
    (tmp_path / keys.NAME).symlink_to("/dev/null")
    with pytest.raises(RouterError, match="plain file"):
        keys.load(tmp_path)
    (tmp_path / keys.NAME).unlink()
    os.mkfifo(tmp_path / keys.NAME, 0o600)
    with pytest.raises(RouterError, match="not a plain file"):
        keys.load(tmp_path)


@pytest.mark.root
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(written(tmp_path, f"{NEW.hex()}\n"), 65534, 65534)
    with pytest.raises(RouterError, match="chown"):
        keys.load(tmp_path)


def test_a_folder_in_its_place_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / keys.NAME).mkdir(mode=0o700)
    with pytest.raises(RouterError, match="is not a plain file"):
        keys.load(tmp_path)


def test_a_single_new_key_is_held_beside_the_one_of_before_until_it_comes_again() -> None:
    third = bytes([3] * 32)
    assert keys.joined([NEW], []) == (NEW,)
    assert keys.joined([NEW], [OLD, third]) == (NEW, OLD)
    assert keys.joined([NEW], [NEW, OLD]) == (NEW,)
    assert keys.joined([NEW, OLD], [third]) == (NEW, OLD)
