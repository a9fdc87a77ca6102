"""All that lists show of a cluster at one moment: candidate, pending changes, the active router's word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest

from lvs import models, store
from lvs.reported.rates import Busy
from lvs.reported.standing import Standing
from piranha_web.context import current_state
from piranha_web.listing import Listing, Service, listing
from piranha_web.states import CHANGED, Sign, serving, shown_state, signs, standings
from piranha_web.traffic import busy


@dataclass(frozen=True, slots=True)
class Row:
    """A virtual server in the list. in_service: a router runs it, whatever the candidate says."""

    service: Service
    state: str
    forwarding: str
    signs: Sequence[Sign]
    serving: str
    is_changed: bool
    in_service: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """All of a cluster that the list shows, at one moment. changed: what the next revision would change.

    busy: reads how busy each virtual server is now.
    """

    listing: Listing
    known: Mapping[str, Standing] | None
    changed: frozenset[str]
    busy: Callable[[], Mapping[str, Busy]]

    def state(self, service: Service) -> str:
        """Its state in one word."""
        return shown_state(service, self.known)

    def forwarding(self, service: Service) -> str:
        """Its forwarding method, also where it is inherited."""
        return service.forwarding or self.listing.forwarding

    def has_state(self, service: Service, state: str) -> bool:
        """Whether a filter leaves it in."""
        return service.name in self.changed if state == CHANGED else self.state(service) == state

    def standing(self, service: Service) -> Standing | None:
        """What the active router says of it; None: nothing."""
        return self.known.get(service.name) if self.known else None

    def row(self, service: Service) -> Row:
        """It as a row."""
        standing = self.standing(service)
        return Row(
            service=service,
            state=self.state(service),
            forwarding=self.forwarding(service),
            signs=signs(service, standing),
            serving=serving(service, standing),
            is_changed=service.name in self.changed,
            in_service=standing is not None,
        )


def scene_of(request: HttpRequest, cluster: models.Cluster) -> Scene:
    """What there is to see of the cluster now."""
    known = standings(cluster, current_state(request, cluster))
    return Scene(listing(cluster), known, changed_names(cluster), partial(busy, cluster))


def changed_names(cluster: models.Cluster) -> frozenset[str]:
    """The virtual servers that the next revision would change."""
    places = (difference.place for difference in store.pending(cluster))
    return frozenset(place[1] for place in places if place[:1] == ("virtual",))


def owners_of(scene: Scene, addresses: Collection[str]) -> set[str]:
    """The virtual servers that may have a real server with one of these addresses in service.

    By the candidate; and what runs otherwise than the candidate says, as it may have.
    """
    machines = (scene.listing.by_address.get(one) for one in addresses)
    by_candidate = {one.owner for machine in machines if machine for one in machine.members}
    return by_candidate | {
        name for name in scene.known or () if name in scene.changed or name not in scene.listing.by_name
    }
