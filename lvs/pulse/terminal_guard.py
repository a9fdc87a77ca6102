"""`piranha guard`: who may reach the panel's port of this router, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lvs.errors import RouterError
from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import STATUS_SECONDS, attempted, say
from lvs.router.guards import guard_of
from lvs.router.state import Guard

GUARD_SECONDS = 15


def show_command(socket: Path) -> int:
    """Prints which port is guarded, and who gets through."""

    def work() -> None:
        say(described(PulseClient(socket, STATUS_SECONDS).status()["guard"]))

    return attempted(work)


def off_command(socket: Path) -> int:
    """Takes the guard away."""

    def work() -> None:
        answer = PulseClient(socket, GUARD_SECONDS).guard(None)
        say([*answer["changes"], *described(answer["guard"])])

    return attempted(work)


def guard_command(
    socket: Path, port: int, networks: Sequence[str], *, anyway: bool, environment: Mapping[str, str]
) -> int:
    """Has only these networks reach the port; anyway: also where that cuts a connection of now.

    environment: that of the command, which says whether it came by ssh (ssh(1), SSH_CONNECTION).
    """

    def work() -> None:
        guard = guard_of(port, list(networks))
        if guard is not None and not anyway:
            refuse_nobody(guard)
            refuse_to_lock_out(guard, environment)
        answer = PulseClient(socket, GUARD_SECONDS).guard(port, networks, anyway=anyway)
        say([*answer["changes"], *described(answer["guard"])])

    return attempted(work)


def refuse_nobody(guard: Guard) -> None:
    """RouterError where --allow was forgotten: the whole world would be kept out at once."""
    if not guard.networks:
        raise RouterError(
            f"Nobody but this machine itself would reach port {guard.port}: say for whom it is, --allow "
            "NETWORK …, or --anyway if it is for nobody. Nothing was changed."
        )


def refuse_to_lock_out(guard: Guard, environment: Mapping[str, str]) -> None:
    """RouterError where whoever asks came by the port that is to be guarded, and would not get through.

    pulse looks at connections as well, but sees those of its own network namespace only.
    """
    words = environment.get("SSH_CONNECTION", "").split()
    if len(words) != 4 or words[3] != str(guard.port):
        return
    client = ip_address(words[0].partition("%")[0])
    if not (client.is_loopback or any(client in network for network in guard.networks)):
        raise RouterError(
            f"You are here by port {guard.port} from {client}, which this guard would keep out: allow "
            f"{client} as well, or say --anyway. Nothing was changed."
        )


def described(guard: Mapping[str, Any] | None) -> Iterator[str]:
    """The guard in lines."""
    if guard is None:
        yield "No port of this router is guarded (piranha guard --port PORT --allow NETWORK …)."
        return
    yield f"Port {guard['port']} (TCP) is reached by this machine itself and by"
    for network in guard["networks"]:
        yield f"    {network}"
    if not guard["networks"]:
        yield "    nobody else"
        return
    missing = {4, 6} - {6 if ":" in network else 4 for network in guard["networks"]}
    if missing:
        yield f"    nobody by IPv{missing.pop()}"
