"""A site that is in use is neither restored, nor moved, nor given other tables: with the real web server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.start.place import free_port
from tests.conftest import eventually
from tests.databases.conftest import BEGIN, Site

GUNICORN = Path(sys.executable).parent / "gunicorn"
PROJECT = Path(__file__).resolve().parents[2]
# A process of a site that has asked its database something, and is idle since.
IDLE = """
import sys
from lvs import models
models.Cluster.objects.exists(); print("idle", flush=True); sys.stdin.read()
"""


@contextmanager
def web_server(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """gunicorn, two processes that nobody has asked anything yet."""
    log = site.var.with_name("web.log")
    environment = {**site.environment, "PIRANHA_PORT": str(free_port()), "PIRANHA_TLS": "off"}
    environment["PIRANHA_LOG_LEVEL"] = "INFO"
    with log.open("wb") as file:
        one = subprocess.Popen(
            [GUNICORN, "-c", "python:piranha_web.gunicorn_conf", "piranha_web.wsgi"],
            cwd=PROJECT, env=environment, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        eventually(lambda: log.read_text().count("Booting worker") == 2, "the web server runs")
        yield one
    finally:
        one.terminate()
        one.wait(30)


@contextmanager
def idle(site: Site) -> Iterator[subprocess.Popen[str]]:
    """Another process of the site, with a connection that it does not use."""
    one = subprocess.Popen(
        [sys.executable, "-c", BEGIN + IDLE],
        env=site.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with one:
        assert one.stdout is not None
        assert one.stdout.readline() == "idle\n"
        try:
            yield one
        finally:
            one.kill()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A manager with a cluster."""
    one = Site(tmp_path / "var")
    one.run("manage", "migrate", "--verbosity", "0")
    one.run("manage", "create_cluster", "lab", "--primary", "r1")
    return one


def test_a_web_server_that_nobody_asks_anything_keeps_the_site_from_being_replaced(
    site: Site, tmp_path: Path
) -> None:
    kept, before = tmp_path / "kept.piranha", site.sums()
    wanted = (
        ("restore", "--force", str(kept)),
        ("database", "move", str(tmp_path / "other.sqlite3")),
        ("manage", "migrate", "lvs", "0009"),
    )
    with web_server(site) as one:
        site.run("backup", str(kept))  # that disturbs nobody
        site.run("manage", "migrate", "--verbosity", "0")  # as each start does: there is nothing to be done
        for words in wanted:
            said = site.run(*words, fails=True)
            found = re.search(r"in use by the web server \(process ([\d, ]+)\), and", said)
            assert found, said
            assert str(one.pid) in found[1].split(", ")
            assert "stop the services (systemctl stop piranha-web piranha-manager" in said
        one.send_signal(signal.SIGKILL)  # its processes end when they notice; until then they are at work
    eventually(
        lambda: "there is a manager here already" in site.run("restore", str(kept), fails=True),
        "nothing holds the site any more",
    )
    assert sorted(os.listdir(tmp_path)) == ["kept.piranha", "var", "web.log"]
    assert site.sums() == before
    with idle(site) as other:
        assert f"end process {other.pid}, then" in site.run(*wanted[0], fails=True)
    assert "Restored" in site.run(*wanted[0])


def test_a_manager_on_another_machine_is_seen_by_its_connection(database: str, tmp_path: Path) -> None:
    here, there = Site(tmp_path / "var", database), Site(tmp_path / "there", database)
    here.run("manage", "migrate", "--verbosity", "0")
    here.run("manage", "create_cluster", "lab", "--primary", "r1")
    here.run("backup", str(tmp_path / "kept"))
    wanted = (("restore", "--force", str(tmp_path / "kept")), ("manage", "migrate", "lvs", "0009"))
    with idle(there):
        for words in (*wanted, ("database", "move", str(tmp_path / "other.sqlite3"))):
            said = here.run(*words, fails=True)
            assert "in use by another manager, from this machine, and" in said
            assert "Nothing was changed: stop it there" in said
            assert "pg_terminate_backend" in said
    for words in wanted:
        here.run(*words)
