"""What becomes of the rows that were there before."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("lvs", "0001_the_candidate_its_revisions_and_their_deployments")]


@pytest.mark.django_db(transaction=True)
def test_a_cluster_of_the_time_before_heartbeats_gets_a_key_of_its_own() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    for name in ("one", "two"):
        old.get_model("lvs", "Cluster").objects.create(name=name)
    call_command("migrate", "lvs", verbosity=0)
    keys = set(apps.get_model("lvs", "ClusterKey").objects.values_list("cluster__name", "hex"))
    assert {name for name, _ in keys} == {"one", "two"}
    assert len({key for _, key in keys}) == 2
    assert all(len(bytes.fromhex(key)) == 32 for _, key in keys)


@pytest.mark.django_db
def test_the_migrations_make_the_rows_that_the_code_has() -> None:
    call_command("makemigrations", "lvs", check=True, dry_run=True, verbosity=0)
