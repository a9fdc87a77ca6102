"""Which weights differ from the plain ones: case by case, and what holds whatever happens."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.config.model import LvsConfig, VirtualServer
from lvs.nanny.hand import Hand, Order
from lvs.nanny.health import Patience, Result, Verdict, adopted
from lvs.nanny.loads import Load, Word
from lvs.nanny.shares import Circumstances, Shares, shares
from lvs.router import plan
from lvs.router.state import DestinationKey, Family, Health, Role, ServiceKey
from tests.unit.router.cluster import config, real, virtual

NOW = 1_700_000_000.0
MARK = ServiceKey(Family.V4, fwmark=7)
SORRY = ip_address("10.0.0.99")
WEB = plan.service_key(virtual())
assert WEB is not None

HEALTHY = Verdict(Health.HEALTHY, "connected", since=NOW - 9999, admitted=True, came_up=True)
FAILED = Verdict(Health.FAILED, "connect: refused", since=NOW - 60, admitted=True)
UNKNOWN = Verdict()
AGENT = {"load_monitor": "agent", "agent_port": 5555}


def at(number: int, port: int = 80) -> DestinationKey:
    return DestinationKey(ip_address(f"10.0.0.{10 + number}"), port)


def place(number: int) -> plan.Place:
    assert WEB is not None
    return WEB, at(number)


def pool(*weights: int, **settings: object) -> VirtualServer:
    """An active virtual server `shop` with web1, web2, … of these weights."""
    servers = tuple(real(number, weight=weight) for number, weight in enumerate(weights, start=1))
    return virtual(**({"real_servers": servers} | settings))


def hands(**orders: Order | tuple[Order, float]) -> dict[tuple[str, str], Hand]:
    """Entries for real servers of `shop`: an order, or an order and the seconds after NOW when it ends."""
    found = {}
    for name, given_order in orders.items():
        order, seconds = given_order if isinstance(given_order, tuple) else (given_order, None)
        until = None if seconds is None else NOW + seconds
        found["shop", name] = Hand(
            virtual_server="shop", real_server=name, order=order, at=NOW - 60, until=until
        )
    return found


def of(server: VirtualServer, *verdicts: Verdict, now: float = NOW, **more: object) -> Shares:
    """The shares of server alone, with the verdicts on web1, web2, …"""
    known = {place(number): verdict for number, verdict in enumerate(verdicts, start=1)}
    return shares(config(server), Circumstances(verdicts=known, now=now, **more))


def weights(found: Shares) -> dict[int, int | None]:
    return {int(key.address) - int(at(0).address): weight for (_, key), weight in found.weights.items()}


def why(found: Shares) -> dict[int, str]:
    return {int(key.address) - int(at(0).address): said for (_, key), said in found.why.items()}


def in_the_kernel(shop: LvsConfig, given: Circumstances, found: Shares) -> Mapping[plan.Place, int]:
    """The weights of the plan."""
    health = {place: verdict.health for place, verdict in given.verdicts.items()}
    state = plan.wanted(shop, Role.ACTIVE, health, weights=found.weights)
    return {
        (key, place): destination.weight
        for key, members in state.destinations.items()
        for place, destination in members.items()
    }


def test_the_plain_case_has_no_exceptions():
    assert of(pool(1, 5), HEALTHY, FAILED) == Shares()
    assert of(pool(1, 5, protection=50, slow_start=60, **AGENT), HEALTHY, HEALTHY) == Shares()


def test_an_inactive_virtual_server_has_none():
    server = pool(1, 1, active=False, protection=100)
    assert of(server, FAILED, FAILED, hands=hands(web1=Order.DRAIN)) == Shares()


# ---- the hand


@pytest.mark.parametrize("verdict", [HEALTHY, FAILED, UNKNOWN])
@pytest.mark.parametrize(
    ("order", "quiesce", "drained", "weight", "said"),
    [
        (Order.DRAIN, False, False, 0, "draining"),
        (Order.DRAIN, True, True, None, "drained"),
        ((Order.DRAIN, 60), False, False, 0, "draining"),
        ((Order.DRAIN, -60), False, False, None, "drained"),
        (Order.MAINTENANCE, False, False, 0, "in maintenance"),
        ((Order.MAINTENANCE, 60), True, True, None, "in maintenance"),
        (Order.DOWN, False, False, None, "forced down"),
        (Order.DOWN, True, False, 0, "forced down"),
        (Order.UP, False, False, 5, "forced up"),
    ],
)
def test_the_hand_counts_whatever_the_checks_say(verdict, order, quiesce, drained, weight, said):
    server = pool(5, 1, quiesce=quiesce, protection=100, slow_start=60, **AGENT)
    found = of(
        server,
        verdict,
        HEALTHY,
        hands=hands(web1=order),
        drained={place(1)} if drained else frozenset(),
        loads={place(1): Load(factor=0.5, word=Word.DOWN)},
    )
    assert weights(found) == {1: weight}
    assert why(found) == {1: said}
    assert found.protected == frozenset()


@pytest.mark.parametrize("order", [Order.AUTO, (Order.MAINTENANCE, -1), (Order.UP, 0), (Order.DOWN, -60)])
def test_an_order_that_has_ended_says_nothing(order):
    assert of(pool(1, 1), HEALTHY, HEALTHY, hands=hands(web1=order)) == Shares()


def test_an_order_that_ends_says_when_to_look_again():
    orders = hands(web1=(Order.UP, 30), web2=(Order.DRAIN, 20), web3=Order.DOWN, web9=(Order.UP, 10))
    assert of(pool(1, 1, 1), HEALTHY, HEALTHY, HEALTHY, hands=orders).until == NOW + 20


def test_up_does_not_raise_what_lvs_cf_has_at_weight_0():
    assert weights(of(pool(0, 1), FAILED, HEALTHY, hands=hands(web1=Order.UP))) == {1: 0}


def test_all_forced_down_leaves_the_service_to_the_sorry_server():
    server = pool(1, 1, protection=100, sorry_server=SORRY)
    given = Circumstances(
        verdicts={place(1): HEALTHY, place(2): HEALTHY},
        hands=hands(web1=Order.DOWN, web2=Order.DOWN),
        now=NOW,
    )
    found = shares(config(server), given)
    assert in_the_kernel(config(server), given, found) == {(WEB, DestinationKey(SORRY, 80)): 1}


# ---- pool protection


def test_protection_keeps_those_in_that_failed_last():
    down = [replace(FAILED, since=NOW - age) for age in (40, 10, 30, 20)]
    found = of(pool(1, 2, 3, 4, protection=50), *down)
    assert weights(found) == {2: 2, 4: 4}
    assert set(why(found).values()) == {"kept by pool protection"}
    assert found.protected == {place(2), place(4)}


@pytest.mark.parametrize(
    ("percent", "healthy", "kept"), [(1, 0, 1), (34, 0, 2), (66, 1, 1), (67, 1, 2), (100, 1, 2), (50, 2, 0)]
)
def test_the_share_is_rounded_up(percent, healthy, kept):
    found = of(pool(1, 1, 1, protection=percent), *[HEALTHY] * healthy, *[FAILED] * (3 - healthy))
    assert len(found.protected) == kept


def test_right_after_a_change_the_share_is_in_and_that_is_no_alarm():
    found = of(pool(1, 1, 1, 1, protection=50), UNKNOWN, UNKNOWN, UNKNOWN)
    assert weights(found) == {1: 1, 2: 1}
    assert set(why(found).values()) == {"kept by pool protection, not checked yet"}
    assert found.protected == frozenset()


def test_one_that_was_not_checked_yet_is_kept_before_one_that_failed():
    assert weights(of(pool(1, 1, 1, protection=34), FAILED, UNKNOWN, UNKNOWN)) == {2: 1, 3: 1}
    assert weights(of(pool(1, 1, protection=50), FAILED, UNKNOWN)) == {2: 1}


def test_a_quiesced_real_server_that_is_kept_has_its_weight():
    shop = config(pool(3, 3, protection=50, quiesce=True))
    given = Circumstances(verdicts={place(1): FAILED, place(2): replace(FAILED, since=NOW)}, now=NOW)
    assert in_the_kernel(shop, given, shares(shop, given)) == {place(1): 0, place(2): 3}


def test_those_that_are_kept_serve_so_the_sorry_server_stays_out():
    shop = config(pool(3, protection=1, sorry_server=SORRY))
    given = Circumstances(verdicts={place(1): FAILED}, now=NOW)
    assert in_the_kernel(shop, given, shares(shop, given)) == {place(1): 3}


def test_weight_0_in_lvs_cf_is_neither_counted_nor_kept():
    assert weights(of(pool(0, 0, 1, 1, protection=50), FAILED, HEALTHY, FAILED, HEALTHY)) == {}
    assert weights(of(pool(0, 0, protection=100), FAILED, UNKNOWN)) == {}


def test_what_the_hand_takes_out_is_neither_counted_nor_kept():
    orders = hands(web1=Order.DRAIN, web2=Order.MAINTENANCE, web3=Order.DOWN)
    found = of(pool(1, 1, 1, 1, 1, protection=50), *[FAILED] * 4, HEALTHY, hands=orders)
    assert weights(found) == {1: 0, 2: 0, 3: None}
    assert found.protected == frozenset()


def test_one_that_is_forced_up_counts_as_in():
    found = of(pool(1, 1, protection=50), FAILED, FAILED, hands=hands(web1=Order.UP))
    assert (weights(found), found.protected) == ({1: 1}, frozenset())


def test_a_place_that_is_named_twice_counts_once():
    twin = replace(real(1, weight=4), name="twin")
    server = virtual(real_servers=(real(1), twin, real(2)), protection=50)
    assert weights(of(server, HEALTHY, FAILED)) == {}
    assert weights(of(server, FAILED, replace(FAILED, since=NOW - 90))) == {1: 4}
    assert weights(of(server, HEALTHY, HEALTHY, hands=hands(twin=Order.DRAIN))) == {1: 0}


# ---- agents and load monitors


@pytest.mark.parametrize(
    ("settings", "factor", "weight", "said"),
    [
        (AGENT, 0.6, 60, "agent: 60 %"),
        (AGENT, 0.0, 0, "agent: 0 %"),
        (AGENT, 0.001, 1, "agent: 0 %"),
        (AGENT, 20.0, 1000, "agent: 1000 %"),
        (AGENT | {"weight_floor": 20}, 0.0, 20, "agent: 20 %"),
        (AGENT | {"weight_ceiling": 150}, 2.0, 150, "agent: 150 %"),
        ({"load_monitor": "uptime"}, 0.3, None, None),
        ({"load_monitor": "uptime"}, 2.5, 250, "load monitor: 250 %"),
        ({"load_monitor": "uptime", "weight_floor": 0}, 0.0, 1, "load monitor: 0 %"),
        ({"load_monitor": "none"}, 0.3, None, None),
        (AGENT, None, None, None),
        (AGENT, 1.0, None, None),
    ],
)
def test_the_load_moves_the_weight_between_floor_and_ceiling(settings, factor, weight, said):
    found = of(pool(100, 1, **settings), HEALTHY, HEALTHY, loads={place(1): Load(factor=factor)})
    assert weights(found) == ({} if weight is None else {1: weight})
    assert why(found) == ({} if said is None else {1: said})


@pytest.mark.parametrize("quiesce", [True, False])
def test_an_agent_that_says_down_is_as_a_failed_check(quiesce):
    loads = {place(1): Load(word=Word.DOWN, at=NOW - 5)}
    found = of(pool(1, 1, quiesce=quiesce, **AGENT), HEALTHY, HEALTHY, loads=loads)
    assert weights(found) == {1: 0 if quiesce else None}
    assert why(found) == {1: "agent: down"}
    kept = of(pool(1, 1, quiesce=quiesce, protection=50, **AGENT), HEALTHY, FAILED, loads=loads)
    assert weights(kept) == {1: 1}
    assert kept.protected == {place(1)}


def test_an_agent_that_says_drain_is_somebodys_will_and_not_counted():
    loads = {place(1): Load(word=Word.DRAIN), place(2): Load(word=Word.DRAIN)}
    found = of(pool(1, 1, 1, protection=100, **AGENT), HEALTHY, FAILED, HEALTHY, loads=loads)
    assert weights(found) == {1: 0}
    assert why(found) == {1: "agent: drain"}


def test_one_whose_agent_wants_no_share_is_kept_before_one_that_failed_and_after_one_not_checked():
    loads = {place(2): Load(factor=0.0)}
    server = pool(4, 4, 4, protection=34, **AGENT)
    assert weights(of(server, FAILED, HEALTHY, HEALTHY, loads=loads)) == {2: 4}
    found = of(pool(4, 4, protection=50, **AGENT), FAILED, HEALTHY, loads=loads)
    assert (weights(found), found.protected) == ({2: 4}, {place(2)})
    assert weights(of(pool(4, 4, protection=50, **AGENT), UNKNOWN, HEALTHY, loads=loads)) == {1: 4, 2: 0}


# ---- slow start


def risen(seconds: float) -> Verdict:
    """Of a real server that came up that long ago."""
    return replace(HEALTHY, since=NOW - seconds)


@pytest.mark.parametrize(
    ("seconds", "weight", "said", "next_step"),
    [
        (0, 3, "slow start, 3 %", 20),
        (19.9, 3, "slow start, 3 %", 0.1),
        (20, 6, "slow start, 6 %", 20),
        (40, 12, "slow start, 12 %", 20),
        (60, 25, "slow start, 25 %", 20),
        (80, 50, "slow start, 50 %", 20),
        (99, 50, "slow start, 50 %", 1),
    ],
)
def test_a_slow_start_doubles_from_a_32nd_in_equal_steps(seconds, weight, said, next_step):
    found = of(pool(100, 1, slow_start=100), risen(seconds), HEALTHY)
    assert (weights(found), why(found)) == ({1: weight}, {1: said})
    assert found.until == pytest.approx(NOW + next_step)


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(risen(100), id="it is over"),
        pytest.param(adopted(serving=True, at=NOW), id="it was found serving when pulse began"),
        pytest.param(risen(-5), id="the clock was set back"),
        pytest.param(replace(FAILED, since=NOW), id="it failed"),
    ],
)
def test_there_is_no_slow_start_when(verdict):
    assert of(pool(100, 1, slow_start=100), verdict, HEALTHY) == Shares()


def test_the_smallest_weight_cannot_start_slowly():
    assert of(pool(1, 1, slow_start=100), risen(0), HEALTHY) == Shares()
    assert weights(of(pool(2, 1, slow_start=100), risen(0), HEALTHY)) == {1: 1}


def test_a_slow_start_is_of_the_weight_that_the_load_gives():
    found = of(pool(100, 1, slow_start=100, **AGENT), risen(60), HEALTHY, loads={place(1): Load(factor=0.5)})
    assert (weights(found), why(found)) == ({1: 12}, {1: "agent: 50 %, slow start, 25 %"})


def test_nobody_starts_slowly_beside_one_that_protection_keeps_nor_falls_back_afterwards():
    server = pool(100, 100, 100, protection=66, slow_start=100)
    one = of(server, risen(1), FAILED, replace(FAILED, since=NOW))
    assert (weights(one), one.protected) == ({3: 100}, {place(3)})
    both = of(server, risen(1), FAILED, risen(0), steady=one.steady)
    assert (weights(both), both.until) == ({}, None)
    third = of(server, risen(1), risen(0), risen(0), steady=both.steady)
    assert weights(third) == {2: 3}


def test_one_that_goes_out_for_real_starts_slowly_again():
    server = pool(100, 100, slow_start=100)
    assert of(server, FAILED, risen(9), steady={place(1), place(2)}).steady == {place(2)}
    assert weights(of(server, risen(0), HEALTHY, steady={place(2)})) == {1: 3}


def test_one_that_was_forced_up_does_not_fall_back_when_its_checks_decide_again():
    server = pool(100, 1, slow_start=100)
    forced = of(server, risen(0), HEALTHY, hands=hands(web1=Order.UP))
    assert weights(forced) == {1: 100}
    after = of(server, risen(0), HEALTHY, hands=hands(web1=Order.AUTO), steady=forced.steady)
    assert weights(after) == {}
    assert weights(of(server, risen(0), HEALTHY, steady=after.steady)) == {}


# ---- virtual servers with one firewall mark


def marked(name: str, *numbers: int, **more: object) -> VirtualServer:
    servers = tuple(real(number, weight=number) for number in numbers)
    return virtual(name, fwmark=7, real_servers=servers, **more)


def of_mark(*servers: VirtualServer, failed: tuple[int, ...] = (), **more: object) -> dict[int, int | None]:
    known = {(MARK, at(number, 0)): FAILED if number in failed else HEALTHY for number in (1, 2, 3, 4)}
    return weights(shares(config(*servers), Circumstances(verdicts=known, now=NOW, **more)))


def test_each_virtual_server_of_a_mark_protects_its_own_pool():
    web, secure = marked("web", 1, 2, protection=50), marked("secure", 2, 3, 4, protection=66)
    assert of_mark(web, secure, failed=(2, 3)) == {2: 2}
    assert of_mark(web, secure, failed=(1, 2)) == {1: 1}
    assert of_mark(web, marked("secure", 3, 4), failed=(1, 2, 3, 4)) == {1: 1}


def test_of_two_orders_for_one_place_the_newest_in_force_counts():
    drain = Hand(virtual_server="web", real_server="web2", order=Order.DRAIN, at=NOW - 60)
    up = Hand(virtual_server="secure", real_server="web2", order=Order.UP, at=NOW - 30)
    web, secure = marked("web", 1, 2), marked("secure", 2, 3)
    assert of_mark(web, secure, hands={drain.names: drain, up.names: up}) == {2: 2}
    auto = replace(up, order=Order.AUTO)
    assert of_mark(web, secure, hands={drain.names: drain, auto.names: auto}) == {2: 0}


def test_of_two_exceptions_for_one_place_the_smaller_counts_unless_protection_keeps_it():
    loads = {(MARK, at(2, 0)): Load(factor=0.5, word=Word.DOWN)}
    web = marked("web", 1, 2, slow_start=100)
    secure = marked("secure", 2, 3, load_monitor="agent")
    assert of_mark(web, secure, loads=loads) == {2: None}
    assert of_mark(replace(web, protection=100), secure, loads=loads) == {2: 1}


# ---- what holds whatever happens

VERDICTS = st.builds(
    lambda health, age, came_up: replace(
        {Health.HEALTHY: HEALTHY, Health.FAILED: FAILED, Health.UNKNOWN: UNKNOWN}[health],
        since=NOW - age,
        came_up=came_up,
    ),
    st.sampled_from((Health.FAILED, Health.FAILED, Health.HEALTHY, Health.UNKNOWN)),
    st.integers(-5, 120),
    st.booleans(),
)
LOADS = st.builds(
    Load,
    factor=st.sampled_from((None, 0.0, 0.3, 1.0, 3.0)),
    word=st.sampled_from((None, Word.UP, Word.DOWN, Word.DRAIN)),
    at=st.integers(0, 60).map(lambda age: NOW - age),
)
WEIGHTS = {1: 0, 2: 1, 3: 7, 4: 100, 5: 3}  # by number, so that a place has one wherever it is named


@st.composite
def clusters(draw: st.DrawFn) -> LvsConfig:
    """One or two virtual servers, maybe with one mark, over web1 … web5."""
    mark = draw(st.sampled_from((0, 7)))
    return config(
        *(
            virtual(
                name,
                address=address,
                fwmark=mark,
                real_servers=tuple(real(number, weight=WEIGHTS[number]) for number in numbers),
                quiesce=draw(st.booleans()),
                protection=draw(st.sampled_from((0, 34, 50, 100))),
                slow_start=draw(st.sampled_from((0, 100))),
                load_monitor=draw(st.sampled_from(("none", "agent", "uptime"))),
                weight_floor=draw(st.sampled_from((None, 0, 50))),
                sorry_server=draw(st.sampled_from((None, SORRY))),
            )
            for name, address, numbers in (
                ("shop", "192.0.2.1", draw(st.lists(st.integers(1, 5), max_size=5))),
                ("mail", "192.0.2.2", draw(st.lists(st.integers(1, 5), max_size=3))),
            )
        )
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[LvsConfig, Circumstances]:
    shop = draw(clusters())
    places = sorted(set(plan.keys(shop).values()), key=str)
    names = sorted(plan.keys(shop))
    orders = {}
    for both in draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []:
        orders[both] = Hand(
            virtual_server=both[0],
            real_server=both[1],
            order=draw(st.sampled_from(Order)),
            at=NOW - draw(st.integers(0, 9)),
            until=draw(st.sampled_from((None, NOW - 1, NOW + 50))),
        )
    return shop, Circumstances(
        verdicts={each: draw(VERDICTS) for each in places if draw(st.booleans())},
        hands=orders,
        drained={each for each in places if draw(st.booleans())},
        loads={each: draw(LOADS) for each in places if draw(st.booleans())},
        steady={each for each in places if draw(st.booleans())},
        now=NOW,
    )


def orders_of(shop: LvsConfig, given: Circumstances) -> dict[plan.Place, Hand]:
    """The newest order in force at each place, found without what is tested."""
    found: dict[plan.Place, Hand] = {}
    for both, place in plan.keys(shop).items():
        order = given.hands.get(both)
        if order is None or not order.in_force(NOW):
            continue
        if place not in found or order.replaces(found[place]):
            found[place] = order
    return found


def pools(shop: LvsConfig, given: Circumstances) -> list[tuple[int, set[plan.Place]]]:
    """Of each virtual server: its protection, and those of whom no will but the checks' disposes."""
    orders = orders_of(shop, given)
    willed = {
        place
        for server in shop.virtual_servers
        if server.load_monitor != "none"
        for _, place in plan.active_members(server)
        if place in given.loads and given.loads[place].word is Word.DRAIN
        if place not in orders
    }
    taken = {place for place, order in orders.items() if order.order is not Order.UP} | willed
    return [
        (
            server.protection,
            {place for each, place in plan.active_members(server) if each.weight > 0 and place not in taken},
        )
        for server in shop.virtual_servers
    ]


