"""README's first command in a clean clone: it installs what it needs, and serves."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.packages.machine import wait_until
from tests.packages.manual import PROJECT
from tests.packages.readme_scenes import SERVE

pytestmark = pytest.mark.root

SECONDS = 420.0  # most of it is pip's


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ssl.SSLError):
        return False


def is_there(address: str, log: Path) -> bool:
    """Whether it has said where and with which password, and is there."""
    said = log.read_text(errors="replace")
    return address in said and re.search(r" password  \S{10}", said) is not None and answers(address)


def test_make_run_serves_in_a_clean_clone_and_says_where_and_with_which_password(tmp_path: Path) -> None:
    clone, log = tmp_path / "clone", tmp_path / "log"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(clone)], check=True)
    (line,) = SERVE.commands
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIRANHA_", "PYTHON"))}
    # The port of whoever runs this may be taken; its lab would be the one lab of this machine.
    environment = {**kept, "PIRANHA_PORT": str(free_port()), "PIRANHA_LAB": "none"}
    address = f"http://localhost:{environment['PIRANHA_PORT']}"
    with log.open("wb") as out:
        served = subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=clone, env=environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: is_there(address, log) or served.poll() is not None, "the pages", SECONDS)
        said = log.read_text(errors="replace")
        assert served.poll() is None, said
    finally:
        os.killpg(served.pid, signal.SIGINT)  # Ctrl-C
        served.wait(60)
    assert "Stopped; nothing is left running." in log.read_text(errors="replace")
    assert not answers(address)
