"""Which machine of the pair this is, and so, where there is no heart that says otherwise, what it does.

`auto` looks for the addresses `primary` and `backup` of lvs.cf on this machine, as Piranha's pulse did; but a
machine that has neither is told so.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from lvs.config.model import Address, LvsConfig
from lvs.router.state import Node, Role

AUTO = "auto"

IsLocal = Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """The node, and a sentence when it had to be guessed."""

    node: Node
    problem: str | None = None

    @property
    def role(self) -> Role:
        """What it does without a heart."""
        return Role.ACTIVE if self.node is Node.PRIMARY else Role.STANDBY


def place(config: LvsConfig | None, asked: str, is_local: IsLocal, *, planning: bool) -> Place:
    """Where this router stands; asked: primary, backup or auto.

    A router that has neither address must not raise the floating ones, which another may have: it is the
    backup. In planning mode nothing is raised, and the primary's plan is the one worth seeing.
    """
    if asked != AUTO:
        return Place(Node(asked))
    primary = config.global_settings.primary if config else None
    backup = config.redundancy.backup if config else None
    if primary is None:
        alone = backup is None or not is_local(backup)
        return Place(Node.PRIMARY if alone else Node.BACKUP)
    if is_local(primary):
        return Place(Node.PRIMARY)
    if backup is not None and is_local(backup):
        return Place(Node.BACKUP)
    node = Node.PRIMARY if planning else Node.BACKUP
    names = f"primary ({primary})" + (f" nor backup ({backup})" if backup else "")
    return Place(
        node,
        f"{'Neither ' if backup else 'Not '}{names} is an address of this machine, so it acts as the {node}. "
        "Correct the address in lvs.cf, bring it up, or start pulse with --node primary or --node backup.",
    )


class Locator:
    """Finds this router's place, and keeps to it once its addresses told it.

    Which machine it is never changes by itself: an address that is taken off for a moment, while an interface
    is set up anew, must not make the active router lower the floating ones.
    """

    def __init__(self, asked: str, is_local: IsLocal, *, planning: bool) -> None:
        self._asked = asked
        self._is_local = is_local
        self.planning = planning
        self._certain: dict[tuple[Address | None, Address | None], Place] = {}

    def find(self, config: LvsConfig | None) -> Place:
        """The place with this configuration."""
        pair = (config.global_settings.primary, config.redundancy.backup) if config else (None, None)
        found = self._certain.get(pair)
        if found is None:
            found = place(config, self._asked, self._is_local, planning=self.planning)
        if pair[0] is not None and found.problem is None:
            self._certain = {pair: found}
        return found


def is_local(address: Address) -> bool:
    """Whether address is one of this machine's own.

    The kernel is asked which source address it would use to reach it: only for a local one is it the address
    itself. (Whether one can bind it says less: net.ipv4.ip_nonlocal_bind.) Nothing is sent.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as opened:
            opened.connect((str(address), 9))
            own: str = opened.getsockname()[0]
    except OSError:
        return False
    return own == str(address)
