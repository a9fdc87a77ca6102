"""What a new process of the web server reads before anybody asks."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from lvs import models, store
from piranha_web import warming
from piranha_web.listing import listing
from tests.web.conftest import CONFIG


def test_pending_changes_and_lists_are_there_for_the_first_page(cluster: models.Cluster) -> None:
    second = store.create_cluster("other", "o1", "")
    store.save(second, CONFIG)
    warming.warm()
    for one in (cluster, second):
        with CaptureQueriesContext(connection) as queries:
            assert store.pending(one)
            assert listing(one).services
        told = [query["sql"] for query in queries.captured_queries]
        assert not [sql for sql in told if "lvs_virtualserver" in sql or "lvs_realserver" in sql]


def test_a_database_that_does_not_answer_is_left_to_the_pages(
    cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(cluster: models.Cluster) -> None:
        raise DatabaseError("locked")

    monkeypatch.setattr(warming.store, "pending", refuse)
    with caplog.at_level(logging.INFO, "piranha.site"):
        warming.warm()
    assert "nothing was read ahead: locked" in caplog.text


def test_it_is_done_beside_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(warming, "warm", lambda: done.append("read"))
    warming.begin().join(20)
    assert done == ["read"]
