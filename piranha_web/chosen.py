"""Which virtual and real servers a request means: those that were ticked on a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import QueryDict

from piranha_web.listing import Listing, Member, Service
from piranha_web.servers import Target, target_of

MOST_DIGITS = 18  # of a number that a database takes


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request names. missing: how many of it are not in this cluster (any more)."""

    services: tuple[Service, ...] = ()
    members: tuple[Member, ...] = ()
    missing: int = 0

    @property
    def numbers(self) -> str:
        """The same for a hidden field, so that what was shown is what is changed."""
        pks = [one.pk for one in self.services] + [one.pk for one in self.members]
        return " ".join(map(str, pks))


def numbers_in(given: QueryDict) -> list[str]:
    """What `pick` (one each) and `picked` (all in one) name, each once, in that order."""
    texts = [*given.getlist("pick"), *given.get("picked", "").split()]
    return list(dict.fromkeys(texts))


def services_named(numbers: Iterable[str], listing: Listing) -> Chosen:
    """The virtual servers with these numbers, in the order of lvs.cf."""
    wanted = list(numbers)
    found = {one.pk for text in wanted if (one := listing.by_pk.get(number_of(text))) is not None}
    return Chosen(
        services=tuple(one for one in listing.services if one.pk in found), missing=len(wanted) - len(found)
    )


def members_named(
    numbers: Iterable[str], targets: Sequence[str], addresses: Sequence[str], listing: Listing
) -> Chosen:
    """The real servers that are named by number, as target (shop/web1) or by address (in all services)."""
    found: dict[int, Member] = {}
    missing = 0
    named = [number_of(text) for text in numbers]
    if named:
        wanted = set(named)
        known = {one.pk: one for service in listing.services for one in service.members if one.pk in wanted}
        missing += sum(pk not in known for pk in wanted)
        found |= known
    for text in targets:
        one = member_of(target_of(text), listing)
        if one is None:
            missing += 1
        else:
            found[one.pk] = one
    for address in addresses:
        machine = listing.by_address.get(address)
        missing += machine is None
        found |= {one.pk: one for one in machine.members} if machine else {}
    return Chosen(members=tuple(found.values()), missing=missing)


def member_of(target: Target | None, listing: Listing) -> Member | None:
    """The real server of the candidate that a target names."""
    service = listing.by_name.get(target[0]) if target else None
    if service is None or target is None:
        return None
    return next((one for one in service.members if one.name == target[1]), None)


def number_of(text: str) -> int:
    """A primary key; 0, which nothing has, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else 0
