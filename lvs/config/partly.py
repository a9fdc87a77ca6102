"""Takes back one object of a configuration: what stands at its place is as in another configuration again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from lvs.config.diff import Difference
from lvs.config.model import LvsConfig, VirtualServer

ORDERS = (
    "virtual_servers",
    "failover_services",
    "real_servers",
)  # fields of a Difference about an order, which belongs to no object alone


class Named(Protocol):
    """What a list of blocks has."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def takes_back(difference: Difference) -> bool:
    """Whether the change can be taken back without the others."""
    return difference.field not in ORDERS


def restored(config: LvsConfig, source: LvsConfig, place: Sequence[str]) -> LvsConfig:
    """The configuration with what is at the place as source has it. Real servers that both have stay.

    place: as in Difference; () for the globals.
    """
    if not place:
        ours = config.virtual_servers, config.failover_services
        return replace(source, virtual_servers=ours[0], failover_services=ours[1])
    if place[0] == "virtual":
        blocks = _restored(config.virtual_servers, source.virtual_servers, place)
        return replace(config, virtual_servers=blocks)
    blocks = _restored(config.failover_services, source.failover_services, place)
    return replace(config, failover_services=blocks)


def _restored(
    ours: Sequence[VirtualServer], theirs: Sequence[VirtualServer], place: Sequence[str]
) -> tuple[VirtualServer, ...]:
    """Our blocks, with one of them or one real server of one of them as theirs."""
    if len(place) > 2:
        return tuple(_inside(ours, theirs, place))
    return tuple(put_back(ours, [_with_servers(one, ours) for one in theirs], place[1]))


def _inside(
    ours: Iterable[VirtualServer], theirs: Iterable[VirtualServer], place: Sequence[str]
) -> Iterable[VirtualServer]:
    """The blocks, with one real server of one of them as theirs have it."""
    source = {one.name: one.real_servers for one in theirs}
    for one in ours:
        if one.name == place[1]:
            yield replace(
                one, real_servers=tuple(put_back(one.real_servers, source.get(one.name, ()), place[3]))
            )
        else:
            yield one


def _with_servers(block: VirtualServer, ours: Iterable[VirtualServer]) -> VirtualServer:
    """The block with our real servers, where we have it."""
    for one in ours:
        if one.name == block.name:
            return replace(block, real_servers=one.real_servers)
    return block


def put_back(ours: Sequence[T], theirs: Sequence[T], name: str) -> list[T]:
    """Our blocks with the one of that name as theirs: changed, gone, or back behind the one before it."""
    wanted = next((one for one in theirs if one.name == name), None)
    if wanted is None:
        return [one for one in ours if one.name != name]
    if any(one.name == name for one in ours):
        return [wanted if one.name == name else one for one in ours]
    before = {one.name for one in theirs[: theirs.index(wanted)]}
    places = [place for place, one in enumerate(ours, 1) if one.name in before]
    at = places[-1] if places else 0
    return [*ours[:at], wanted, *ours[at:]]