@settings(max_examples=50, deadline=None)
@given(moments())
def test_the_checks_never_take_a_pool_below_its_share(moment):
    shop, known = moment
    kernel = in_the_kernel(shop, known, shares(shop, known))
    for percent, members in pools(shop, known):
        serving = sum(kernel.get(each, 0) > 0 for each in members)
        assert 100 * serving >= percent * len(members)


@settings(max_examples=15, deadline=None)
@given(
    clusters(),
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 60)), max_size=40),
    st.integers(1, 3),
)
def test_no_sequence_of_results_does(shop, results, returns):
    places = sorted(set(plan.keys(shop).values()), key=str)
    known, found, now = Circumstances(now=NOW), Shares(), NOW
    for number, ok, seconds in results if places else []:
        now += seconds
        judged = places[number % len(places)]
        verdict = known.verdicts.get(judged, UNKNOWN)
        after = verdict.judge(Result(ok, "said so", 0.01, now), Patience(returns=returns))
        known = replace(known, verdicts={**known.verdicts, judged: after}, steady=found.steady, now=now)
        found = shares(shop, known)
        kernel = in_the_kernel(shop, known, found)
        for percent, members in pools(shop, known):
            assert 100 * sum(kernel.get(each, 0) > 0 for each in members) >= percent * len(members)


