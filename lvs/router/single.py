"""One change at a time, each by the edge of its part: what is not carried out in batches."""

from __future__ import annotations

from collections.abc import Callable

from lvs.router import announce, modules, netfilter, sysctl
from lvs.router.ipvs import Ipvs
from lvs.router.state import Change, Part, Verb


def make(change: Change) -> None:
    """Makes it; KernelError if it is refused."""
    _EDGES[change.part](change)


def _load_module(change: Change) -> None:
    if change.module:
        modules.load(change.module)


def _set_sysctl(change: Change) -> None:
    if change.sysctl:
        sysctl.write(*change.sysctl)


def _set_timeouts(change: Change) -> None:
    if change.timeouts:
        with Ipvs() as ipvs:
            ipvs.set_timeouts(change.timeouts)


def _change_netfilter(change: Change) -> None:
    if change.netfilter is None:
        netfilter.remove()
    else:
        netfilter.replace(change.netfilter)


def _change_sync(change: Change) -> None:
    if change.sync is None:
        return
    with Ipvs() as ipvs:
        if change.verb is not Verb.ADD:  # the kernel changes no setting of a half that runs
            ipvs.stop_sync(change.sync)
        if change.verb is not Verb.REMOVE:
            ipvs.start_sync(change.sync)


def _announce_one(change: Change) -> None:
    if change.address is not None:
        announce.announce([change.address])


_EDGES: dict[Part, Callable[[Change], None]] = {
    Part.MODULE: _load_module,
    Part.SYSCTL: _set_sysctl,
    Part.TIMEOUTS: _set_timeouts,
    Part.NETFILTER: _change_netfilter,
    Part.ADDRESS: _announce_one,
    Part.SYNC: _change_sync,
}
