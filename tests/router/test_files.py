from __future__ import annotations

import os
from pathlib import Path

import pytest

from lvs.errors import RouterError
from lvs.router.files import Installation

pytestmark = pytest.mark.root


def test_the_owner_and_group_of_lvs_cf_are_kept(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.install("serial_no = 1\n")
    os.chown(installation.path, 1234, 2345)
    installation.path.chmod(0o660)
    installation.install("serial_no = 2\n")
    for path in (installation.path, installation.previous_path):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 2345, 0o660)


def test_a_folder_that_is_not_ones_own_is_said_with_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # another user, who must not come back into pytest
        try:
            os.setuid(65534)
            Installation(tmp_path).install("serial_no = 1\n")
        except RouterError as error:
            os.write(write_end, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write_end)
    with open(read_end) as answer:
        assert "permission denied; give the folder to pulse's user" in answer.read()
