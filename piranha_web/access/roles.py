"""What each account may do: every view says the least role that it needs, and nothing else decides.

A view that says nothing is for administrators. What the templates leave out for somebody is a courtesy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from lvs import models
from piranha_web import audit
from piranha_web.access import passwords
from piranha_web.access.known import Kind, known_of
from piranha_web.context import cluster_of

log = logging.getLogger("piranha.access")

VIEWER, OPERATOR, ADMINISTRATOR = (
    models.UserRole.VIEWER,
    models.UserRole.OPERATOR,
    models.UserRole.ADMINISTRATOR,
)
ALWAYS_ADMINISTRATOR = "piranha"  # Piranha's one account: no row of the database can take its role away
PASSWORDS = "piranha_web.access.backend.PasswordFileBackend"
READING = ("GET", "HEAD")
MOST_NAMES = 20  # of those who may, on a page that refuses

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The least role for a view: read for GET and HEAD, write for every other method.

    everywhere: it is about no cluster in particular, so a role in one is not enough. always: it can be asked
    also by somebody who has to change the password, or set up a second factor, first. polls: pages ask it by
    themselves, again and again, so that it says nothing of anybody being there (piranha_web.access.sessions).
    """

    read: models.UserRole = ADMINISTRATOR
    write: models.UserRole = ADMINISTRATOR
    everywhere: bool = False
    always: bool = False
    polls: bool = False


UNDECLARED = Needs(everywhere=True)


def needs(
    read: models.UserRole,
    write: models.UserRole | None = None,
    *,
    everywhere: bool = False,
    always: bool = False,
    polls: bool = False,
) -> Callable[[View], View]:
    """Declares a view's least roles; with one of them for both. It stands above all other decorators."""
    declared = Needs(
        read=read,
        write=read if write is None else write,
        everywhere=everywhere,
        always=always,
        polls=polls,
    )

    def declare(view: View) -> View:
        view.needs = declared  # type: ignore[attr-defined]
        return view

    return declare


@dataclass(frozen=True, slots=True)
class Rights:
    """What one account may do."""

    everywhere: models.UserRole
    clusters: dict[int, models.UserRole]  # by the cluster's pk, where it is more
    must_change: bool = False
    needs_factor: bool = False  # whatever the rule for its role says
    factor_from: int | None = None  # the role from which on that rule wants a second factor; None: from none
    has_factor: bool = False

    @property
    def highest(self) -> models.UserRole:
        """What it may do where it may most."""
        return max([self.everywhere, *self.clusters.values()])

    def of(self, cluster: models.Cluster | None) -> models.UserRole:
        """The role in a cluster; None: where no cluster is meant."""
        more = self.clusters.get(cluster.pk) if cluster else None
        return max(self.everywhere, more or VIEWER)


def rights(name: str) -> Rights:
    """What the database says of an account; nothing about it makes a viewer."""
    everywhere, must_change, needs_factor = VIEWER, False, False
    clusters: dict[int, models.UserRole] = {}
    factor_from, has_factor = None, False
    for kind, first, second, third in known_of(name):
        match kind:
            case Kind.ACCOUNT:
                everywhere = models.UserRole(first)
                must_change, needs_factor = bool(second), bool(third)
            case Kind.CLUSTER:
                clusters[first] = models.UserRole(second)
            case Kind.RULE:
                factor_from = first
            case Kind.FACTOR:
                has_factor = True
    return Rights(
        ADMINISTRATOR if name == ALWAYS_ADMINISTRATOR else everywhere,
        clusters,
        must_change,
        needs_factor,
        factor_from,
        has_factor,
    )


def rights_of(request: HttpRequest) -> Rights:
    """The same of whoever asks, read once a request."""
    kept: Rights | None = getattr(request, "piranha_rights", None)
    if kept is None:
        kept = rights(request.user.get_username())
        request.piranha_rights = kept  # type: ignore[attr-defined]
    return kept


def must_enrol(request: HttpRequest) -> bool:
    """Whether whoever asks has to set up a second factor before anything else; judged once a request.

    Only of those who logged in with a password of this site: what else an issuer asks for is its own affair.
    """
    kept: bool | None = getattr(request, "piranha_must_enrol", None)
    if kept is None:
        by_password = request.session.get(BACKEND_SESSION_KEY) == PASSWORDS
        kept = by_password and is_due(rights_of(request))
        request.piranha_must_enrol = kept  # type: ignore[attr-defined]
    return kept


def is_due(found: Rights) -> bool:
    """Whether an account has to have a second factor, and has none."""
    by_rule = found.factor_from is not None and found.highest >= found.factor_from
    is_needed = found.needs_factor or by_rule
    return is_needed and not found.has_factor


def holders(role: models.UserRole, cluster: models.Cluster | None) -> list[str]:
    """The accounts with at least that role, in a cluster or (None) everywhere."""
    names = passwords.names(settings.PIRANHA_PASSWORD_FILE)
    found = models.Account.objects.filter(name__in=names, role__gte=role)
    if cluster is not None:
        found |= models.Account.objects.filter(
            name__in=names, cluster_roles__cluster=cluster, cluster_roles__role__gte=role
        )
    known = set(found.values_list("name", flat=True))
    return [name for name in names if name in known or name == ALWAYS_ADMINISTRATOR or role == VIEWER]


@dataclass(frozen=True, slots=True)
class May:
    """What a page offers: operate, change (the cluster in view), manage (accounts, clusters)."""

    operate: bool = False
    change: bool = False
    manage: bool = False


def may(request: HttpRequest) -> dict[str, Any]:
    """For templates: what whoever looks may do in the cluster in view."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"may": May()}
    found = rights_of(request)
    if found.must_change:
        return {"may": May(), "must_change": True, "is_held": True}
    if must_enrol(request):
        return {"may": May(), "must_enrol": True, "is_held": True}
    role = found.of(cluster_of(request))
    return {
        "role": role.label,
        "may": May(
            operate=role >= OPERATOR, change=role >= ADMINISTRATOR, manage=found.everywhere >= ADMINISTRATOR
        ),
    }


class RoleMiddleware:
    """Asks before each view whether this account may; it stands behind LoginRequiredMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """None: go on. Anonymous requests come here only for views that need no login."""
        if not request.user.is_authenticated:
            return None
        declared: Needs = getattr(view, "needs", UNDECLARED)
        found = rights_of(request)
        if found.must_change and not declared.always:
            return redirect("change-password")
        if not declared.always and must_enrol(request):
            return redirect("factor")
        cluster = None if declared.everywhere else cluster_of(request)
        least = declared.read if request.method in READING else declared.write
        if found.of(cluster) >= least:
            return None
        return refused(request, least, found.of(cluster), cluster)


def refused(
    request: HttpRequest, least: models.UserRole, own: models.UserRole, cluster: models.Cluster | None
) -> HttpResponse:
    """The page that says which role it takes, and who has it."""
    log.warning("refused %r: %s takes the role %s", request.user.get_username(), request.path, least.label)
    audit.refused_by_role(request, least.label, cluster)
    who = holders(least, cluster)
    context = {
        "least": least.label,
        "own": own.label,
        "of": cluster,
        "changes": request.method not in READING,
        "who": who[:MOST_NAMES],
        "more": max(0, len(who) - MOST_NAMES),
    }
    return render(request, "errors/role.html", context, status=403)