@settings(max_examples=50, deadline=None)
@given(moments())
def test_the_hand_has_the_last_word(moment):
    shop, known = moment
    kernel = in_the_kernel(shop, known, shares(shop, known))
    silent = replace(known, verdicts={}, loads={}, steady=frozenset())
    unchecked = in_the_kernel(shop, silent, shares(shop, silent))
    for place, order in orders_of(shop, known).items():
        assert kernel.get(place) == unchecked.get(place)
        configured = WEIGHTS[int(place[1].address) - int(at(0).address)]
        if order.order is Order.UP:
            assert kernel[place] == configured
        elif order.order is Order.DOWN:
            assert kernel.get(place, 0) == 0
        else:
            over = order.order is Order.DRAIN and order.until is not None and order.until <= NOW
            assert kernel.get(place) == (None if place in known.drained or over else 0)


@settings(max_examples=25, deadline=None)
@given(moments())
def test_back_to_automatic_is_as_if_there_had_been_no_hand(moment):
    shop, known = moment
    auto = {names: replace(each, order=Order.AUTO) for names, each in known.hands.items()}
    assert shares(shop, replace(known, hands=auto)) == shares(shop, replace(known, hands={}))


@settings(max_examples=25, deadline=None)
@given(moments())
def test_with_nothing_of_all_this_the_plan_is_the_plain_one(moment):
    shop, known = moment
    plain = [replace(each, protection=0, slow_start=0, load_monitor="none") for each in shop.virtual_servers]
    shop, known = replace(shop, virtual_servers=tuple(plain)), replace(known, hands={})
    assert shares(shop, known) == Shares()


@settings(max_examples=25, deadline=None)
@given(moments())
def test_each_exception_has_its_reason_and_nobody_is_protected_who_does_not_serve(moment):
    shop, known = moment
    found = shares(shop, known)
    assert found.weights.keys() == found.why.keys()
    assert all(found.why.values())
    kernel = in_the_kernel(shop, known, found)
    assert all(kernel[each] > 0 for each in found.protected | found.steady)
    assert all(found.weights[each] == kernel.get(each) for each in found.weights)


@settings(max_examples=25, deadline=None)
@given(moments())
def test_time_alone_changes_nothing_before_it_was_said_to_and_comes_to_an_end(moment):
    shop, known = moment
    for _ in itertools.count():
        found = shares(shop, known)
        known = replace(known, steady=found.steady)
        if found.until is None:
            break
        assert found.until > known.now
        between = known.now + 0.999 * (found.until - known.now)
        assert shares(shop, replace(known, now=between)).weights == found.weights
        known = replace(known, now=found.until)
        assert known.now <= NOW + 200
