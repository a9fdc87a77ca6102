"""What a plan makes of weights that are not the plain ones, of departing real servers, and of a restart."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.config.model import Forwarding, LvsConfig
from lvs.router import plan
from lvs.router.state import (
    Destination,
    DestinationKey,
    Family,
    Health,
    KernelState,
    Role,
    Service,
    ServiceKey,
)
from tests.unit.router.cluster import Cluster, config, health_of, real, virtual

WEB = plan.service_key(virtual())
assert WEB is not None
SORRY = DestinationKey(ip_address("10.0.0.99"), 80)


def at(number: int, port: int = 80) -> DestinationKey:
    return DestinationKey(ip_address(f"10.0.0.{10 + number}"), port)


def planned(
    shop: LvsConfig,
    weights: dict[DestinationKey, int | None],
    key: ServiceKey = WEB,
    departing: dict[plan.Place, Destination] | None = None,
    **named: Health,
) -> dict[DestinationKey, int]:
    """The weights behind key, with everything healthy but the real servers named."""
    state = plan.wanted(
        shop,
        Role.ACTIVE,
        health_of(shop, **named),
        weights={(key, place): weight for place, weight in weights.items()},
        departing=departing,
    )
    return {place: each.weight for place, each in state.destinations[key].items()}


@pytest.mark.parametrize("health", list(Health))
@pytest.mark.parametrize("quiesce", [True, False])
@pytest.mark.parametrize("weight", [None, 0, 7])
def test_an_exception_counts_whatever_the_health(health, quiesce, weight):
    shop = config(virtual(quiesce=quiesce))
    expected = {at(2): 1} if weight is None else {at(1): weight, at(2): 1}
    assert planned(shop, {at(1): weight}, web1=health) == expected


def test_an_exception_keeps_method_and_thresholds():
    server = virtual(
        forwarding=Forwarding.TUNNEL, real_servers=(real(1, weight=5, upper_threshold=9, lower_threshold=3),)
    )
    state = plan.wanted(config(server), Role.ACTIVE, {}, weights={(WEB, at(1)): 2})
    assert state.destinations == {WEB: {at(1): Destination(Forwarding.TUNNEL, 2, 9, 3)}}


def test_an_exception_for_what_is_not_active_or_not_there_changes_nothing():
    shop = config(virtual(real_servers=(real(1, active=False), real(2))))
    assert planned(shop, {at(1): 5, at(9): 5}) == {at(2): 1}


def test_the_sorry_server_comes_in_when_all_are_taken_out_and_goes_when_one_is_kept_in():
    shop = config(virtual(sorry_server=SORRY.address))
    assert planned(shop, {at(1): 0, at(2): None}) == {at(1): 0, SORRY: 1}
    assert planned(shop, {at(1): 3}, web1=Health.FAILED, web2=Health.FAILED) == {at(1): 3}


def test_a_real_server_that_is_taken_out_does_not_come_back_as_its_own_sorry_server():
    shop = config(virtual(real_servers=(real(1),), sorry_server=ip_address("10.0.0.11")))
    assert planned(shop, {}, web1=Health.FAILED) == {at(1): 1}
    assert planned(shop, {at(1): None}) == {}
    assert planned(shop, {at(1): 0}) == {at(1): 0}


def test_an_exception_holds_for_all_virtual_servers_of_one_mark_that_name_the_place():
    mark = ServiceKey(Family.V4, fwmark=7)
    shop = config(virtual(fwmark=7), virtual("secure", port=443, fwmark=7, real_servers=(real(2), real(3))))
    assert planned(shop, {at(2, 0): None}, key=mark) == {at(1, 0): 1, at(3, 0): 1}
    assert planned(shop, {at(2, 0): 4, at(3, 0): 0}, key=mark) == {at(1, 0): 1, at(2, 0): 4, at(3, 0): 0}


LEFT = Destination(Forwarding.TUNNEL, 5, 9, 3)


def test_a_departing_real_server_stays_at_weight_0_as_it_was():
    state = plan.wanted(config(virtual()), Role.ACTIVE, {}, departing={(WEB, at(5)): LEFT})
    assert state.destinations == {WEB: {at(5): replace(LEFT, weight=0)}}


def test_a_departing_real_server_by_nat_keeps_its_way_out_until_it_is_gone():
    by_nat = replace(LEFT, forwarding=Forwarding.NAT)
    shop = config(virtual(forwarding=Forwarding.NAT))
    before, state = (
        plan.wanted(shop, Role.ACTIVE, {}, departing=leavers) for leavers in ({}, {(WEB, at(5)): by_nat})
    )
    assert before.netfilter is not None
    assert state.netfilter is not None
    assert set(state.netfilter.masquerade) == {*before.netfilter.masquerade, at(5).address}
    direct = replace(LEFT, forwarding=Forwarding.DIRECT)
    assert plan.wanted(shop, Role.ACTIVE, {}, departing={(WEB, at(5)): direct}).netfilter == before.netfilter


def test_a_departing_real_server_serves_nobody_so_the_sorry_server_does():
    shop = config(virtual(real_servers=(), sorry_server=SORRY.address))
    assert planned(shop, {}, departing={(WEB, at(5)): LEFT}) == {SORRY: 1, at(5): 0}
    assert planned(shop, {}, departing={(WEB, SORRY): LEFT}) == {SORRY: 1}


def test_one_that_was_put_back_is_as_its_health_says_and_only_then():
    shop = config(virtual())
    assert planned(shop, {}, departing={(WEB, at(1)): LEFT}) == {at(1): 1, at(2): 1}
    unknown = planned(shop, {}, departing={(WEB, at(1)): LEFT}, web1=Health.UNKNOWN)
    assert unknown == {at(2): 1, at(1): 0}


def test_what_departs_goes_at_once_with_its_service():
    gone = ServiceKey(Family.V4, fwmark=9)
    state = plan.wanted(config(virtual()), Role.ACTIVE, {}, departing={(gone, at(5)): LEFT})
    assert state.destinations == {WEB: {}}


def test_a_restart_believes_nothing_of_a_place_that_a_hand_has_arranged():
    shop = config(virtual(quiesce=True, real_servers=(real(1), real(2), real(3))))
    actual = KernelState(
        services={WEB: Service("wlc")},
        destinations={WEB: {at(n): Destination(Forwarding.DIRECT, n - 1) for n in (1, 2, 3)}},
    )
    by_hand = {(WEB, at(1)), (WEB, at(3))}
    assert plan.adopted_health(shop, actual, by_hand=by_hand) == {(WEB, at(2)): Health.HEALTHY}
    assert plan.adopted_health(shop, actual)[WEB, at(1)] is Health.FAILED


def test_a_virtual_server_without_exceptions_is_the_same_value_whatever_others_have():
    shop = config(virtual(), virtual("mail", "192.0.2.2", real_servers=(real(1), real(2))))
    mail = plan.service_key(shop.virtual_servers[1])
    assert mail is not None
    health = health_of(shop)
    once = plan.wanted(shop, Role.ACTIVE, health)
    drained = plan.wanted(shop, Role.ACTIVE, health, weights={(WEB, at(1)): 0})
    again = plan.wanted(shop, Role.ACTIVE, dict(health), weights={(WEB, at(1)): 0})
    assert drained.destinations[mail] is once.destinations[mail]
    assert again.destinations[WEB] is drained.destinations[WEB]
    assert drained.destinations[WEB] != once.destinations[WEB]
    assert plan.wanted(shop, Role.ACTIVE, health, weights={}) == once


def test_weights_that_their_owner_changes_afterwards_are_seen():
    weights: dict[plan.Place, int | None] = {(WEB, at(1)): 0}
    shop = config(virtual())
    once = plan.wanted(shop, Role.ACTIVE, health_of(shop), weights=weights)
    weights[WEB, at(1)] = 4
    again = plan.wanted(shop, Role.ACTIVE, health_of(shop), weights=weights)
    assert once.destinations[WEB][at(1)].weight == 0
    assert again.destinations[WEB][at(1)].weight == 4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_the_plain_weights_as_exceptions_are_the_plain_plan_and_others_change_only_their_places(seed, data):
    cluster = Cluster(Random(seed))
    for _ in range(20):
        cluster.step()
    health = cluster.health()
    once = plan.wanted(cluster.config, cluster.role, health)
    places = [place for each in cluster.config.virtual_servers for _, place in plan.active_members(each)]
    picked = data.draw(st.lists(st.sampled_from(places), max_size=4)) if places else []
    weights = {place: data.draw(st.sampled_from((None, 0, 3))) for place in picked}
    sorry = {plan.sorry_key(each) for each in cluster.config.virtual_servers}
    changed = plan.wanted(cluster.config, cluster.role, health, weights=weights)
    assert replace(changed, destinations={}) == replace(once, destinations={})
    for key in once.services:
        before, after = once.destinations[key], changed.destinations[key]
        for place in before.keys() | after.keys():
            if (key, place) not in weights and place not in sorry:
                assert before.get(place) == after.get(place)
    plain = {
        place: each.weight if (each := once.destinations[place[0]].get(place[1])) else None
        for place in places
        if place[0] in once.services and place[1] not in sorry
    }
    assert plan.wanted(cluster.config, cluster.role, health, weights=plain) == once
