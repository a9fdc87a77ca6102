"""`piranha connections`: what is open through this router now, at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lvs.config.address import host
from lvs.pulse.client import PulseClient
from lvs.pulse.terminal import attempted, say, say_document

SECONDS = 12  # one reading, and another one before it
HEAD = ("Pro", "Expire", "State", "Client", "Virtual", "Real server")


def connections_command(socket: Path, asked: Mapping[str, Any], *, as_json: bool) -> int:
    """Prints the connections that are asked for, or their counts and them as JSON."""

    def work() -> None:
        found = PulseClient(socket, SECONDS).connections(**asked)
        if as_json:
            say_document(found)
        else:
            say(described(found))

    return attempted(work)


def described(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `connections` in lines: the rows, then the counts."""
    rows = [columns(row) for row in found["connections"]]
    if rows:
        widths = [max(len(row[place]) for row in [HEAD, *rows]) for place in range(len(HEAD))]
        for row in [HEAD, *rows]:
            yield "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
    left = found["matched"] - len(rows)
    if left > 0:
        yield f"and {left} more"
    for state, count in sorted(found["states"].items()):
        yield f"{state}: {count}"
    for address, port, count in found["real_servers"]:
        yield f"{host(address)}:{port}: {count}"
    if found["persistence"]:
        yield f"entries of persistence: {found['persistence']}"
    yield looked_at(found)


def columns(row: list[Any]) -> tuple[str, ...]:
    """The words of one connection."""
    protocol, client, client_port, virtual, virtual_port, real, real_port, state, expires = row
    left = f"{expires // 60:02}:{expires % 60:02}"
    return (
        protocol,
        left,
        state,
        f"{host(client)}:{client_port}",
        f"{host(virtual)}:{virtual_port}",
        f"{host(real)}:{real_port}",
    )


def looked_at(found: Mapping[str, Any]) -> str:
    """How much of the table was looked at."""
    said = f"{found['matched']} of {found['looked_at']} in {found['seconds']:.1f} s"
    if found["cut"]:
        return f"{said}; the table is longer: reading ended here, and what follows is counted nowhere"
    return said
