"""From every older version to this one and back, with rows, on either database; and what fails on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases.conftest import Site

CODE = """
import importlib, os
from ipaddress import IPv4Address
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections, migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from lvs import models, store
from lvs.rows import audit
from lvs.config.model import *

def at():  # the newest migration that the database has
    return max(name for app, name in MigrationRecorder(connection).applied_migrations() if app == "lvs")

def to(name=None):
    call_command("migrate", *(["lvs", name] if name else []), verbosity=0)

def old_model(name, model):
    executor = MigrationExecutor(connection)
    return executor.loader.project_state([("lvs", name)]).apps.get_model("lvs", model)

to()
names = sorted(n for app, n in MigrationExecutor(connection).loader.graph.nodes if app == "lvs")
cluster = store.create_cluster("lab", "r1", "r2")
shop = VirtualServer(
    name="shop", active=True, address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    check=HealthCheck(send="GET", expect="HTTP"),
    real_servers=tuple(
        RealServer(name=f"web{n}", address=IPv4Address("10.11.12.0") + n, active=True) for n in range(1, 6)
    ),
)
store.save(cluster, LvsConfig(
    global_settings=GlobalSettings(primary=IPv4Address("192.168.26.9")), virtual_servers=(shop,)
))
frozen = store.freeze(cluster, "anna", "the first")
audit.write(audit.AuditEntry.Action.APPLY, "applied", user="anna")
config = store.load(cluster)

# Back to the first version and on again, a step at a time; at each somebody of that time makes a cluster.
for name in reversed(names[:-1]):
    to(name)
    assert at() == name
    old_model(name, "Cluster").objects.create(name=name[:4])
for name in names[1:]:
    to(name)
assert at() == names[-1]
assert store.load(models.Cluster.objects.get(name="lab")) == config
assert models.Revision.objects.get().lvs_cf == frozen.lvs_cf
assert models.Cluster.objects.count() == len(names)
assert set(models.ClusterKey.objects.values_list("cluster__name", flat=True)) == {
    "lab", *(name[:4] for name in names[:-1])
}
audit.write(audit.AuditEntry.Action.APPLY, "after it", user="anna")
call_command("makemigrations", check=True, dry_run=True, verbosity=0)

# Of three migrations the last one fails, or the machine does: none of them has been.
before = names[-4]
to(before)
tables = connection.introspection.table_names()
last = importlib.import_module(f"lvs.migrations.{names[-1]}").Migration
whole = list(last.operations)

def as_before():
    assert at() == before, at()
    found = connection.introspection.table_names()
    assert found == tables, sorted(set(found) ^ set(tables))
    assert old_model(before, "VirtualServer").objects.filter(name="shop").count() == 1

def fails(apps, schema_editor):
    apps.get_model("lvs", "Cluster").objects.update(name="half done")

last.operations = [*whole, migrations.RunPython(fails)]  # names must be one of a kind
try:
    to()
except CommandError as error:
    for words in (names[-1], "IntegrityError", "all of it was taken back", "The version before goes on"):
        assert words in str(error), str(error)
else:
    raise AssertionError("it did not fail")
as_before()
last.operations = [*whole, migrations.RunPython(lambda apps, editor: os._exit(9))]
connections.close_all()
if not (child := os.fork()):
    to()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
as_before()
last.operations = whole
to()
assert store.load(models.Cluster.objects.get(name="lab")) == config

# A database of a newer version is left alone.
MigrationRecorder(connection).record_applied("lvs", "9999_of_tomorrow")
try:
    to()
except CommandError as error:
    assert "newer version of this program, which knew 9999_of_tomorrow" in str(error)
else:
    raise AssertionError("it was taken for one of ours")
print("well")
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_version_leads_to_the_next_and_back_and_a_step_that_fails_leaves_all_as_it_was(
    kind: str, database: str, tmp_path: Path
) -> None:
    site = Site(tmp_path / "var", database if kind == "postgresql" else "")
    assert site.python(CODE).endswith("well\n")
