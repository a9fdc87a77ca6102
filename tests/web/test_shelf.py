"""What a process keeps of what it has worked out."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lvs import models, store
from lvs.rows.shelf import Shelf
from tests.web.conftest import CONFIG, SHOP


def test_a_value_is_made_once_and_again_after_the_cache_was_emptied() -> None:
    shelf, made = Shelf(), []

    def make() -> object:
        made.append(object())
        return made[-1]

    assert shelf.get("a", make) is shelf.get("a", make)
    cache.clear()
    assert shelf.get("a", make) is made[1]


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    shelf = Shelf(room=2)
    shelf.put("a", 1)
    shelf.put("b", 2)
    assert shelf.get("a", lambda: 9) == 1
    shelf.put("c", 3)
    assert shelf.get("a", lambda: 9) == 1
    assert shelf.get("b", lambda: 9) == 9


def test_what_cannot_be_made_is_not_kept_and_can_be_made_later() -> None:
    shelf = Shelf()
    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: 1 // 0)
    assert shelf.get("a", lambda: 5) == 5


def test_threads_that_want_the_same_at_once_have_it_made_once() -> None:
    shelf, made, begun = Shelf(), [], threading.Event()
    go_on = threading.Event()

    def make() -> int:
        begun.set()
        assert go_on.wait(30)
        made.append(1)
        return 5

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(shelf.get("a", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go_on.set()
    for thread in threads:
        thread.join()
    assert (found, made) == ([5] * 4, [1])


def test_a_loaded_candidate_has_the_same_objects_again_save_for_what_changed(
    cluster: models.Cluster,
) -> None:
    store.save(cluster, replace(CONFIG, virtual_servers=(SHOP, replace(SHOP, name="mail", port=25))))
    shop, mail = store.load(cluster).virtual_servers
    with CaptureQueriesContext(connection) as queries:
        again = store.load(cluster)
    assert again.virtual_servers[0] is shop
    assert len(queries) == 4

    row = cluster.virtual_servers.get(name="mail")
    for change in (
        lambda: row.real_servers.get(name="web1").deactivate(),
        lambda: row.monitoring_script.take(replace(SHOP.check, expect="220")),
        lambda: row.deactivate(),
        lambda: row.real_servers.get(name="web2").delete(),
    ):
        before = store.load(cluster).virtual_servers
        change()
        after = store.load(cluster).virtual_servers
        assert after[0] is before[0]
        assert after[1] != before[1]
    assert (mail.active, after[1].active, len(after[1].real_servers)) == (True, False, 1)


def test_nobody_looks_for_garbage_while_something_is_made_and_as_before_afterwards() -> None:
    shelf, seen = Shelf(), []

    def make() -> int:
        seen.append(gc.isenabled())
        return shelf.get("inside", lambda: 1) if len(seen) == 1 else 2

    def fail() -> int:
        raise ValueError("no")

    before = gc.isenabled()
    gc.enable()
    try:
        shelf.get("a", make)
        with pytest.raises(ValueError, match="no"):
            shelf.get("b", fail)
        assert seen == [False]
        assert gc.isenabled()
        gc.disable()
        shelf.get("c", make)
        assert not gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()
