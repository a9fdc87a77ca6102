"""What changes between two configurations, one sentence a change, for the administrator who applies it.

Virtual servers are matched by name, real servers by name inside them; of blocks that share a name (which no
valid configuration has) the last counts. serial_no and comments change nothing on a router and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lvs.config.address import host
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Keyword
from lvs.config.matching import unified
from lvs.config.model import LvsConfig, RealServer, VirtualServer
from lvs.config.values import Context
from lvs.config.writer import context_of


class Verb(StrEnum):
    """What happens to the thing at a place."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Difference:
    """One change. place and field as in Problem; field is None when a whole block comes or goes."""

    verb: Verb
    place: tuple[str, ...]
    field: str | None
    text: str

    def __str__(self) -> str:
        return self.text


def differences(old: LvsConfig, new: LvsConfig) -> tuple[Difference, ...]:
    """Every change from old to new: first the globals', then block by block."""
    return tuple(_all(old, new))


def _all(old: LvsConfig, new: LvsConfig) -> Iterator[Difference]:
    for keyword in GLOBAL:
        if keyword.name != "serial_no":
            yield from _value((), "", keyword, old, new, Context(), Context())
    yield from _blocks("virtual", old.virtual_servers, new.virtual_servers)
    yield from _blocks("failover", old.failover_services, new.failover_services)


def _blocks(kind: str, old: Sequence[VirtualServer], new: Sequence[VirtualServer]) -> Iterator[Difference]:
    before = {block.name: block for block in old}
    after = {block.name: block for block in new}
    for name, block in before.items():
        if name not in after:
            count = len(block.real_servers)
            servers = f" and its {_counted(count)}" if count else ""
            yield Difference(
                Verb.REMOVE, (kind, name), None, f"remove {_noun(kind)} {_described(block)}{servers}"
            )
    for name, block in after.items():
        if name not in before:
            yield Difference(
                Verb.ADD, (kind, name), None, f"add {_noun(kind)} {_described(block)}{_details(block)}"
            )
        elif block != before[name]:
            yield from _virtual_server(kind, before[name], block)
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        text = f"put the {_noun(kind)}s in another order"
        yield Difference(
            Verb.CHANGE, (), f"{'virtual_servers' if kind == 'virtual' else 'failover_services'}", text
        )


def _virtual_server(kind: str, old: VirtualServer, new: VirtualServer) -> Iterator[Difference]:
    place = (kind, new.name)
    before, after = context_of(old), context_of(new)
    for keyword in VIRTUAL:
        if keyword.name == "active" and old.active != new.active:
            verb = "activate" if new.active else "deactivate"
            yield Difference(Verb.CHANGE, place, "active", f"{verb} {_noun(kind)} {new.name}")
        else:
            yield from _value(place, f"{new.name}: ", keyword, old, new, before, after)
    if old.real_servers != new.real_servers:
        yield from _real_servers(place, old, new)


def _real_servers(place: tuple[str, ...], old: VirtualServer, new: VirtualServer) -> Iterator[Difference]:
    before = {server.name: server for server in old.real_servers}
    after = {server.name: server for server in new.real_servers}
    for name, server in before.items():
        if name not in after:
            text = f"remove real server {_reached(server, old)} from {new.name}"
            yield Difference(Verb.REMOVE, (*place, "server", name), None, text)
    for name, server in after.items():
        if name not in before:
            off = "" if server.active else ", inactive"
            text = f"add real server {_reached(server, new)} to {new.name}, weight {server.weight}{off}"
            yield Difference(Verb.ADD, (*place, "server", name), None, text)
        elif server != before[name]:
            yield from _real_server((*place, "server", name), new.name, before[name], server)
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield Difference(
            Verb.CHANGE, place, "real_servers", f"{new.name}: put its real servers in another order"
        )


def _real_server(
    place: tuple[str, ...], owner: str, old: RealServer, new: RealServer
) -> Iterator[Difference]:
    for keyword in SERVER:
        if keyword.name == "active" and old.active != new.active:
            verb = "activate" if new.active else "deactivate"
            yield Difference(Verb.CHANGE, place, "active", f"{verb} real server {new.name} of {owner}")
        else:
            yield from _value(place, f"{new.name} of {owner}: ", keyword, old, new, Context(), Context())


def _value(
    place: tuple[str, ...], label: str, keyword: Keyword, old: Any, new: Any, before: Context, after: Context
) -> Iterator[Difference]:
    one = getattr(getattr(old, keyword.part) if keyword.part else old, keyword.attribute)
    other = getattr(getattr(new, keyword.part) if keyword.part else new, keyword.attribute)
    if one == other:
        return
    was = "" if one in (None, ()) else keyword.kind.format(one, before)
    now = "" if other in (None, ()) else keyword.kind.format(other, after)
    if not was:
        verb, text = Verb.ADD, f"{label}set {keyword.name} to {now}"
    elif not now:
        verb, text = Verb.REMOVE, f"{label}remove {keyword.name} {was}"
    else:
        verb, text = Verb.CHANGE, f"{label}{keyword.name} {was} → {now}"
    yield Difference(verb, place, keyword.attribute, text)


def _noun(kind: str) -> str:
    return "virtual server" if kind == "virtual" else "failover service"


def _counted(servers: int) -> str:
    return "1 real server" if servers == 1 else f"{servers} real servers"


def _described(block: VirtualServer) -> str:
    if block.address is None:
        return f"{block.name} ({block.protocol} port {block.port}, no address)"
    return f"{block.name} {block.protocol} {host(block.address.address)}:{block.port}"


def _details(block: VirtualServer) -> str:
    ports = f" with ports {', '.join(map(str, block.ports))}" if block.ports else ""
    mark = f", fwmark {block.fwmark}{ports}" if block.fwmark else ports
    device = f" on {block.address.device}" if block.address else ""
    off = "" if block.active else ", inactive"
    return f"{device}{mark}, scheduler {block.scheduler}, {_counted(len(block.real_servers))}{off}"


def _reached(server: RealServer, owner: VirtualServer) -> str:
    if server.address is None:
        return f"{server.name} (no address)"
    return f"{server.name} {host(server.address)}:{server.port or owner.port}"


def text_difference(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """The unified difference of two texts as (kind, line), kind being add, remove, place or same."""
    kinds = {"+": "add", "-": "remove", "@": "place"}
    lines = unified(old.splitlines(), new.splitlines())
    return tuple((kinds.get(line[:1], "same"), line) for line in lines)
