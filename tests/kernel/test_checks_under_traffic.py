"""The checks seen at work: real pulse, real clients, and real servers that die, lie, or are taken out.

Each test prints what it measured (pytest -s).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from deploy.lab.namespaces import batch
from lvs.config.model import CheckKind, HealthCheck, Scheduler, VirtualServer
from tests.kernel import traffic
from tests.kernel.check_kinds import SECONDS, Certificates, Kinds, all_serve, says, words
from tests.kernel.check_lab import TENTH, Entry, Line, Scene, place_of, served, show
from tests.kernel.check_services import BAD, GOOD, Services, services
from tests.kernel.check_watch import LOOK_SECONDS, Watch, Weights
from tests.kernel.failover_clients import Clients as Probes
from tests.kernel.failover_clients import clients_at
from tests.kernel.traffic import routed, until, virtual, without
from tests.kernel.traffic_clients import Clients, Place
from tests.kernel.traffic_clients import traffic as clients_at_work
from tests.programs import program_folder
from tests.unit.nanny.authority import Authority

pytestmark = pytest.mark.kernel

FAILURES, REENTRY = 2, 3
PAUSE = 0.02  # between two requests, so that clients leave pulse its share of the processor
EQUAL = (1, 1, 1)
RESET_SECONDS = 10.7  # IP_VS_TCP_S_CLOSE, as exactly as timers of that length are (kernel/time/timer.c)
SEND_AGAIN = 3.0  # seconds in which a client sends twice more what nobody answers
ALL = {"s1": 1, "s2": 1, "s3": 1}
SLOW = {"s1": 32, "s2": 32, "s3": 32}
AGENT = 8200
HEALTH = 8100  # where each real server says how it is, truly or not
ALONE = {"drained": 8001, "deleted": 8002, "late": 8003}
# Every second a check, and what is in service goes on with what it has when it goes out.
QUIET: dict[str, Any] = {"timeout": 1, "quiesce": True, "scheduler": Scheduler.RR}
PAGE = HealthCheck(kind=CheckKind.HTTP, check_port=HEALTH)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.of(Authority(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="module")
def scene(_lab: Lab, certificates: Certificates) -> Iterator[Scene]:
    with ExitStack() as stack:
        # The one authority that the router trusts (openssl-env(7)).
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("SSL_CERT_FILE", str(certificates.root))
        folder = stack.enter_context(program_folder())
        reals = stack.enter_context(services())
        router = stack.enter_context(routed(_lab, folder))
        watch = stack.enter_context(Watch())
        router.start()
        yield Scene(router, reals, watch, folder)


@pytest.fixture
def health(scene: Scene) -> Iterator[Services]:
    """Every real server says that it is well."""
    for name in network.REAL_SERVERS:
        scene.services.answer((name, HEALTH), GOOD)
    yield scene.services
    scene.hang_up()


# ---- out, and back


@pytest.fixture
def cable() -> Iterator[str]:
    """That of s3 to the public network; in again in the end."""
    yield "s3-eth1"
    batch(["link set s3-eth1 up"], network.SWITCH)


@dataclass(frozen=True, slots=True)
class Death:
    """A real server that is gone since then, and must be out within so many seconds."""

    service: VirtualServer
    name: str
    since: float
    bound: float
    clients: Probes

    def is_seen(self, found: Weights) -> bool:
        return self.name not in found


def test_a_dead_real_server_is_out_in_time_and_back_after_its_reentry(scene: Scene, cable: str) -> None:
    """s2 closes its port behind one service; s3's cable is pulled behind another: nobody answers."""
    patience = {"timeout": 1, "failures": FAILURES, "reentry": REENTRY}
    closed = virtual("closed", traffic.NAT, EQUAL, port=8000, **patience)
    gone = virtual("gone", traffic.DIRECT, EQUAL, **patience)
    for name in network.REAL_SERVERS:
        scene.services.web((name, 8000))
    scene.install(closed, gone)
    with (
        clients_at(place_of(closed), every=PAUSE, limit=SEND_AGAIN) as refused,
        clients_at(place_of(gone), every=PAUSE, limit=SEND_AGAIN) as hanging,
    ):
        refused.go_on()
        hanging.go_on()
        refuses = Death(closed, "s2", time.monotonic(), FAILURES + TENTH, refused)
        scene.services.shut(("s2", 8000))
        hangs = Death(gone, "s3", time.monotonic(), FAILURES + 1 + TENTH, hanging)
        batch([f"link set {cable} down"], network.SWITCH)
        for death in (refuses, hangs):
            goes_out(scene, death)
        returned = time.monotonic()
        scene.services.web(("s2", 8000))
        batch([f"link set {cable} up"], network.SWITCH)
        for death in (refuses, hangs):
            comes_back(scene, death, returned)


