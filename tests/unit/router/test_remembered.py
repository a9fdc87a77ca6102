"""A plan and its names are the same, whatever was planned before."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.router import plan
from lvs.router.sentences import Names
from lvs.router.state import Health, Role
from tests.unit.router.cluster import Cluster


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_plan_of_known_virtual_servers_is_that_of_new_ones(seed):
    cluster = Cluster(Random(seed))
    for _ in range(25):
        cluster.step()
        health = cluster.health()
        wanted = plan.wanted(cluster.config, cluster.role, health)
        assert wanted == plan.wanted(deepcopy(cluster.config), cluster.role, health)
        assert plan.keys(cluster.config) == plan.keys(deepcopy(cluster.config))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_names_are_those_of_the_first_configuration_that_has_one(seed):
    cluster = Cluster(Random(seed))
    for _ in range(15):
        old = cluster.config
        cluster.step()
        names = Names.of(cluster.config, old)
        assert dict(names.real_servers) == dict(Names.of(deepcopy(cluster.config), old).real_servers)
        assert len(names.real_servers) == len(dict(names.real_servers))
        before = {both: name for (_, name), both in plan.keys(old).items()}
        now = {both: name for (_, name), both in plan.keys(cluster.config).items()}
        named = {both: name for both, name in names.real_servers.items() if name}
        assert named == before | now


def test_what_did_not_change_is_the_same_value_and_what_did_is_another():
    cluster = Cluster(Random(3))
    for _ in range(40):
        cluster.step()
    health = cluster.health()
    once = plan.wanted(cluster.config, Role.ACTIVE, health)
    again = plan.wanted(cluster.config, Role.ACTIVE, dict(health))
    assert once.destinations.keys()
    unshared = [key for key in once.destinations if not key.fwmark]
    assert all(
        once.destinations[key] is again.destinations[key] for key in unshared if not _has_sorry(cluster, key)
    )
    assert once.addresses is again.addresses
    failed = {place: Health.FAILED for place in health}
    assert plan.wanted(cluster.config, Role.ACTIVE, failed) != once


def test_a_health_that_its_owner_changes_afterwards_is_seen():
    cluster = Cluster(Random(3))
    for _ in range(40):
        cluster.step()
    health = dict.fromkeys(plan.keys(cluster.config).values(), Health.HEALTHY)
    once = plan.wanted(cluster.config, cluster.role, health)
    for place in health:
        health[place] = Health.UNKNOWN
    assert plan.wanted(cluster.config, cluster.role, health) != once


def _has_sorry(cluster, key):
    return any(plan.service_key(each) == key and each.sorry_server for each in cluster.config.virtual_servers)
