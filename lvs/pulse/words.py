"""What pulse says at more than one place, and Piranha's own lines, which tools look for in logs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from lvs.errors import KernelError
from lvs.nanny.checker import Target
from lvs.nanny.checks import assumes_web
from lvs.pulse.running import Running
from lvs.router.apply import Refusal
from lvs.router.files import Installation
from lvs.router.plan import destination_keys, service_key
from lvs.router.state import Change, Part, Verb

log = logging.getLogger("pulse")

NAMED_REFUSALS = 5  # in the message of an install that was taken back
NO_CONFIGURATION = "No configuration is in force yet. Install one."


def carried_out(change: Change, leaving: Mapping[Target, int], failed: Mapping[Target, str]) -> str:
    """The sentence of a change that was made.

    leaving: the connections of what is deleted and drains. failed: of those whose checks fail, the reason.
    """
    if change.part is not Part.DESTINATION or not change.service_key or not change.destination_key:
        return change.text
    place = change.service_key, change.destination_key
    count = leaving.get(place)
    if count is not None:
        return f"{change.text}: deleted, it drains first; {number_of_connections(count)} now"
    if change.verb is Verb.ADD or place not in failed:
        return change.text
    return f"{change.text}: its check fails ({failed[place]})"


def number_of_connections(count: int) -> str:
    """1 connection, 2 connections."""
    return "1 connection" if count == 1 else f"{count} connections"


def taken_back(new: Running, refused: list[Refusal]) -> KernelError:
    reasons = [f"{one.change.text}: {one.reason}" for one in refused[:NAMED_REFUSALS]]
    if len(refused) > NAMED_REFUSALS:
        reasons.append(f"and {len(refused) - NAMED_REFUSALS} more")
    return KernelError(
        f"install serial {new.serial} (refused; what was in force before is in force again)",
        "; ".join(reasons),
    )


def nothing_installed(installation: Installation) -> str:
    return (
        f"{installation.path} does not exist yet: nothing is balanced. Apply a revision, or write the file."
    )


def log_services(before: Running | None, new: Running) -> None:
    """Piranha's lines for what starts and stops."""
    old = {one.name for one in before.config.virtual_servers if one.active} if before else set()
    for virtual_server in new.config.virtual_servers:
        if virtual_server.active and virtual_server.name not in old:
            log.info("starting virtual service %s active: %d", virtual_server.name, virtual_server.port)
            if virtual_server.real_servers and assumes_web(virtual_server):
                log.info("no monitor configured, assuming web service on port 80")
    for name in sorted(old - {one.name for one in new.config.virtual_servers if one.active}):
        log.info("shutting down virtual service %s", name)
    if log.isEnabledFor(logging.DEBUG):
        _log_monitors(new.watched.keys() - (before.watched.keys() if before else ()), new)


def _log_monitors(fresh: set[Target], new: Running) -> None:
    for virtual_server in new.config.virtual_servers:
        places = zip(virtual_server.real_servers, destination_keys(virtual_server), strict=True)
        for real_server, place in places:
            if (service_key(virtual_server), place) in fresh:
                names = (virtual_server.name, real_server.name, os.getpid())
                log.debug("create_monitor for %s/%s running as pid %d", *names)
