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

from deploy.start.place import free_port
from piranha_web.databases import in_use
from tests.conftest import eventually
from tests.databases.conftest import BEGIN, REFUSED, Site

GUNICORN = Path(sys.executable).parent / "gunicorn"
PROJECT = Path(__file__).resolve().parents[2]
MADE = (("manage", "migrate", "--verbosity", "0"), ("manage", "create_cluster", "lab", "--primary", "r1"))
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


def test_a_web_server_that_nobody_asks_anything_keeps_the_site_from_being_replaced(tmp_path: Path) -> None:
    site, kept = Site(tmp_path / "var"), tmp_path / "kept.piranha"
    before = site.all(*MADE, ("sums",))[-1]
    with web_server(site) as one:
        _, _, _, *refused, sums = site.all(
            ("backup", str(kept)),  # that disturbs nobody
            ("database",),
            ("manage", "migrate", "--verbosity", "0"),  # as each start does: there is nothing to be done
            (REFUSED, "restore", "--force", str(kept)),
            (REFUSED, "database", "move", str(tmp_path / "other.sqlite3")),
            (REFUSED, "manage", "migrate", "lvs", "0009"),
            ("sums",),
        )
        for said in refused:
            found = re.search(r"in use by the web server \(process ([\d, ]+)\), and", said)
            assert found, said
            assert len(found[1].split(", ")) == 3
            assert str(one.pid) in found[1].split(", ")
            assert "stop the services (systemctl stop piranha-web piranha-manager" in said
        assert sums == before
        one.send_signal(signal.SIGKILL)  # its processes end when they notice; until then they are at work
    eventually(lambda: not in_use.holders(site.var), "nothing holds the site any more")
    assert sorted(os.listdir(tmp_path)) == ["kept.piranha", "var", "web.log"]
    assert "Restored" in site.run("restore", "--force", str(kept))


def test_a_manager_on_another_machine_is_seen_by_its_connection(database: str, tmp_path: Path) -> None:
    here, there = Site(tmp_path / "var", database), Site(tmp_path / "there", database)
    kept = str(tmp_path / "kept")
    here.all(*MADE, ("backup", kept))
    with idle(there):
        for said in here.all(
            (REFUSED, "restore", "--force", kept),
            (REFUSED, "manage", "migrate", "lvs", "0009"),
            (REFUSED, "database", "move", str(tmp_path / "other.sqlite3")),
        ):
            assert "in use by another manager, from this machine, and" in said
            assert "Nothing was changed: stop it there" in said
            assert "pg_terminate_backend" in said
    here.all(("restore", "--force", kept), ("manage", "migrate", "lvs", "0009"))
