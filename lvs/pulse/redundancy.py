"""What makes a router one of two, and what its heart must know for that."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lvs.config.model import Address, LvsConfig
from lvs.errors import KernelError
from lvs.pulse.heart.messages import Message
from lvs.pulse.node import Place
from lvs.pulse.running import Running
from lvs.router.state import InterfaceAddress, Node

LOOPBACK = "lo"

InterfaceOf = Callable[[Address], str | None]


@dataclass(frozen=True, slots=True)
class Keys:
    """The cluster's keys, newest first; problem: why there are none, if the file could not be used."""

    keys: tuple[bytes, ...] = ()
    problem: str | None = None


def is_meant(config: LvsConfig) -> bool:
    """Whether lvs.cf describes two routers."""
    redundancy = config.redundancy
    both = config.global_settings.primary is not None and redundancy.backup is not None
    return redundancy.backup_active and both


def inactive_because(config: LvsConfig, place: Place) -> str | None:
    """Why this router, the backup of a pair of which lvs.cf wants one only, does nothing; None if it does."""
    if config.redundancy.backup_active or place.node is not Node.BACKUP or place.problem is not None:
        return None
    return (
        "We are backup node and backup is marked inactive (backup_active = 0 in lvs.cf): this machine "
        "stays standby for ever, and takes over from nobody. Set backup_active = 1 on both routers, or stop "
        "pulse here."
    )


def alone_because(config: LvsConfig, place: Place, keys: Keys) -> str | None:
    """Why a router acts alone though two are meant; None when it does not."""
    if not is_meant(config):
        return None
    until_then = "until then the primary is active and nothing fails over."
    if keys.problem is not None:
        return f"no cluster key: {keys.problem}; {until_then}"
    if not keys.keys:
        return f"no cluster key: there is no cluster.key, apply a revision or copy it; {until_then}"
    if place.problem is not None:
        return "This machine is neither of the two routers of lvs.cf, so it takes no part in failover."
    return None


def settings(
    running: Running,
    place: Place,
    keys: Keys,
    *,
    name: str,
    held: bool,
    forced: bool,
    interface_of: InterfaceOf,
) -> Message:
    """The message `settings` (ARCHITECTURE.md)."""
    config = running.config
    redundancy = config.redundancy
    links = heartbeat_links(config, place.node)
    return {
        "say": "settings",
        "node": place.node.value,
        "name": name,
        "links": links,
        "port": redundancy.heartbeat_port,
        "keepalive": redundancy.keepalive,
        "deadtime": redundancy.deadtime,
        "failback": redundancy.failback,
        "gateway": _written(redundancy.check_gateway),
        "keys": [key.hex() for key in keys.keys],
        "watched": _watched(own_addresses(config, place.node), running.floating, interface_of),
        "monitor_links": redundancy.monitor_links,
        "addresses": [each.document() for each in sorted(running.floating, key=str)],
        "serial": running.serial,
        "sha256": running.sha256,
        "held": held,
        "forced": forced,
    }


def heartbeat_links(config: LvsConfig, node: Node) -> dict[str, dict[str, str]]:
    """The links over which the routers hear each other: own and the other's address of each."""
    publics = (config.global_settings.primary, config.redundancy.backup)
    privates = (config.global_settings.primary_private, config.redundancy.backup_private)
    found = {}
    for name, (primary, backup) in (("public", publics), ("private", privates)):
        if primary is None or backup is None or (name == "private" and (primary, backup) == publics):
            continue
        own, peer = (primary, backup) if node is Node.PRIMARY else (backup, primary)
        found[name] = {"own": str(own), "peer": str(peer)}
    return found


def own_addresses(config: LvsConfig, node: Node) -> tuple[Address, ...]:
    """This router's own addresses, public first."""
    if node is Node.PRIMARY:
        both = (config.global_settings.primary, config.global_settings.primary_private)
    else:
        both = (config.redundancy.backup, config.redundancy.backup_private)
    return tuple(address for address in both if address is not None)


def missing_interfaces(floating: Iterable[InterfaceAddress]) -> tuple[str, ...]:
    """The interfaces that floating addresses need and that this machine has not."""
    return tuple(name for name in sorted({each.interface for each in floating}) if not _exists(name))


def _exists(interface: str) -> bool:
    try:
        socket.if_nametoindex(interface)
    except OSError as error:
        return error.errno not in (errno.ENODEV, errno.ENXIO, None)
    return True


def _watched(
    own: Iterable[Address], floating: Iterable[InterfaceAddress], interface_of: InterfaceOf
) -> list[str]:
    """The interfaces without which this router serves nobody, or does not hear the other."""
    found = {each.interface for each in floating}
    for address in own:
        with contextlib.suppress(KernelError):  # the heart will say what is wrong with this address
            found.add(interface_of(address) or LOOPBACK)
    return sorted(found - {LOOPBACK})


def _written(address: Address | None) -> str | None:
    return None if address is None else str(address)
