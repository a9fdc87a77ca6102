"""Every way to set one real server up."""

from __future__ import annotations

from collections.abc import Iterator

from lvs.config.model import Forwarding, LvsConfig, RealServer, VirtualServer
from lvs.realservers import direct, ftp, nat, tunnel
from lvs.realservers.needs import Need, needs
from lvs.realservers.setup import Setup


def setups(
    config: LvsConfig, virtual_server: VirtualServer | None, real_server: RealServer
) -> tuple[Setup, ...]:
    """Every way to set up the machine that has real_server's address; () while it has none.

    For each forwarding method one way is enough; the first suits most machines, and FTP comes besides.
    virtual_server: for this one only; None: for all that name the machine's address, active or not, so that
    one script does for all of them.
    """
    wanted = needs(config, virtual_server, real_server)
    alone = len(needs(config, None, real_server)) < 2
    return tuple(one for need in wanted for one in _ways(config, need, alone=alone))


def _ways(config: LvsConfig, need: Need, *, alone: bool) -> Iterator[Setup]:
    if need.forwarding is Forwarding.NAT:
        yield from nat.ways(config, need, alone=alone)
    elif need.forwarding is Forwarding.DIRECT:
        yield from direct.ways(need)
    else:
        yield from tunnel.ways(need)
    yield from ftp.ways(need)
