"""What makes no sense in a configuration: `problems(config)`, every problem with its place and field.

An error keeps a configuration from being installed: the kernel would refuse it, or it would do something else
than it says. A warning says what is probably not meant. Ranges and text limits come from the keyword table;
those about one service are in lvs.config.rules_service, those about the cluster in lvs.config.rules_cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Block, Keyword
from lvs.config.memo import Memo
from lvs.config.model import Comments, Forwarding, LvsConfig, Problem, RealServer, VirtualServer
from lvs.config.rules_cluster import cluster_problems
from lvs.config.rules_service import service_problems
from lvs.config.sentences import Place, error
from lvs.config.text import text_faults
from lvs.config.values import Context
from lvs.config.writer import context_of

MAX_NAME = 100  # bytes of a virtual or real server's name


def problems(config: LvsConfig) -> tuple[Problem, ...]:
    """Everything that makes no sense, errors and warnings, in the order of the file."""
    return tuple(_all(config))


def _all(config: LvsConfig) -> Iterator[Problem]:
    yield from _block_problems((), GLOBAL, config, Context())
    yield from _comment_problems((), config.comments)
    yield from cluster_problems(config)
    for kind, blocks in (
        (Block.FAILOVER, config.failover_services),
        (Block.VIRTUAL, config.virtual_servers),
    ):
        yield from _name_problems((), kind, blocks)
        for block in blocks:
            yield from _known_problems(block, kind, config.forwarding_of(block), config.redundancy.syncdaemon)


def _virtual_problems(
    block: VirtualServer, kind: Block, forwarding: Forwarding, synchronised: bool
) -> tuple[Problem, ...]:
    """The problems that a block has by itself."""
    place = (kind.value, block.name)
    found = list(_directive_problems(place, block))
    if kind is Block.VIRTUAL:
        found += service_problems(block, forwarding, synchronised=synchronised)
    return tuple(found)


_known_problems = Memo(_virtual_problems)


def _directive_problems(place: Place, block: VirtualServer) -> Iterator[Problem]:
    yield from _block_problems(place, VIRTUAL, block, context_of(block))
    yield from _comment_problems(place, block.comments)
    yield from _name_problems(place, Block.SERVER, block.real_servers)
    for server in block.real_servers:
        server_place = (*place, Block.SERVER.value, server.name)
        yield from _block_problems(server_place, SERVER, server, Context())
        yield from _comment_problems(server_place, server.comments)


def _block_problems(
    place: Place, table: tuple[Keyword, ...], block: Any, context: Context
) -> Iterator[Problem]:
    for keyword in table:
        value = getattr(getattr(block, keyword.part) if keyword.part else block, keyword.attribute)
        if value is None or value == keyword.default:
            continue
        for fault in keyword.kind.faults(value, context):
            number = isinstance(value, int | float | IPv4Address | IPv6Address)
            subject = f"{keyword.name} {value}" if number else keyword.name
            yield error(place, keyword.attribute, f"{subject} {fault}")


def _name_problems(
    outer: Place, kind: Block, blocks: Iterable[VirtualServer] | Iterable[RealServer]
) -> Iterator[Problem]:
    taken = set()
    for block in blocks:
        place = (*outer, kind.value, block.name)
        if block.name in taken:
            yield error(place, "name", "the name is taken already: give each its own")
        taken.add(block.name)
        for fault in _name_faults(block.name):
            yield error(place, "name", f"the name {fault}")


@lru_cache(maxsize=1 << 14)
def _name_faults(name: str) -> tuple[str, ...]:
    faults = list(text_faults(name, MAX_NAME))
    if "'" in name or '"' in name:
        faults.append("contains a quote, which lvs.cf would end it at: leave it out")
    elif name != name.strip():
        faults.append("begins or ends with a blank: leave it out")
    return tuple(faults)


def _comment_problems(place: Place, comments: Comments) -> Iterator[Problem]:
    for directive, lines in comments:
        if any(line and (line[0] != "#" or set("\n\r\0") & set(line)) for line in lines):
            yield error(
                place, "comments", f"a comment above {directive or 'the end'} does not begin with #: add it"
            )
