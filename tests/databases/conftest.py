"""Sites in folders of their own, which are asked by the `piranha` command and by Python beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql

PIRANHA = Path(sys.executable).parent / "piranha"
BEGIN = "from piranha_web.console.django_ready import set_up_django; set_up_django()\n"
# `piranha WORDS` for each of the words, one after the other: what it said, and its exit code. "sums" is, of
# every row that is kept, its table's number and hash; "python" is a program.
COMMANDS = """
import contextlib, io, json, sys
def command(words):
    if words == ["sums"]:
        return print(json.dumps(rows.dump("default", io.StringIO())))
    if words[0] == "python":
        return exec(words[1], {})
    return main(words)
from django.db import connections
from piranha_web.cli import main
from piranha_web.databases import rows
answers = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        try:
            code = command(words)
        except SystemExit as ended:
            code = ended.code
    connections.close_all()
    answers.append([code or 0, said.getvalue()])
print(json.dumps(answers))
"""
REFUSED = "!"  # before the words of a command that is to fail


class Site:
    """A manager's folder and its database; url "": the SQLite file in it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.var = folder
        self.url = url
        self.kept_sums = ""
        folder.mkdir(mode=0o700)
        key = folder / "secret.key"
        key.write_text("k" * 60)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are given."""
        kept = {
            name: text for name, text in os.environ.items() if not name.startswith(("PIRANHA_", "DJANGO_"))
        }
        kept.pop("DATABASE_URL", None)
        own = {
            "PIRANHA_VAR": str(self.var),
            "PIRANHA_BROKER_URL": os.environ["PIRANHA_BROKER_URL"],
            "PIRANHA_LOG_LEVEL": "ERROR",
        }
        if self.url:
            file = self.var / "database.url"
            file.write_text(self.url)
            own["PIRANHA_DATABASE_URL_FILE"] = str(file)
        if (self.var / "secret.key").exists():
            own["PIRANHA_SECRET_KEY_FILE"] = str(self.var / "secret.key")
        return kept | own

    def run(self, *words: str, given: bytes = b"", fails: bool = False) -> str:
        """What `piranha WORDS` says on both its outputs."""
        done = subprocess.run(
            [PIRANHA, *words], input=given, capture_output=True, env=self.environment, check=False
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert (done.returncode != 0) == fails, said
        return said

    def python(self, code: str, *words: str) -> str:
        """What a program says that has this site's Django."""
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + code, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def all(self, *commands: tuple[str, ...]) -> list[str]:
        """What each of these says, on both its outputs: in one process: Django takes a second to begin."""
        wanted = [words[1:] if words[0] == REFUSED else words for words in commands]
        answers = json.loads(self.python(COMMANDS, json.dumps(wanted)))
        for words, (code, said) in zip(commands, answers, strict=True):
            assert (code != 0) == (words[0] == REFUSED), (words, said)
        return [said for _code, said in answers]


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.PostgresServer]:
    """A PostgreSQL of these tests' own."""
    with postgresql.running() as running:
        yield running


@pytest.fixture
def database(server: postgresql.PostgresServer) -> Iterator[str]:
    """The URL of an empty database there."""
    server.drop("fresh")
    yield server.create("fresh")
    server.drop("fresh")
