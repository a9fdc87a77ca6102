"""A cluster without a problem, and short ways to change one thing about it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    RealServer,
    Redundancy,
    VirtualServer,
)


def ip(text):
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def on(address, device):
    return FloatingAddress(address=ip(address), device=device)


REAL = RealServer(name="a", address=ip("10.0.0.1"), active=True)
SHOP = VirtualServer(name="shop", active=True, address=on("192.0.2.1", "eth0:1"), real_servers=(REAL,))
REAL6 = replace(REAL, address=ip("fd00::1"))
SHOP6 = replace(SHOP, address=on("2001:db8::1", "eth0"), real_servers=(REAL6,))
SETTINGS = GlobalSettings(
    primary=ip("192.0.2.11"),
    primary_private=ip("10.9.9.1"),
    nat_router=on("10.0.0.254", "eth1:1"),
    nat_router6=on("fd00::fe", "eth1"),
)
PAIR = Redundancy(backup_active=True, backup=ip("192.0.2.12"), backup_private=ip("10.9.9.2"))


def cluster(*services, settings=SETTINGS, redundancy=PAIR, **changes):
    return LvsConfig(
        global_settings=replace(settings, **{k: v for k, v in changes.items() if hasattr(settings, k)}),
        redundancy=replace(redundancy, **{k: v for k, v in changes.items() if hasattr(redundancy, k)}),
        virtual_servers=services or (SHOP,),
    )


def shop(base=SHOP, **changes):
    return cluster(replace(base, **changes))


def real(base=SHOP, **changes):
    return shop(base, real_servers=(replace(base.real_servers[0], **changes),))


def check_of(**changes):
    return shop(check=HealthCheck(**changes))


def other(**changes):
    """A second virtual server that has nothing to do with the first, until it is changed."""
    return replace(SHOP, **({"name": "other", "address": on("192.0.2.2", "eth0:2")} | changes))


DIRECT, TUNNEL = Forwarding.DIRECT, Forwarding.TUNNEL
MARKED = replace(SHOP, fwmark=80)
