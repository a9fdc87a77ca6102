"""A PostgreSQL that goes away and comes back, and values that only it refuses."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import RedisServer
from tests.databases.conftest import Site
from tests.postgresql import PostgresServer

CODE = """
import logging, sys
from pathlib import Path
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from lvs import models, store
from lvs.errors import NotPossible
from piranha_web.access.backend import bound
from piranha_web.access.passwords import set_password
from piranha_web.databases.manager import OneManager, mended
from piranha_web.views import health
from tests.postgresql import PostgresServer
from django.db import connection
import threading

call_command("migrate", verbosity=0)
store.create_cluster("lab", "r1")
set_password("piranha", "correct horse", Path(settings.PIRANHA_PASSWORD_FILE))
client = Client(HTTP_HOST="localhost", raise_request_exception=False)
client.force_login(bound(User.objects.create(username="piranha", password="!")))
logging.disable(logging.CRITICAL)
for page in ("/", "/virtual-servers", "/history", "/audit", "/clusters", "/real-servers", "/users"):
    for query in ("?q=%00", "?q=%ED%A0%80", "?user=%00&address=%00&page=99999999999999999999"):
        status = client.get(page + query).status_code
        assert status < 500, (page, query, status)
before = models.Cluster.objects.count()
answer = client.post("/clusters/new", {"name": "x" * 200, "primary": "y" * 200, "backup": ""})
assert answer.status_code < 500, answer.content
assert models.Cluster.objects.count() == before
with connection.cursor() as cursor:
    cursor.execute("ALTER DATABASE fresh SET default_transaction_read_only = on")
connection.close()
assert "read-only" in health.of_database()
answer = client.post("/clusters/new", {"name": "lab2", "primary": "r3", "backup": ""})
assert answer.status_code == 503, answer.content
assert b"should name its primary" in answer.content
with connection.cursor() as cursor:
    cursor.execute("SET default_transaction_read_only = off")
    cursor.execute("ALTER DATABASE fresh RESET default_transaction_read_only")
connection.close()
assert health.of_database() == ""
server, one, counted = PostgresServer(Path(sys.argv[1])), OneManager(), []
work = mended(lambda: (one.hold(), counted.append(models.Router.objects.count())))
work()

def second():  # as on another machine: another connection
    try:
        OneManager().hold()
    except NotPossible as error:
        counted.append(str(error))

thread = threading.Thread(target=second)
thread.start(); thread.join()
assert "another manager's worker" in counted.pop()
server.stop()
try:
    answer = client.get("/")
    assert answer.status_code == 503, answer.status_code
    assert b"This page cannot be shown: the database does not answer" in answer.content
    try:
        work()
    except NotPossible as error:
        assert "Pages work again by themselves" in str(error)
    else:
        raise AssertionError("it worked without a database")
finally:
    server.start()
assert client.get("/").status_code == 200
work()
assert counted == [1, 1]
print("well")
"""


def test_a_postgresql_that_was_away_is_used_again_and_odd_values_are_no_faults(
    database: str, server: PostgresServer, tmp_path: Path, redis_server: RedisServer
) -> None:
    site = Site(tmp_path / "var", database)
    assert site.python(CODE, str(server.folder)).endswith("well\n")


def test_a_database_that_cannot_be_is_said_in_a_sentence_and_nothing_starts(tmp_path: Path) -> None:
    site = Site(tmp_path / "var", "mysql://piranha:secret@localhost/lvs")
    for words in (("database",), ("backup", str(tmp_path / "x"))):
        said = site.run(*words, fails=True)
        assert "PIRANHA_DATABASE_URL_FILE names no PostgreSQL database" in said
        assert "Traceback" not in said
        assert "secret" not in said
    assert not (tmp_path / "x").exists()
