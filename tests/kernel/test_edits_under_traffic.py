"""Edits while clients are at work: no established connection is lost and no new one fails.

Two services, one by NAT and one by direct routing, get new connections every few milliseconds and hold
streams open. Each test makes an edit and takes it back, which is an edit as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from deploy.lab import network
from deploy.lab.machines import Lab
from lvs.config.model import HealthCheck, Scheduler, VirtualServer
from tests.kernel import traffic
from tests.kernel.conftest import has_nftables
from tests.kernel.traffic import Router, real, routed, until, virtual, without
from tests.kernel.traffic_clients import Clients
from tests.kernel.traffic_clients import traffic as clients_at_work

pytestmark = pytest.mark.kernel

NAT_PLACE, DIRECT_PLACE = (network.NAT_VIP, 80), (network.DIRECT_VIP, 80)
BASE = (
    virtual("nat", traffic.NAT, scheduler=Scheduler.WRR),
    virtual("direct", traffic.DIRECT, scheduler=Scheduler.WRR),
    virtual("other", traffic.TUNNEL, port=443),
)
Edit = Callable[[VirtualServer], VirtualServer]


@dataclass
class Scene:
    router: Router
    clients: Clients

    def install(self, *services: VirtualServer) -> None:
        """Installs them under traffic, which must not notice."""
        assert self.router.install(*services) != []
        self.clients.go_on()

    def edit(self, edit: Edit) -> None:
        """Edits the two services that have traffic."""
        self.install(*map(edit, BASE[:2]), BASE[2])


@contextmanager
def scene_of(lab: Lab, router: Router) -> Iterator[Scene]:
    router.start()
    router.install(*BASE)
    with clients_at_work([NAT_PLACE, DIRECT_PLACE]) as clients:
        clients.open_streams(6)
        yield Scene(router, clients)


@pytest.fixture(scope="module")
def _scene(_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with routed(_lab, tmp_path_factory.mktemp("edits")) as router, scene_of(_lab, router) as scene:
        yield scene


@pytest.fixture
def scene(_scene: Scene) -> Iterator[Scene]:
    """The services as in BASE, with traffic; and so they are left."""
    _scene.clients.forget()
    yield _scene
    _scene.router.install(*BASE)
    _scene.clients.go_on()


EDITS: dict[str, Edit] = {
    "a weight": lambda one: real(one, "s1", weight=5),
    "the scheduler": lambda one: replace(one, scheduler=Scheduler.LC),
    "persistence": lambda one: replace(one, persistence=60),
    "the check": lambda one: replace(
        one, check=HealthCheck(send="GET / HTTP/1.0\\r\\n\\r\\n", expect="HTTP/1.1")
    ),
    "the checks' rhythm": lambda one: replace(one, timeout=5, failures=3),
    "thresholds": lambda one: real(one, "s2", upper_threshold=500, lower_threshold=400),
    "quiescing": lambda one: replace(one, quiesce=True),
}
ONLY_PULSE = {"the check", "the checks' rhythm", "quiescing"}  # nothing in the kernel differs


@pytest.mark.parametrize("name", EDITS)
def test_changing_costs_no_connection(scene: Scene, name: str) -> None:
    changes = scene.router.install(*map(EDITS[name], BASE[:2]), BASE[2])
    assert bool(changes) is (name not in ONLY_PULSE)
    scene.clients.go_on()
    scene.router.install(*BASE)
    scene.clients.go_on()


def test_going_through_every_scheduler_costs_no_connection(scene: Scene) -> None:
    for scheduler in Scheduler:
        # Weights that ovf does not find used up by so few clients: full ones it would turn away.
        scene.install(
            virtual("nat", traffic.NAT, (100, 100, 100), scheduler=scheduler),
            virtual("direct", traffic.DIRECT, (100, 100, 100), scheduler=scheduler),
            BASE[2],
        )


def test_draining_a_real_server_keeps_its_streams_and_its_removal_costs_nothing(scene: Scene) -> None:
    clients, router = scene.clients, scene.router
    assert {stream.server for stream in clients.streams} == {"s1", "s2", "s3"}
    scene.edit(lambda one: real(one, "s3", weight=0))
    clients.forget()
    clients.go_on()
    assert {name for answered in clients.answered.values() for name in answered} == {"s1", "s2"}
    clients.close_streams("s3")
    until(lambda: not router.connections("nat", "active")["s3"], "nobody is with s3 by NAT")
    until(lambda: not router.connections("direct", "active")["s3"], "nobody is with s3 directly")
    # Closed connections, which the kernel keeps for two minutes more, are not waited for here.
    scene.edit(lambda one: replace(without(one, "s3"), drain_time=0))
    clients.forget()
    scene.install(*BASE)
    until(
        lambda: all(answered["s3"] for answered in clients.answered.values()), "s3 answers, added once more"
    )
    clients.open_streams(2)


def test_other_services_come_and_go_beside_it(scene: Scene) -> None:
    more = [replace(one, name=f"{one.name}-8080", port=8080) for one in BASE[:2]]
    scene.install(*BASE, *more)
    scene.install(*BASE[:2], replace(BASE[2], active=False), *more)
    scene.install(*BASE[:2], *(replace(one, active=False) for one in more))
    assert network.TUNNEL_VIP not in scene.router.lab.run(
        "r1", ["ip", "-4", "address", "show", "dev", "eth0"]
    )


@pytest.mark.nft
def test_with_connections_tracked_for_masquerading_edits_cost_nothing_either(scene: Scene) -> None:
    """The chain that masquerades real servers' own requests has netfilter look at every packet.

    Here are several processors too, so that clients come in while the kernel takes the old scheduler away and
    the new one is not there yet (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_edit_service): ten times, both ways.
    """
    assert has_nftables()
    assert "masquerade" in scene.router.lab.run("r1", ["nft", "list", "table", "inet", "piranha"])
    for edit in (EDITS["a weight"], EDITS["thresholds"], lambda one: real(one, "s3", weight=0)):
        scene.edit(edit)
    for scheduler in (Scheduler.LC, Scheduler.WRR) * 5:
        scene.edit(lambda one, scheduler=scheduler: replace(one, scheduler=scheduler))
    assert "piranha_hush" not in scene.router.lab.run("r1", ["nft", "list", "tables"])
