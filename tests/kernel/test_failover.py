"""Two routers with real traffic through their virtual addresses, and all that can befall the active one.

What is asserted are the bounds: who owns an address, whom it may cost a request. The times that clients saw
are printed (pytest -s); docs/benchmarks.md has them beside keepalived's. PIRANHA_ATTACKS: how many heartbeats
are sent that are none; PIRANHA_HAND_OVERS: how often the role is handed over in a row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.machines import Lab
from lvs.errors import LvsError
from tests.kernel.failover_clients import Clients, clients_at
from tests.kernel.failover_faults import (
    CABLES,
    CRASH,
    HAND_OVER,
    STOP,
    WITH_PULSE,
    Fault,
    Seen,
    hand_over,
    measure,
    reboot_of_both,
    seen,
)
from tests.kernel.failover_lab import (
    DIRECT_PLACE,
    NAT_PLACE,
    OTHER,
    REDUNDANT,
    ROOT,
    Pair,
    boot,
    crash,
    two_routers,
)
from tests.kernel.traffic import until
from tests.kernel.traffic_clients import Place

pytestmark = pytest.mark.kernel

BOTH_OWN = REDUNDANT.deadtime + 1.0  # seconds, whatever happens
HAND_OVERS = int(os.environ.get("PIRANHA_HAND_OVERS", "5"))
UNUSED_PORT = 540
ATTACKS = int(os.environ.get("PIRANHA_ATTACKS", "10000"))
FAULTS: tuple[Fault[Any], ...] = (CRASH, CABLES, STOP, *WITH_PULSE)


@pytest.fixture(scope="module")
def pair(_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with two_routers(_lab, tmp_path_factory.mktemp("failover")) as made:
        yield made


@pytest.fixture(scope="module")
def clients(pair: Pair) -> Iterator[Clients]:
    with clients_at(NAT_PLACE) as made:
        yield made


def show(what: str, one: Seen) -> None:
    times = (
        f"no answer {one.gap * 1000:.0f} ms, slowest {one.slowest:.2f} s, two owners {one.both * 1000:.0f} ms"
    )
    print(f"{what}: {times}, no owner {one.none * 1000:.0f} ms, failed {dict(one.failed)}")


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_an_address_has_one_owner_again_within_the_bounds(
    pair: Pair, clients: Clients, fault: Fault[Any]
) -> None:
    measured = measure(pair, clients, fault, REDUNDANT.deadtime)
    show(f"\n{fault.name}", measured.struck)
    show("  … and mended", measured.healed)
    assert measured.struck.both < BOTH_OWN
    assert measured.healed.both < BOTH_OWN
    assert not measured.healed.failed
    if fault.orderly or not fault.moves:
        assert (measured.struck.none, measured.struck.failed) == (0, Counter())


@pytest.mark.parametrize("place", [NAT_PLACE, DIRECT_PLACE], ids=["nat", "direct"])
def test_hand_overs_cost_no_request_however_young_its_connection(pair: Pair, place: Place) -> None:
    with clients_at(place) as clients:
        for number in range(HAND_OVERS):
            measured = measure(pair, clients, HAND_OVER, REDUNDANT.deadtime)
            show(f"\nhand-over {number + 1} of {HAND_OVERS}", measured.struck)
            assert measured.struck.failed + measured.healed.failed == Counter()


def test_machines_that_start_at_once_agree_who_is_active(pair: Pair, clients: Clients) -> None:
    found = reboot_of_both(pair, clients)
    show("\nboth machines reboot", found)
    assert found.both < BOTH_OWN


def test_a_router_that_returns_takes_nothing(pair: Pair, clients: Clients) -> None:
    until(pair.well, "the pair is well", pair.told)
    active = pair.owners.owner()
    assert active is not None
    crash(pair, active)
    until(lambda: pair.owners.owner() == OTHER[active], "the other takes over", pair.told)
    clients.go_on()
    begin = time.monotonic()
    boot(pair, active)
    until(pair.well, "the pair is well", pair.told)
    clients.go_on()
    end = time.monotonic()
    until(lambda: clients.probe.is_done_with(end), "every request has ended")
    found = seen(pair, clients, begin, end)
    assert (found.both, found.none, found.failed) == (0, 0, Counter())
    assert pair.owners.owner() == OTHER[active]


def test_connections_outlast_a_crash_and_the_way_back(pair: Pair) -> None:
    until(pair.well, "the pair is well", pair.told)
    active = pair.owners.owner()
    assert active is not None
    with clients_at(NAT_PLACE) as clients:
        clients.hold(NAT_PLACE, DIRECT_PLACE, NAT_PLACE, DIRECT_PLACE)
        hand_over(pair, active)
        clients.go_on()
        until(pair.well, "the pair is well", pair.told)
        clients.go_on()
        crash(pair, OTHER[active])
        clients.go_on()
        boot(pair, OTHER[active])
        until(pair.well, "the pair is well", pair.told)
        until(partial(knows, pair, OTHER[active], clients), "the one that returned knows the connections")
        hand_over(pair, active)
        clients.go_on()
        for one in clients.lasting:
            print(f"{one.kind} with {one.server or one.place}: {one.count}, gap {one.longest_gap:.3f} s")
    clients.check()


def test_a_router_that_is_set_aside_hands_over_and_serves_not_until_it_takes_part(
    pair: Pair, clients: Clients
) -> None:
    until(pair.well, "the pair is well", pair.told)
    active = pair.owners.owner()
    assert active is not None
    other = OTHER[active]
    clients.go_on()
    begin = time.monotonic()
    until(partial(sets_aside, pair, active), f"{active} is set aside", pair.told)
    clients.go_on()
    end = time.monotonic()
    until(lambda: clients.probe.is_done_with(end), "every request has ended")
    found = seen(pair, clients, begin, end)
    assert (found.none, found.failed, pair.owners.owner()) == (0, Counter(), other)
    pair.stop(active)
    pair.start(active)  # which does not end it
    until(partial(says_aside, pair, active), f"{active} says so", pair.told)
    crash(pair, other)
    until(partial(misses, pair, active), f"{active} misses the other", pair.told)
    assert pair.owners.owner() is None
    pair.machines[active].client.take_part()
    until(lambda: pair.owners.owner() == active, f"{active} serves", pair.told)
    boot(pair, other)
    until(pair.well, "the pair is well", pair.told)


def sets_aside(pair: Pair, router: str) -> bool:
    """Whether it is set aside; asked for until it is: a busy machine may refuse to hand over at first."""
    with suppress(LvsError):
        pair.machines[router].client.set_aside(by="anna", reason="new disk")
    return pair.owners.owner() == OTHER[router] and says_aside(pair, router)


def says_aside(pair: Pair, router: str) -> bool:
    """Whether its heart knows that it is not fit for that reason, and that the other one serves."""
    said = (pair.status(router) or {}).get("redundancy")
    peer = said["peer"] if said else None
    return bool(said and peer and peer["role"] == "active") and said["unfit"] == [
        "it is set aside by anna (new disk); piranha aside --end has it take part again"
    ]


def misses(pair: Pair, router: str) -> bool:
    """Whether it says that nobody is active since it may not take over itself."""
    said = (pair.status(router) or {}).get("redundancy")
    return bool(said) and any("may not take over: nobody is active" in one for one in said["alarms"])


def test_what_is_ordered_by_hand_holds_on_both_over_a_crash_and_a_return(pair: Pair) -> None:
    until(pair.well, "the pair is well", pair.told)
    active = pair.owners.owner()
    assert active is not None
    standby = pair.machines[OTHER[active]]
    standby.client.server([("nat", "s3")], "drain", by="the test")
    for router in OTHER:
        until(partial(is_out, pair, router, "nat", "s3"), f"{router} knows", pair.told)
    crash(pair, active)
    until(lambda: pair.owners.owner() == OTHER[active], "the other takes over", pair.told)
    assert is_out(pair, OTHER[active], "nat", "s3")
    standby.client.server([("nat", "s3")], "auto", by="the test")
    standby.client.server([("direct", "s2")], "maintenance", by="the test")
    boot(pair, active)  # its own file has an order that holds no longer
    until(pair.well, "the pair is well", pair.told)
    for router in OTHER:
        until(partial(is_out, pair, router, "direct", "s2"), f"{router} knows", pair.told)
        until(partial(serves, pair, router, "nat", "s3"), f"s3 is back on {router}", pair.told)
    standby.client.server([("direct", "s2")], "auto", by="the test")
    for router in OTHER:
        until(partial(serves, pair, router, "direct", "s2"), f"s2 is back on {router}", pair.told)


def test_what_is_drained_keeps_its_connections_over_a_hand_over_and_a_crash(pair: Pair) -> None:
    until(pair.well, "the pair is well", pair.told)
    active = pair.owners.owner()
    assert active is not None
    with clients_at(NAT_PLACE) as clients:
        while "s3" not in {one.server for one in clients.lasting}:
            clients.hold(NAT_PLACE)
        until(partial(knows, pair, OTHER[active], clients), "the standby knows the connections")
        pair.machines[OTHER[active]].client.server([("nat", "s3")], "drain", by="the test")
        for router in OTHER:
            until(partial(is_out, pair, router, "nat", "s3"), f"{router} knows", pair.told)
            assert real_server(pair, router, "nat", "s3")["weight"] == 0, "it waits for its connections"
        until(partial(handed_over, pair, active), "the standby takes over", pair.told)
        clients.go_on()
        until(pair.well, "the pair is well", pair.told)
        until(partial(knows, pair, active, clients), "the one that stood down knows the connections")
        crash(pair, OTHER[active])
        clients.go_on()
        assert real_server(pair, active, "nat", "s3")["weight"] == 0
        boot(pair, OTHER[active])
        until(pair.well, "the pair is well", pair.told)
        pair.machines[active].client.server([("nat", "s3")], "auto", by="the test")
        for router in OTHER:
            until(partial(serves, pair, router, "nat", "s3"), f"s3 is back on {router}", pair.told)
        for one in clients.lasting:
            print(f"{one.kind} with {one.server or one.place}: {one.count}, gap {one.longest_gap:.3f} s")
        clients.check()


def handed_over(pair: Pair, router: str) -> bool:
    """Whether the other router has the role; asked for until it has: a busy machine may refuse."""
    if pair.owners.owner() == router:
        with suppress(LvsError):
            hand_over(pair, router)
    return pair.owners.owner() == OTHER[router]


def is_out(pair: Pair, router: str, service: str, name: str) -> bool:
    """Whether an order is in force for that real server, and it is at weight 0 or not in the table."""
    found = real_server(pair, router, service, name)
    return bool(found["hand"]) and not found["weight"]


def serves(pair: Pair, router: str, service: str, name: str) -> bool:
    found = real_server(pair, router, service, name)
    return not found["hand"] and found["weight"] == 1


def real_server(pair: Pair, router: str, service: str, name: str) -> dict[str, Any]:
    """What the status of a router says of a real server."""
    status = pair.status(router)
    assert status is not None, pair.told()
    (of,) = (one for one in status["virtual_servers"] if one["name"] == service)
    found: dict[str, Any] = next(one for one in of["real_servers"] if one["name"] == name)
    return found


def test_heartbeats_that_are_none_change_nothing(pair: Pair, clients: Clients) -> None:
    until(pair.well, "the pair is well", pair.told)
    before = {name: redundancy(pair, name) for name in OTHER}
    changes = pair.owners.changes
    # The same where nobody listens: what the flood alone costs, on the one processor that carries everybody.
    elsewhere = attacked(pair, clients, str(UNUSED_PORT))
    found = attacked(pair, clients)
    print(f"{found.gap / elsewhere.gap:.1f} times the gap of a flood that nobody listens to")
    assert pair.owners.changes == changes
    assert found.failed == Counter()
    for name in OTHER:
        now = redundancy(pair, name)
        print(f"{name} refused {now['refused']}")
        assert happened(now) == happened(before[name])
        refused = {kind: count - before[name]["refused"][kind] for kind, count in now["refused"].items()}
        assert all(refused[kind] for kind in ("malformed", "forged", "foreign", "replayed")), refused
    assert pair.well(), pair.told()


def attacked(pair: Pair, clients: Clients, *more: str) -> Seen:
    """What clients see of an attack; more: the port, if not the heart's."""
    begin = time.monotonic()
    words = [sys.executable, "-m", "tests.kernel.failover_attack", str(ATTACKS), *more]
    sent = json.loads(subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    clients.go_on()
    end = time.monotonic()
    until(lambda: clients.probe.is_done_with(end), "every request has ended")
    found = seen(pair, clients, begin, end)
    where = f" at port {more[0]}" if more else ""
    show(f"\n{sum(sent.values())} heartbeats that are none{where} in {end - begin:.1f} s", found)
    assert sum(sent.values()) == ATTACKS
    return found


def knows(pair: Pair, router: str, clients: Clients) -> bool:
    """Whether the kernel of this router has all lasting connections; it is told every 8 seconds."""
    listed = pair.lab.run(router, ["ipvsadm", "--list", "--connection", "--numeric"])
    return all(f":{one.port} " in listed for one in clients.lasting)


def happened(redundancy: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["role"], one["reason"]) for one in redundancy["transitions"]]


@pytest.mark.nft
def test_hand_overs_with_nftables_at_work_cost_no_request(lab: Lab, tmp_path: Path) -> None:
    """In the virtual machine, which is slow, and has what User-Mode Linux needs a stand-in for."""
    slow = replace(REDUNDANT, keepalive=1, deadtime=5)
    with two_routers(lab, tmp_path, slow) as pair, clients_at(NAT_PLACE, every=0.1) as clients:
        for _ in range(6):
            measured = measure(pair, clients, HAND_OVER, slow.deadtime)
            show("\nhand-over by hand", measured.struck)
            assert measured.struck.failed + measured.healed.failed == Counter()
            assert measured.struck.none == 0


def redundancy(pair: Pair, router: str) -> dict[str, Any]:
    status = pair.status(router)
    assert status is not None
    found: dict[str, Any] = status["redundancy"]
    return found
