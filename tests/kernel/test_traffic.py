"""Requests of real clients reach the real servers that the configuration says, in the shares that it says.

A pulse that is told everything through its socket; every table it makes is compared with the plan, as
ipvsadm sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.lab.machines import Lab
from lvs.config.model import PortRange, Protocol, Scheduler, SchedulerFlag
from tests.kernel import traffic
from tests.kernel.traffic import Router, real, routed, until, virtual

pytestmark = pytest.mark.kernel

RR = Scheduler.RR
EACH_TWICE = Counter(s1=2, s2=2, s3=2)
WAYS = [
    pytest.param(traffic.NAT, id="NAT"),
    pytest.param(traffic.DIRECT, id="direct"),
    pytest.param(traffic.TUNNEL, id="tunnel"),
    pytest.param(traffic.NAT6, id="NAT over IPv6"),
    pytest.param(traffic.DIRECT6, id="direct over IPv6"),
    pytest.param(traffic.TUNNEL6, id="tunnel over IPv6"),
]


@pytest.fixture(scope="module")
def router(_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """One for all of these tests: each installs what it needs over what the one before left."""
    with routed(_lab, tmp_path_factory.mktemp("traffic")) as made:
        made.start()
        yield made


def url(way: traffic.Way, port: int = 80) -> str:
    return f"http://[{way[0]}]:{port}/" if ":" in way[0] else f"http://{way[0]}:{port}/"


@pytest.mark.parametrize("way", WAYS)
def test_requests_and_datagrams_go_round_the_real_servers(router: Router, way: traffic.Way) -> None:
    echo = virtual("echo", way, scheduler=RR, protocol=Protocol.UDP, port=5353, check=traffic.WHO)
    router.install(virtual("web", way, scheduler=RR), echo)
    assert router.lab.client_get(url(way), 6) == EACH_TWICE
    assert router.lab.client_echo(way[0], 6) == EACH_TWICE


def test_pulse_counts_what_the_clients_did(router: Router) -> None:
    """On a port of its own: the kernel revives a real server that it knew, with what it had counted."""
    router.install(virtual("web", traffic.DIRECT, scheduler=RR, port=8080))
    router.lab.client_get(url(traffic.DIRECT, 8080), 6)
    # The kernel sums its counters up every two seconds (net/netfilter/ipvs/ip_vs_est.c).
    until(lambda: router.connections("web") == EACH_TWICE, "two connections each are counted")


def test_weights_1_and_5_give_a_sixth_and_five_sixths(router: Router) -> None:
    router.install(virtual("web", traffic.NAT, (1, 5, 0), scheduler=Scheduler.WRR))
    seen = router.lab.client_get(url(traffic.NAT), 30)
    assert seen.keys() == {"s1", "s2"}
    assert seen["s1"] == pytest.approx(5, abs=1)
    assert seen.total() == 30


def test_real_servers_with_ports_of_their_own_are_reached_there(router: Router) -> None:
    router.install(real(virtual("web", traffic.NAT, scheduler=RR), "s2", port=8080))
    lines = [router.lab.client_line(url(traffic.NAT)).split() for _ in range(3)]
    assert {(name, port) for name, _, port in lines} == {("s1", "80"), ("s2", "8080"), ("s3", "80")}


def test_a_persistent_client_stays_with_its_real_server(router: Router) -> None:
    router.install(virtual("web", traffic.DIRECT, scheduler=RR, persistence=300))
    first = router.lab.client_get(url(traffic.DIRECT), 4, source="203.0.113.1")
    second = router.lab.client_get(url(traffic.DIRECT), 4, source="203.0.113.2")
    assert (list(first.values()), list(second.values())) == ([4], [4])
    assert first.keys() != second.keys()


def test_a_netmask_keeps_all_clients_of_one_net_with_one_real_server(router: Router) -> None:
    service = virtual("web", traffic.NAT, scheduler=RR, persistence=300, persistence_mask=24)
    router.install(service)
    found = [
        set(router.lab.client_get(url(traffic.NAT), 3, source=source))
        for source in ("203.0.113.1", "203.0.113.2", "198.51.100.1")
    ]
    assert [len(names) for names in found] == [1, 1, 1]
    assert found[0] == found[1] != found[2]


def test_a_persistent_client_leaves_a_real_server_that_is_drained(router: Router) -> None:
    service = virtual("web", traffic.DIRECT, scheduler=RR, persistence=300)
    router.install(service)
    (chosen,) = router.lab.client_get(url(traffic.DIRECT), 3, source="198.51.100.1")
    router.install(real(service, chosen, weight=0))
    (other,) = router.lab.client_get(url(traffic.DIRECT), 3, source="198.51.100.1")
    assert other in {"s1", "s2", "s3"} - {chosen}


ALL, ONE = {"s1", "s2", "s3"}, 1
BY_PORT = {SchedulerFlag.SH_PORT, SchedulerFlag.MH_PORT}
# Who answers the requests of one client, one after the other: these names, or so many of them.
SCHEDULERS: list[tuple[Scheduler, tuple[SchedulerFlag, ...], tuple[int, ...], set[str] | int]] = [
    (Scheduler.RR, (), (1, 1, 1), ALL),
    (Scheduler.WRR, (), (1, 2, 3), ALL),
    (Scheduler.LC, (), (1, 1, 1), ALL),
    (Scheduler.WLC, (), (1, 1, 1), ALL),
    (Scheduler.LBLC, (), (1, 1, 1), ONE),  # by destination, and there is one
    (Scheduler.LBLCR, (), (1, 1, 1), ONE),
    (Scheduler.DH, (), (1, 1, 1), ONE),
    (Scheduler.SH, (), (1, 1, 1), ONE),
    (Scheduler.SH, (SchedulerFlag.SH_PORT,), (1, 1, 1), ALL),
    (Scheduler.SH, (SchedulerFlag.SH_FALLBACK,), (1, 1, 1), ONE),
    (Scheduler.SH, (SchedulerFlag.SH_FALLBACK, SchedulerFlag.SH_PORT), (1, 0, 1), {"s1", "s3"}),
    (Scheduler.SED, (), (3, 2, 1), {"s1"}),  # the quickest of the idle
    (Scheduler.NQ, (), (1, 1, 1), ONE),  # the first of the idle
    (Scheduler.FO, (), (1, 3, 2), {"s2"}),
    (Scheduler.OVF, (), (10, 30, 20), {"s2"}),
    (Scheduler.MH, (), (1, 1, 1), ONE),
    (Scheduler.MH, (SchedulerFlag.MH_PORT,), (1, 1, 1), ALL),
    (Scheduler.MH, (SchedulerFlag.MH_FALLBACK,), (1, 1, 1), ONE),
    (Scheduler.MH, (SchedulerFlag.MH_FALLBACK, SchedulerFlag.MH_PORT), (1, 0, 1), {"s1", "s3"}),
]


def test_no_scheduler_is_left_out() -> None:
    assert {scheduler for scheduler, _, _, _ in SCHEDULERS} == set(Scheduler)
    assert {flag for _, flags, _, _ in SCHEDULERS for flag in flags} == set(SchedulerFlag)


@pytest.mark.parametrize(
    ("scheduler", "flags", "weights", "expected"),
    SCHEDULERS,
    ids=[" ".join((one[0], *one[1])) for one in SCHEDULERS],
)
def test_a_scheduler_chooses_as_it_should(
    router: Router,
    scheduler: Scheduler,
    flags: tuple[SchedulerFlag, ...],
    weights: tuple[int, ...],
    expected: set[str] | int,
) -> None:
    router.install(virtual("web", traffic.DIRECT, weights, scheduler=scheduler, scheduler_flags=flags))
    # Where one of two real servers stands in for a third it has two thirds of a client's ports, and of twelve
    # the other may have none.
    requests = 60 if BY_PORT & set(flags) else 12
    seen = router.lab.client_get(url(traffic.DIRECT), requests)
    assert seen.total() == requests
    assert seen.keys() <= ALL
    assert (len(seen) if isinstance(expected, int) else seen.keys()) == expected


@pytest.mark.parametrize(
    ("scheduler", "flag"),
    [(Scheduler.SH, SchedulerFlag.SH_FALLBACK), (Scheduler.MH, SchedulerFlag.MH_FALLBACK)],
)
def test_fallback_leads_past_a_drained_real_server(
    router: Router, scheduler: Scheduler, flag: SchedulerFlag
) -> None:
    service = virtual("web", traffic.DIRECT, scheduler=scheduler, scheduler_flags=(flag,))
    router.install(service)
    (chosen,) = router.lab.client_get(url(traffic.DIRECT), 2)
    router.install(real(service, chosen, weight=0))
    (other,) = router.lab.client_get(url(traffic.DIRECT), 4)
    assert other in ALL - {chosen}


@pytest.mark.nft
def test_a_firewall_mark_makes_one_service_of_two_ports(router: Router) -> None:
    shop = virtual("shop", traffic.NAT, scheduler=RR, fwmark=7, port=80, ports=(PortRange(443, 443),))
    router.install(shop)
    assert (
        sum((router.lab.client_get(url(traffic.NAT, port), 3) for port in (80, 443)), Counter()) == EACH_TWICE
    )
    router.install(replace(shop, persistence=300))
    for source in ("203.0.113.1", "203.0.113.2"):
        lines = [
            router.lab.client_line(url(traffic.NAT, port), source=source).split()
            for port in (80, 443, 80, 443)
        ]
        assert [port for _, _, port in lines] == ["80", "443", "80", "443"]
        assert len({name for name, _, _ in lines}) == 1
