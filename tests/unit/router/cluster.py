"""Small configurations to test with, and a cluster that an administrator keeps changing at random."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from random import Random

from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    Protocol,
    RealServer,
    Redundancy,
    Scheduler,
    SchedulerFlag,
    VirtualServer,
)
from lvs.router import plan
from lvs.router.state import Health, Role

PAIR = Redundancy(
    backup_active=True,
    backup=ip_address("10.0.0.8"),
    syncdaemon=True,
    syncd_iface="eth1",
    syncd_id=7,
)


def floating(address: str, device: str = "eth0") -> FloatingAddress:
    return FloatingAddress(address=ip_address(address), device=device)


def real(number: int, **settings: object) -> RealServer:
    """An active real server webN at 10.0.0.1N."""
    server = RealServer(name=f"web{number}", address=ip_address(f"10.0.0.{10 + number}"), active=True)
    return replace(server, **settings)


def virtual(name: str = "shop", address: str | None = "192.0.2.1", **settings: object) -> VirtualServer:
    """An active virtual server at port 80 with the real servers web1 and web2."""
    server = VirtualServer(
        name=name,
        active=True,
        address=floating(address) if address else None,
        forwarding=Forwarding.DIRECT,
        real_servers=(real(1), real(2)),
    )
    return replace(server, **settings)


def config(*servers: VirtualServer, **settings: object) -> LvsConfig:
    return LvsConfig(virtual_servers=servers, global_settings=GlobalSettings(**settings))


def health_of(config: LvsConfig, **named: Health) -> dict[plan.Place, Health]:
    """Everything healthy but the real servers named."""
    return {both: named.get(name, Health.HEALTHY) for (_, name), both in plan.keys(config).items()}


class Cluster:
    """A configuration, a role and healths, changed by one random step after another.

    nat: whether NAT occurs, which brings netfilter with it. devices: where floating addresses may be.
    """

    def __init__(
        self, random: Random, *, devices: tuple[str, ...] = ("eth0", "eth1"), nat: bool = True
    ) -> None:
        self.random = random
        self.devices = devices
        self.methods = tuple(Forwarding) if nat else (Forwarding.DIRECT, Forwarding.TUNNEL)
        self.config = config(nat_router=floating("10.0.0.254", devices[0]), nat_mask=24)
        self.role = Role.ACTIVE
        self.found: dict[plan.Place, Health] = {}

    def step(self) -> None:
        """One thing that happens to a cluster."""
        often = (self._add, self._add, self._edit, self._edit, self._judge, self._judge, self._judge)
        what = self.random.choice((*often, self._drop, self._toggle, self._move))
        what()

    def health(self) -> dict[plan.Place, Health]:
        """Healthy, unless something else was found."""
        return {both: self.found.get(both, Health.HEALTHY) for both in plan.keys(self.config).values()}

    def _set(self, servers: list[VirtualServer]) -> None:
        self.config = replace(self.config, virtual_servers=tuple(servers))

    def _add(self) -> None:
        servers = list(self.config.virtual_servers)
        number = self.random.randrange(8)
        if any(server.name == f"v{number}" for server in servers):
            return
        marked = number in (6, 7)
        server = VirtualServer(
            name=f"v{number}",
            active=True,
            address=floating(
                f"192.0.2.{number}" if number % 2 else f"2001:db8::{number}", self.random.choice(self.devices)
            ),
            protocol=(Protocol.TCP, Protocol.UDP, Protocol.SCTP)[number % 3],
            fwmark=number if marked and self.methods[0] is Forwarding.NAT else 0,
            ports=(PortRange(443, 443), PortRange(8000, 8080)) if marked else (),
        )
        self._set([*servers, self._edited(server)])

    def _drop(self) -> None:
        servers = list(self.config.virtual_servers)
        if servers:
            servers.pop(self.random.randrange(len(servers)))
            self._set(servers)

    def _edit(self) -> None:
        servers = list(self.config.virtual_servers)
        if servers:
            index = self.random.randrange(len(servers))
            servers[index] = self._edited(servers[index])
            self._set(servers)

    def _toggle(self) -> None:
        servers = list(self.config.virtual_servers)
        if servers:
            index = self.random.randrange(len(servers))
            servers[index] = replace(servers[index], active=not servers[index].active)
            self._set(servers)

    def _judge(self) -> None:
        places = sorted(plan.keys(self.config).items())
        if places:
            self.found[self.random.choice(places)[1]] = self.random.choice(tuple(Health))

    def _move(self) -> None:
        self.role = self.random.choice(tuple(Role))

    def _edited(self, server: VirtualServer) -> VirtualServer:
        choice = self.random.choice
        scheduler = choice(tuple(Scheduler))
        flags = tuple(
            flag for flag in SchedulerFlag if flag.value.startswith(scheduler.value) and choice((0, 1))
        )
        v6 = server.address is not None and server.address.address.version == 6
        return replace(
            server,
            scheduler=scheduler,
            scheduler_flags=flags,
            forwarding=choice(self.methods),
            persistence=choice((0, 0, 60, 3600)),
            persistence_mask=choice((None, 64 if v6 else 24)),
            one_packet=choice((True, False)),
            quiesce=choice((True, False)),
            sorry_server=choice((None, ip_address("2001:db8:1::99" if v6 else "10.0.0.99"))),
            real_servers=tuple(self._real(number, v6) for number in range(self.random.randrange(5))),
        )

    def _real(self, number: int, v6: bool) -> RealServer:
        choice = self.random.choice
        upper = choice((0, 0, 100))
        return RealServer(
            name=f"web{number}",
            address=ip_address(f"2001:db8:1::{number + 1}" if v6 else f"10.0.0.{number + 1}"),
            active=choice((True, True, True, False)),
            weight=choice((0, 1, 2, 5, 100)),
            upper_threshold=upper,
            lower_threshold=choice((0, upper // 2)),
        )
