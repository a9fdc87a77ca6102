"""ACCOUNTS: second factors and sessions of others, and who is locked out for guessing."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from lvs import models
from piranha_web import audit
from piranha_web.access import accounts, lockout, second_factor, sessions
from piranha_web.access.failures import Kind, in_words, network_of
from piranha_web.forms.users import FactorRuleForm
from piranha_web.views.users import address_of, administrators, is_done, named

ALL = "all"
MUST, NEED_NOT, TAKE_AWAY = "must", "need-not", "take-away"


@administrators
@require_POST
def user_factor(request: HttpRequest) -> HttpResponse:
    """Says whether an account must have a second factor, or takes away the one that it has."""
    name, verb = named(request.POST), request.POST.get("verb", "")
    if verb not in (MUST, NEED_NOT, TAKE_AWAY):
        raise Http404("There is no such verb.")

    def change() -> None:
        if verb == TAKE_AWAY:
            accounts.take_factor_away(name)
            note(request, f"took the second factor of {name} away", name)
        else:
            accounts.require_factor(name, verb == MUST)
            note(
                request,
                f"said that {name} {'must' if verb == MUST else 'need not'} have a second factor",
                name,
            )

    if is_done(request, change):
        messages.success(
            request,
            {
                MUST: f"{name} must have a second factor; without one it can only set one up.",
                NEED_NOT: f"{name} need not have a second factor, unless its role does.",
                TAKE_AWAY: f"{name} has no second factor any more, and its sessions have ended.",
            }[verb],
        )
    return redirect(address_of(name))


@administrators
@require_POST
def user_factor_rule(request: HttpRequest) -> HttpResponse:
    """Says from which role on every account must have a second factor."""
    form = FactorRuleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles that are offered. Nothing was changed.")
        return redirect("user-list")
    least: models.UserRole | None = form.cleaned_data["least_role"]
    words = "no role must have" if least is None else f"accounts from {least.label} on must have"
    with transaction.atomic():
        accounts.set_factor_rule(least)
        note(request, f"said that {words} a second factor", "")
    messages.success(request, f"Saved: {words} a second factor. It counts from the next page on.")
    return redirect("user-list")


@administrators
@require_POST
def user_session_end(request: HttpRequest) -> HttpResponse:
    """Ends one session of an account, or all but the one that asks."""
    name, which = named(request.POST), request.POST.get("session", "")
    with transaction.atomic():
        if which == ALL:
            count = sessions.end_all_of(name, request)
        else:
            count = int(sessions.end_of(name, which))
        if count:
            ended = f"{count} session{'s' if count != 1 else ''} of {name}"
            audit.record(request, audit.Action.LOGOUT, f"ended {ended}", target=name)
            messages.success(request, f"Ended {ended}.")
        else:
            messages.info(request, "That session was over already.")
    return redirect(address_of(name))


@administrators
@require_POST
def user_unlock(request: HttpRequest) -> HttpResponse:
    """Lets somebody try again who is locked out for guessing."""
    kind, name = request.POST.get("kind", ""), request.POST.get("name", "")[: lockout.MOST_NAME]
    where = network_of(request.POST.get("network", ""))
    if kind not in Kind.__members__:
        raise Http404("There is no such lock.")
    with transaction.atomic():
        gone = lockout.unlock(
            None if kind == Kind.NETWORK.name else name, None if kind == Kind.NAME.name else where
        )
        if kind != Kind.NETWORK.name:
            second_factor.end_waits(name)
        whom = "everybody" if kind == Kind.NETWORK.name else name[: audit.MOST_NAME] or "no name"
        place = "everywhere" if kind == Kind.NAME.name else in_words(where) or "no address"
        if gone:
            audit.record(request, audit.Action.LOCK, f"unlocked {whom} from {place}", target=whom)
    if gone:
        messages.success(request, f"Unlocked {whom} from {place}.")
    else:
        messages.info(request, "That wait was over already.")
    return redirect("user-list")


def note(request: HttpRequest, text: str, name: str) -> None:
    """The entry in the audit log."""
    audit.record(request, audit.Action.SECOND_FACTOR, text, target=name)
