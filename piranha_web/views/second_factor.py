"""SECOND FACTOR: an authenticator app for one's own account, its recovery codes, and switching it off."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from piranha_web import audit
from piranha_web.access import oidc, second_factor, sessions
from piranha_web.access.roles import VIEWER, needs
from piranha_web.forms.account import CodeForm, FirstCodeForm, PresentPasswordForm, SwitchOffForm

everybody = needs(VIEWER, always=True)


@everybody
@require_safe
def factor(request: HttpRequest) -> HttpResponse:
    """How it stands, and what can be done next."""
    if host := oidc.elsewhere(audit.user_of(request)):
        messages.info(request, f"You log in by {host}: a second factor is asked for there, or not at all.")
        return redirect("session-list")
    return page(request)


@everybody
@sensitive_post_parameters("old")
@require_POST
def factor_start(request: HttpRequest) -> HttpResponse:
    """Makes the key of an app, for whoever knows the password."""
    user = sessions.user_of(request)
    if second_factor.device_of(user.get_username()) is not None:
        messages.info(request, "You have a second factor. For another app, switch it off first.")
        return redirect("factor")
    form = PresentPasswordForm(request.POST, request=request)
    if not form.is_valid():
        return page(request, start=form)
    with transaction.atomic():
        second_factor.start(user)
        note(request, "began to set up a second factor")
    return redirect("factor")


@everybody
@sensitive_post_parameters("code")
@require_POST
def factor_confirm(request: HttpRequest) -> HttpResponse:
    """Takes the app into use when it shows the right code; the recovery codes are on this answer alone."""
    user = sessions.user_of(request)
    if second_factor.in_the_making(user) is None and second_factor.device_of(user.get_username()) is None:
        messages.error(request, "That key was made too long ago, and counts no more. Begin anew.")
        return redirect("factor")
    form = FirstCodeForm(request.POST)
    if not form.is_valid():
        return page(request, confirm=form)
    with transaction.atomic():
        codes = second_factor.confirm(user, form.cleaned_data["code"])
        if codes is not None:
            note(request, "set up a second factor")
            sessions.end_others(request)
    if codes is None:
        form.add_error(
            "code", "The app should show another code. Is this the one of now, and its clock right?"
        )
        return page(request, confirm=form)
    return told(request, codes, is_new=True)


@everybody
@sensitive_post_parameters("code")
@require_POST
def factor_codes(request: HttpRequest) -> HttpResponse:
    """Other recovery codes; those before are worth nothing from now on."""
    user = sessions.user_of(request)
    form = CodeForm(request.POST)
    if form.is_valid():
        verdict = second_factor.check(request, user, form.cleaned_data["code"])
        if verdict.ok:
            with transaction.atomic():
                codes = second_factor.new_codes(user)
                note(request, "made new recovery codes")
            return told(request, codes, is_new=False)
        form.add_error("code", verdict.why)
    return page(request, codes=form)


@everybody
@sensitive_post_parameters("old", "code")
@require_POST
def factor_off(request: HttpRequest) -> HttpResponse:
    """Switches it off, with all that it takes to log in."""
    user = sessions.user_of(request)
    form = SwitchOffForm(request.POST, request=request)
    if form.is_valid():
        verdict = second_factor.check(request, user, form.cleaned_data["code"])
        if verdict.ok:
            with transaction.atomic():
                second_factor.take_away(user.get_username())
                note(request, "switched off the second factor")
            messages.success(request, "The second factor is off. From now on the password alone lets you in.")
            return redirect("factor")
        form.add_error("code", verdict.why)
    return page(request, off=form)


def note(request: HttpRequest, text: str) -> None:
    """The entry in the audit log, which never has a key or a code."""
    audit.record(request, audit.Action.SECOND_FACTOR, text, target=audit.user_of(request))


def page(
    request: HttpRequest,
    *,
    start: PresentPasswordForm | None = None,
    confirm: FirstCodeForm | None = None,
    codes: CodeForm | None = None,
    off: SwitchOffForm | None = None,
) -> HttpResponse:
    """The page, with a form that was sent and has faults."""
    user = sessions.user_of(request)
    device = second_factor.device_of(user.get_username())
    made = None if device else second_factor.in_the_making(user)
    context = {
        "device": device,
        "left": second_factor.codes_left(user) if device else 0,
        # segno writes this out of a key and an address that it encodes: no sign of either stands in it.
        "picture": mark_safe(second_factor.picture(made)) if made else "",  # noqa: S308
        "key": second_factor.key_in_words(made) if made else "",
        "address": made.config_url if made else "",
        "start": start or PresentPasswordForm(None, request=request),
        "confirm": confirm or FirstCodeForm(),
        "codes": codes or CodeForm(prefix=None, auto_id="codes_%s"),
        "off": off or SwitchOffForm(None, request=request),
    }
    return render(request, "account/factor.html", context)


def told(request: HttpRequest, codes: list[str], *, is_new: bool) -> HttpResponse:
    """The recovery codes, this once."""
    return render(request, "account/factor_codes.html", {"codes": codes, "is_new": is_new})
