"""Rows of an older version, of a newer one, and those that do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from lvs import models
from piranha_web.databases.rows import RowsRefused, Sum, load
from piranha_web.databases.url import sqlite
from piranha_web.databases.ways import opened

FIRST = "0001_the_candidate_its_revisions_and_their_deployments"
HEAD = {"piranha rows": 1, "migrations": [["lvs", FIRST]]}
CLUSTER = {"model": "lvs.cluster", "columns": ["id", "name", "edition", "comments", "failover_services"]}
ROUTER = {"model": "lvs.router", "columns": ["id", "name", "node", "cluster_id"]}
ROWS = [[3, "lab", 7, [["primary", ["# here"]]], []], [9, "shop", 1, [], []]]


@pytest.fixture
def empty(tmp_path: Path, django_db_blocker: Any) -> Iterator[str]:
    """A database without tables."""
    with django_db_blocker.unblock(), opened("old", sqlite(tmp_path / "old.sqlite3")) as alias:
        yield alias


def lines(*said: Any, sums: dict[str, Any] | None = None) -> list[str]:
    """A file: its lines, and a last one, which is right unless sums says otherwise."""
    counted: dict[str, Sum] = {}
    for one in said:
        if isinstance(one, dict) and "model" in one:
            counted[one["model"]] = Sum()
        elif isinstance(one, list):
            list(counted.values())[-1].add(one)
    end = {name: total.words for name, total in counted.items()} if sums is None else sums
    return [json.dumps(one) + "\n" for one in (*said, {"end": end})]


def test_rows_of_an_older_version_are_migrated_to_this_one(empty: str) -> None:
    router = [1, "r1", "primary", 3]
    load(empty, lines(HEAD, CLUSTER, *ROWS, ROUTER, router))
    clusters = models.Cluster.objects.using(empty)
    assert [(one.pk, one.name, one.edition) for one in clusters.order_by("pk")] == [
        (3, "lab", 7),
        (9, "shop", 1),
    ]
    assert models.ClusterKey.objects.using(empty).count() == 2  # of a later migration, which gave each one
    assert models.Router.objects.using(empty).get().redis_hash == ""
    assert clusters.create(name="later").pk == 10


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([HEAD | {"migrations": [["lvs", "9999_of_tomorrow"]]}], "newer version of this program"),
        ([HEAD | {"piranha rows": 2}], "newer version"),
        (["nothing"], "no rows of this site"),
        ([HEAD, CLUSTER | {"columns": ["id", "colour"]}, [1, "red"]], "has other columns here"),
        ([HEAD, CLUSTER, ROWS[0], ROWS[0]], "does not take"),
        ([HEAD, CLUSTER, [1, None, 0, [], []]], "does not take"),
        ([HEAD, CLUSTER, ROWS[0][:3]], "does not fit"),
        ([HEAD, CLUSTER, [1, "lab", "many", [], []]], "does not fit"),
        ([HEAD, ROUTER, [1, "r1", "primary", 77]], "refused"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(empty: str, said: list[Any], why: str) -> None:
    with pytest.raises(RowsRefused, match=why):
        load(empty, lines(*said))


def test_a_copy_that_is_not_the_same_is_noticed(empty: str) -> None:
    wrong = {"lvs.cluster": [2, "0" * 64]}
    with pytest.raises(RowsRefused, match="not those of the file"):
        load(empty, lines(HEAD, CLUSTER, *ROWS, sums=wrong))
    assert connections[empty].introspection.table_names()


def test_a_file_that_was_cut_off_is_refused(empty: str) -> None:
    whole = lines(HEAD, CLUSTER, *ROWS)
    with pytest.raises(RowsRefused, match="cut off"):
        load(empty, whole[:-1])
