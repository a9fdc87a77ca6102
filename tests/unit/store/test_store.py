"""Rows and configurations."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck as Check
from hypothesis import given, settings

from lvs import models, store
from lvs.config.model import (
    FloatingAddress,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    RealServer,
    VirtualServer,
)
from lvs.config.reader import read
from lvs.errors import InvalidConfig
from lvs.rows.shelf import SHELF
from tests.unit.config.strategies import configs

pytestmark = pytest.mark.django_db

SHOP = VirtualServer(
    name="shop",
    active=True,
    address=FloatingAddress(address=IPv4Address("192.168.26.10"), device="eth0:1"),
    check=HealthCheck(send=r"GET / HTTP/1.0\r\n\r\n", expect="HTTP"),
    real_servers=(RealServer(name="web1", address=IPv4Address("10.11.12.1"), active=True),),
)
CONFIG = LvsConfig(virtual_servers=(SHOP,))


@pytest.fixture
def cluster() -> models.Cluster:
    return store.create_cluster("lab", "r1", "r2")


@settings(suppress_health_check=[Check.function_scoped_fixture], deadline=None, max_examples=40)
@given(config=configs())
def test_what_is_saved_is_what_is_loaded(cluster: models.Cluster, config: LvsConfig) -> None:
    store.save(cluster, config)

    assert store.load(cluster) == config


def test_a_large_candidate_takes_six_queries_and_the_next_time_four(cluster: models.Cluster) -> None:
    many = tuple(replace(SHOP, name=f"shop {number}", active=False, port=number) for number in range(1, 1201))
    store.save(cluster, LvsConfig(virtual_servers=many))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        loaded = store.load(cluster)

    assert loaded.virtual_servers == many
    assert len(queries) == 6
    with CaptureQueriesContext(connection) as queries:
        assert store.load(cluster) == loaded
    assert len(queries) == 4


def test_two_servers_of_one_name_are_refused_and_nothing_is_lost(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)

    with pytest.raises(InvalidConfig, match="shop"):
        store.save(cluster, LvsConfig(virtual_servers=(SHOP, SHOP)))

    assert store.load(cluster) == CONFIG


def test_every_change_of_a_row_raises_the_edition(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)
    row = cluster.virtual_servers.get()
    editions = [cluster.edition]

    for change in (row.deactivate, row.activate, row.real_servers.get().deactivate, row.delete):
        change()
        cluster.refresh_from_db()
        editions.append(cluster.edition)

    assert editions == sorted(set(editions))


def test_nothing_is_pending_in_a_new_cluster(cluster: models.Cluster) -> None:
    assert store.pending(cluster) == ()


def test_what_is_pending_is_told_against_the_newest_revision(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)
    store.freeze(cluster, author="anna", message="")
    assert store.pending(cluster) == ()

    cluster.virtual_servers.get().deactivate()

    assert [str(one) for one in store.pending(cluster)] == ["deactivate virtual server shop"]


def test_while_the_candidate_is_as_it_was_frozen_neither_is_read_to_know_that_nothing_is_pending(
    cluster: models.Cluster,
) -> None:
    store.save(cluster, CONFIG)
    made = store.freeze(cluster, author="anna", message="")
    assert store.since(made, store.load(cluster)) == ()
    SHELF._kept.clear()

    with CaptureQueriesContext(connection) as queries:
        assert store.pending(cluster) == ()

    assert [one["sql"].count("lvs_virtualserver") for one in queries.captured_queries] == [0, 0]
    assert '"document"' not in queries.captured_queries[0]["sql"]


def test_what_an_older_revision_has_is_told_by_reading_it(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)
    first = store.freeze(cluster, author="anna", message="")
    cluster.virtual_servers.get().deactivate()
    second = store.freeze(cluster, author="anna", message="")
    assert store.pending(cluster) == ()
    for one in second.deployments.all():
        one.end(models.Deployment.State.FAILED)
    assert [str(one) for one in store.pending(cluster)] == ["deactivate virtual server shop"]
    store.take_back(first)
    assert store.pending(cluster) == ()


def test_pending_is_computed_once_an_edition(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)
    first = store.pending(cluster)

    with CaptureQueriesContext(connection) as queries:
        assert store.pending(cluster) == first

    assert len(queries) <= 3


def test_a_revision_counts_from_one_and_its_file_carries_its_number(cluster: models.Cluster) -> None:
    store.save(cluster, replace(CONFIG, global_settings=GlobalSettings(serial_no=2013042401)))

    first = store.freeze(cluster, author="anna", message="new shop")
    second = store.freeze(cluster, author="ben", message="")

    assert (first.number, second.number) == (1, 2)
    assert read(second.lvs_cf).config.global_settings.serial_no == 2
    assert (first.author, first.message) == ("anna", "new shop")


def test_a_revision_is_queued_for_each_router_backup_first(cluster: models.Cluster) -> None:
    revision = store.freeze(cluster, author="anna", message="")

    assert [one.router.name for one in revision.deployments.all()] == ["r2", "r1"]
    assert {one.state for one in revision.deployments.all()} == {"queued"}


def test_a_candidate_with_errors_is_not_frozen(cluster: models.Cluster) -> None:
    store.save(cluster, LvsConfig(virtual_servers=(replace(SHOP, address=None),)))

    with pytest.raises(InvalidConfig, match="has no address"):
        store.freeze(cluster, author="anna", message="")

    assert not cluster.revisions.exists()


def test_a_revision_that_is_taken_back_is_the_candidate_again(cluster: models.Cluster) -> None:
    store.save(cluster, CONFIG)
    revision = store.freeze(cluster, author="anna", message="")
    cluster.virtual_servers.get().delete()

    store.take_back(revision)

    assert store.load(cluster).virtual_servers == CONFIG.virtual_servers
    assert store.pending(cluster) == ()


def test_a_revision_never_changes_and_is_never_deleted(cluster: models.Cluster) -> None:
    revision = store.freeze(cluster, author="anna", message="")

    for attempt in (
        revision.save,
        revision.delete,
        lambda: cluster.revisions.update(author="eve"),
        lambda: models.Revision.objects.all().delete(),
    ):
        with pytest.raises(TypeError, match="A revision"):
            attempt()

    assert cluster.revisions.get().author == "anna"


def test_the_database_itself_keeps_names_unique(cluster: models.Cluster) -> None:
    store.add_virtual_server(cluster, SHOP)

    with pytest.raises(IntegrityError), transaction.atomic():
        store.add_virtual_server(cluster, SHOP)


def test_a_revision_knows_what_a_router_had_before_it(cluster: models.Cluster) -> None:
    first, second, third = (store.freeze(cluster, author="anna", message="") for _ in range(3))
    router = models.Router.objects.get(name="r1")
    first.deployments.get(router=router).end(models.Deployment.State.APPLIED)
    second.deployments.get(router=router).end(models.Deployment.State.FAILED, "refused")

    assert third.before_on(router) == first
    assert first.before_on(router) is None


def test_what_is_pending_is_counted_without_loading_the_texts_of_every_revision(
    cluster: models.Cluster,
) -> None:
    for _ in range(3):
        store.freeze(cluster, author="anna", message="")
    with CaptureQueriesContext(connection) as queries:
        assert cluster.standing_revision() == cluster.newest_revision()
    standing = queries.captured_queries[0]["sql"]
    assert "lvs_cf" not in standing
    assert '"document"' not in standing


def test_a_cluster_has_a_key_of_its_own_and_keeps_the_newest_two(cluster: models.Cluster) -> None:
    (first,) = cluster.key_ring()
    assert len(bytes.fromhex(first)) == 32

    second = cluster.make_key().hex
    assert cluster.key_ring() == [second, first]

    third = cluster.make_key().hex
    assert cluster.key_ring() == [third, second]
    assert cluster.keys.count() == 2
    assert models.Cluster.begin("other").key_ring()[0] not in {first, second, third}


def test_of_a_key_only_the_beginning_of_its_hash_is_ever_shown(cluster: models.Cluster) -> None:
    row = cluster.keys.get()
    row.hex = "00" * 32
    # printf '\0%.0s' $(seq 32) | sha256sum
    assert row.key_id == "66687aad"
    assert str(row) == "key 66687aad"
    assert row.hex not in repr(row)


def test_a_revision_may_have_to_be_confirmed_and_its_routers_an_order(cluster: models.Cluster) -> None:
    first, second = (models.Router.objects.get(name=name) for name in ("r1", "r2"))

    revision = store.freeze(cluster, author="anna", message="", order=[first, second], confirm_within=30)

    assert revision.confirm_within == 30
    assert [one.router.name for one in revision.deployments.all()] == ["r1", "r2"]
    assert revision.verdict is None


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.1, 0.333, 1.005, 2, 86399.999])
def test_a_fraction_of_a_second_comes_out_as_it_went_in(cluster: models.Cluster, seconds: float) -> None:
    redundancy = replace(CONFIG.redundancy, keepalive=seconds, deadtime=86400, failback=seconds)
    config = replace(CONFIG, redundancy=redundancy)
    store.save(cluster, config)

    assert store.load(cluster) == config
    assert store.redundancy_of(store.freeze(cluster, author="anna", message="")).keepalive == seconds