def goes_out(scene: Scene, death: Death) -> None:
    """Waits for it, and for what it costs the clients."""
    name = death.service.name
    out = scene.watch.wait(place_of(death.service), death.is_seen, death.since, f"{death.name} is out")
    bound, slack = death.bound, scene.slack(death.since)
    begun, probe = time.monotonic(), death.clients.probe
    until(lambda: probe.is_done_with(begun), "the requests of before have ended")
    failed = [one for one in probe.asked if one.begun >= death.since and one.outcome != "answered"]
    last = max((one.begun - death.since for one in failed), default=0.0)
    show(f"{name}: out after {out:.2f} s, bound {bound:.1f} + {slack:.2f}; {len(failed)} failed requests")
    assert out <= bound + slack
    assert last <= out + LOOK_SECONDS + slack


def comes_back(scene: Scene, death: Death, since: float) -> None:
    back = scene.wait(place_of(death.service), ALL, "all are back", since)
    slack, now = scene.slack(since), time.monotonic()
    show(f"{death.service.name}: back after {back:.2f} s: {REENTRY} good checks, one a second; + {slack:.2f}")
    assert REENTRY - 1 <= back <= REENTRY + 1 + TENTH + slack
    death.clients.go_on(20)
    assert not death.clients.probe.failures(now, time.monotonic())


def test_quiesce_keeps_connections_though_the_check_fails(scene: Scene, health: Services) -> None:
    quiet = virtual("quiet", traffic.DIRECT, check=PAGE, **QUIET)
    place = place_of(quiet)
    scene.install(quiet)
    line = scene.line(place, "s2")
    with clients_at_work([place], PAUSE) as clients:
        clients.open_streams(3)
        begun = time.monotonic()
        health.says["s2", HEALTH] = BAD
        out = scene.wait(place, ALL | {"s2": 0}, "s2 takes nothing new", begun)
        assert set(served(clients)) == {"s1", "s3"}
        assert line.ask() == "s2"
        assert scene.real_server("quiet/s2")["reason"] == "answered 503 Closed for lunch, not 200-399"
        health.says["s2", HEALTH] = GOOD
        scene.becomes(place, ALL, "s2 is back")
        assert set(served(clients)) == set(ALL)
        assert line.ask() == "s2"
        clients.check()
    show(f"quiesced after {out:.2f} s; a connection and 3 streams live on, no request failed")


def test_the_sorry_server_answers_while_nobody_else_does(scene: Scene, health: Services) -> None:
    sorry = ip_address(traffic.PRIVATE[2])
    last = without(virtual("last", traffic.NAT, check=PAGE, **QUIET, sorry_server=sorry), "s3")
    place = place_of(last)
    scene.install(last)
    with clients_at_work([place], PAUSE) as clients:
        assert set(served(clients)) == {"s1", "s2"}
        begun = time.monotonic()
        health.says["s1", HEALTH] = BAD
        health.says["s2", HEALTH] = BAD
        out = scene.wait(place, {"s1": 0, "s2": 0, "s3": 1}, "the sorry server serves", begun)
        assert set(served(clients)) == {"s3"}
        begun = time.monotonic()
        health.says["s1", HEALTH] = GOOD
        back = scene.wait(place, {"s1": 1, "s2": 0}, "s1 is back, the sorry server gone", begun)
        assert set(served(clients)) == {"s1"}
        slack = scene.slack(begun)
    show(f"sorry server in after {out:.2f} s, out after {back:.2f} s; no request failed")
    assert max(out, back) <= 1 + TENTH + slack


# ---- checks that are wrong


def test_pool_protection_holds_when_the_checks_lie_and_says_so(scene: Scene, health: Services) -> None:
    """s1 and s2 with two ports each: when one page lies, half of the checks do."""
    base = without(virtual("pool", traffic.NAT, port=8080, check=PAGE, **QUIET), "s3")
    more = tuple(replace(one, name=f"{one.name}b", port=80) for one in base.real_servers)
    pool = replace(base, real_servers=(*base.real_servers, *more), protection=75)
    place = place_of(pool)
    everybody = {"s1": 1, "s2": 1, "s1:80": 1, "s2:80": 1}
    scene.install(pool)
    with clients_at_work([place], PAUSE) as clients:
        assert set(served(clients)) == {"s1", "s2"}
        for lying, kept in (("s1", 1), ("s2", 3)):
            health.says[lying, HEALTH] = BAD
            until(partial(keeps, scene, place, kept), "three serve, some of them kept in")
            served(clients)
            assert [text for text in scene.router.status()["problems"] if "pool protection keeps" in text]
        assert scene.said("warning", "pool: pool protection keeps")
        for name in ("s1", "s2"):
            health.says[name, HEALTH] = GOOD
        scene.becomes(place, everybody, "all serve again")
        assert scene.router.status()["problems"] == []
        scene.install(replace(pool, check=replace(PAGE, expect="never said")))
        assert sum(weight > 0 for weight in scene.watch.weights(place).values()) >= 3
        until(partial(keeps, scene, place, 3), "three are kept in again")
        served(clients)
        scene.install(pool)
        scene.becomes(place, everybody, "all serve again")
        served(clients)
        fewest = min(sum(one.weights.values()) for one in scene.watch.changes if one.place == place)
        clients.check()
    show(f"never fewer than {fewest} of 4 served; no request failed")
    assert fewest == 3


