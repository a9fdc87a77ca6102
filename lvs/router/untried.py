"""What need not be tried any more when a change was refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lvs.router.state import Change, InterfaceAddress, Part, ServiceKey, Verb


def services_not_added(changes: Iterable[Change]) -> set[ServiceKey]:
    """The services that refused changes were to add."""
    return {
        change.service_key
        for change in changes
        if change.part is Part.SERVICE and change.verb is Verb.ADD and change.service_key
    }


def addresses_not_added(changes: Iterable[Change]) -> set[InterfaceAddress]:
    """The addresses that refused changes were to add."""
    return {
        change.address
        for change in changes
        if change.part is Part.ADDRESS and change.verb is Verb.ADD and change.address
    }


def pointless(change: Change, not_added: set[ServiceKey]) -> bool:
    """Whether change is of a real server whose service is not there."""
    return change.part is Part.DESTINATION and change.service_key in not_added


def unheard(change: Change, not_added: set[InterfaceAddress]) -> bool:
    """Whether change announces an address that is not up."""
    return change.verb is Verb.ANNOUNCE and change.address in not_added
