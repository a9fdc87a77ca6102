"""The file of a router's worker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lvs.errors import RouterError
from lvs.machines import serials, signing, worker_file
from lvs.machines.worker_file import WorkerFile
from piranha_web.cli import main

KEY = signing.public_text(Ed25519PrivateKey.from_private_bytes(bytes(32)))
FILE = WorkerFile(
    router="r1", broker_url="redis://router.r1:secret@10.0.0.1/0", manager_keys=(KEY,), ca="PEM"
)


def test_it_is_read_as_it_was_written_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "worker" / "worker.json"
    worker_file.write(path, FILE, 17)
    assert worker_file.read(path) == FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "secret" not in repr(FILE)
    worker_file.write(path, replace(FILE, ca=None))
    assert worker_file.read(path).ca is None


def test_who_is_enrolled_takes_what_is_signed_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    worker_file.write(path, FILE, 17)
    seen = serials.SeenSerials(worker_file.serials_of(path))
    with pytest.raises(serials.Late):
        seen.take(17)
    seen.take(18)


@pytest.mark.parametrize(
    "changes",
    [
        {"router": None},
        {"router": "r1:servers"},
        {"router": "../r1"},
        {"router": ""},
        {"manager_keys": []},
        {"manager_keys": None},
        {"manager_keys": ["x"]},
        {"manager_keys": [KEY] * 3},
        {"manager_keys": KEY},
    ],
    ids=str,
)
def test_a_file_with_something_else_in_it_is_refused_with_what_to_do(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "worker.json"
    worker_file.write(path, FILE)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(RouterError, match="piranha enrol"):
        worker_file.read(path)


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "{}"])
def test_what_is_no_such_file_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "worker.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(RouterError, match="piranha enrol"):
        worker_file.read(path)
    path.unlink()
    with pytest.raises(RouterError, match="there is no"):
        worker_file.read(path)


def test_a_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    worker_file.write(path, FILE)
    path.chmod(0o640)
    with pytest.raises(RouterError, match="chmod 600"):
        worker_file.read(path)


def test_the_environment_names_its_place() -> None:
    assert worker_file.path_in({"PIRANHA_WORKER_FILE": "/x"}) == Path("/x")
    assert worker_file.path_in({}) == worker_file.DEFAULT


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manager", "--file", "x"], "for the worker of a router"),
        (["--manager", "--forget-serials"], "for the worker of a router"),
        (["--router", "r1", "--broker", "redis://x"], "has it in its file"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worker", *words]) == 2
    assert said in capsys.readouterr().err