def keeps(scene: Scene, place: Place, count: int) -> bool:
    """Whether three serve, so many of them by pool protection."""
    serving = sum(scene.watch.weights(place).values())
    return (serving, scene.virtual_server("pool")["protected"]) == (3, count)


# ---- what real servers say of themselves


def test_a_weight_agent_moves_the_share_and_its_silence_gives_it_back(scene: Scene, health: Services) -> None:
    """Meanwhile s1 comes up behind another service, which has it start slowly."""
    wrr = QUIET | {"scheduler": Scheduler.WRR}
    told = virtual("told", traffic.NAT, (20, 20, 20), load_monitor="agent", agent_port=AGENT, **wrr)
    slow = virtual("slow", traffic.DIRECT, (32, 32, 32), slow_start=5, check=PAGE, **wrr)
    whole = {"s1": 20, "s2": 20, "s3": 20}
    for name in network.REAL_SERVERS:
        scene.services.answer((name, AGENT), b"100%\n", after=b"")
    health.says["s1", HEALTH] = BAD
    scene.install(told, slow)
    scene.becomes(place_of(told), whole, "everybody has its weight")
    with clients_at_work([place_of(told)], PAUSE) as clients:
        for line, weight in ((b"50% # busy\n", 10), (b"drain\n", 0)):
            begun = time.monotonic()
            scene.services.says["s1", AGENT] = line
            heard = scene.wait(place_of(told), whole | {"s1": weight}, "the agent is heard", begun)
            share = served(clients, 100)
            show(f"agent: {line!r} heard after {heard:.2f} s; {dict(share)}")
            assert heard <= 1 + TENTH + scene.slack(begun)
            assert abs(share["s1"] / share["s2"] - weight / 20) < 0.1
    scene.becomes(place_of(slow), SLOW | {"s1": 0}, "the others, new as well, have all of theirs")
    begun = time.monotonic()
    scene.services.shut(("s1", AGENT))
    starts_slowly(scene, place_of(slow))
    silent = scene.wait(place_of(told), whole, "the configured weight counts again", begun)
    show(f"agent silent: its weight again after {silent:.2f} s, 5 intervals of a second")
    assert 4 - TENTH <= silent <= 5 + TENTH + scene.slack(begun)
    assert scene.said("warning", "told no load 5 times in a row")


def starts_slowly(scene: Scene, place: Place) -> None:
    """s1 is well again, and its share grows."""
    begun, shares = time.monotonic(), []
    scene.services.says["s1", HEALTH] = GOOD
    with clients_at_work([place], PAUSE) as clients:
        while scene.watch.weights(place) != SLOW:
            shares.append(served(clients, 33)["s1"])
        shares.append(served(clients, 33)["s1"])
    steps = scene.watch.steps(place, "s1", begun)
    told = ", ".join(f"{weight} at {at:.2f} s" for at, weight in steps)
    show(f"slow start: {told}; of 33 requests {shares}")
    assert [weight for _, weight in steps] == [1, 2, 4, 8, 16, 32]
    assert 4 <= steps[-1][0] - steps[0][0] <= 5 + TENTH + scene.slack(begun)
    assert shares[0] <= 2
    assert abs(shares[-1] - 11) <= 2


# ---- the kinds of check


def test_each_kind_says_in_its_own_words_why_it_fails(scene: Scene, certificates: Certificates) -> None:
    """One service each, whose only real server breaks as such servers do; all of them in the same second."""
    kinds = Kinds(scene.services, scene.folder, certificates).all()
    scene.install(*(kind.service for kind in kinds))
    until(partial(all_serve, scene, kinds), "everybody is well", partial(words, scene), 30)
    begun = time.monotonic()
    for kind in kinds:
        kind.breaks()
    for kind in kinds:
        place = place_of(kind.service)
        out = scene.wait(place, {}, f"{kind.service.name} is out", begun)
        until(partial(says, scene, kind), f"{kind.service.name}: {kind.reason}", partial(words, scene), 5)
        found = scene.real_server(f"{kind.service.name}/{kind.service.real_servers[0].name}")
        show(f"{found['check']}: out after {out:.2f} s: {found['reason']}")
        assert out <= SECONDS * (1 + kind.silent) + TENTH + scene.slack(begun)
    begun = time.monotonic()
    for kind in kinds:
        kind.mends()
    for kind in kinds:
        back = scene.watch.wait(place_of(kind.service), bool, begun, f"{kind.service.name} is back")
        assert back <= 2 * SECONDS + TENTH + scene.slack(begun)


# ---- by hand


@dataclass
class Ordered:
    """Real servers with orders. alone, busy: services by name; lines: one to s1 of each of alone.

    Nobody else comes to those alone; clients come to the busy ones all the time.
    """

    alone: dict[str, VirtualServer]
    busy: dict[str, VirtualServer]
    lines: dict[str, Line]

    def place(self, name: str) -> Place:
        return place_of((self.alone | self.busy)[name])


@pytest.fixture
def ordered(scene: Scene, health: Services) -> Ordered:
    """Behind `forced` the page of s1 lies."""
    alone = {name: virtual(name, traffic.NAT, port=port, timeout=1) for name, port in ALONE.items()}
    busy = {
        "kept": virtual("kept", traffic.DIRECT, **QUIET),
        "forced": virtual("forced", traffic.DIRECT, port=443, check=PAGE, **QUIET),
    }
    for port in ALONE.values():
        for name in network.REAL_SERVERS:
            scene.services.web((name, port))
    health.says["s1", HEALTH] = BAD
    scene.install(*alone.values(), *busy.values())
    return Ordered(
        alone, busy, {name: scene.line(place_of(service), "s1") for name, service in alone.items()}
    )


def test_orders_by_hand_hold_over_a_crash_and_end_at_their_time(scene: Scene, ordered: Ordered) -> None:
    place, client = ordered.place, scene.router.client
    with clients_at_work([place("kept"), place("forced")], PAUSE) as clients:
        scene.order("drain drained/s1", "drain late/s1 --within 12")
        client.server([("kept", "s3")], "maintenance", reason="a new disk", until=time.time() + 20)
        client.server([("forced", "s1")], "up")
        client.server([("forced", "s2")], "down")
        late, kept = (scene.real_server(name)["hand"] for name in ("late/s1", "kept/s3"))
        left = ordered.alone | {"deleted": without(ordered.alone["deleted"], "s1")}
        scene.install(*left.values(), *ordered.busy.values())
        for name in ALONE:
            scene.becomes(place(name), ALL | {"s1": 0}, "s1 takes nothing new")
        scene.becomes(place("forced"), ALL | {"s2": 0}, "s1 is in though its page lies, s2 out")
        serve_as_ordered(ordered, clients)
        crashed = time.monotonic()
        scene.router.end(signal.SIGKILL)
        scene.router.start()
        serve_as_ordered(ordered, clients)
        for name in ("drained", "deleted", "kept", "forced"):
            assert scene.watch.changed(place(name)) < crashed, f"the restart did something to {name}"
        assert scene.real_server("forced/s1")["why"] == "forced up"
        those_taken_out_go(scene, ordered, late, kept)
        client.server([("forced", "s1"), ("forced", "s2")], "auto")
        scene.becomes(place("forced"), ALL | {"s1": 0}, "the checks decide again")
        clients.go_on()


def serve_as_ordered(ordered: Ordered, clients: Clients) -> None:
    """Nothing fails; the connections live, and nobody new comes to whom is taken out."""
    clients.forget()
    clients.go_on()
    assert set(clients.answered[ordered.place("kept")]) == {"s1", "s2"}
    assert set(clients.answered[ordered.place("forced")]) == {"s1", "s3"}
    assert [ordered.lines[name].ask() for name in ("drained", "deleted")] == ["s1", "s1"]


def those_taken_out_go(scene: Scene, ordered: Ordered, late: Entry, kept: Entry) -> None:
    """With their last connection, or when their time is over."""
    for name in ("drained", "deleted"):
        ordered.lines[name].reset()
    ended = time.monotonic()
    scene.ends_at_its_time(late, ordered.place("late"), None, ended)
    with pytest.raises(ConnectionError):
        ordered.lines["late"].ask()
    scene.ends_at_its_time(kept, ordered.place("kept"), 1, ended)
    for name in ("drained", "deleted"):
        gone = scene.wait(ordered.place(name), {"s2": 1, "s3": 1}, f"{name}/s1 is gone", ended)
        show(f"{name}: s1 is out {gone:.1f} s after its client's reset, which the kernel minds for 10 s")
        assert gone <= RESET_SECONDS + 1 + TENTH + scene.slack(ended)
    assert scene.real_server("drained/s1")["why"] == "drained"
