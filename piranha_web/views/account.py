"""Logging in and out, and changing one's password."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from lvs import models
from piranha_web import audit
from piranha_web.access import entering, lockout, oidc, second_factor, sessions
from piranha_web.access.backend import PasswordFileBackend
from piranha_web.access.failures import Lock
from piranha_web.access.roles import VIEWER, needs
from piranha_web.forms.account import CodeForm, LoginForm, PasswordForm

FIRST_STEP_FIRST = "Log in with name and password first; after that a code is awaited for some minutes."


@needs(VIEWER, always=True)
@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The one page for everybody."""
    form = LoginForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid() and form.user is not None:
        wanted = destination(request)
        is_in = entering.enter(request, form.user, wanted)
        return redirect(wanted if is_in else "login-code")
    if request.method == "POST":
        audit.login_refused(request, request.POST.get("username", ""), is_judged=form.is_judged)
    context = {"form": form, "next": request.GET.get("next", "")}
    response = render(request, "account/login.html", context, status=status_of(request, form.lock))
    if form.lock is not None:
        response["Retry-After"] = str(max(1, round((form.lock.until - timezone.now()).total_seconds())))
    return response


@needs(VIEWER, always=True)
@login_not_required
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_code(request: HttpRequest) -> HttpResponse:
    """The second step: a code of whoever has given the right password."""
    user = entering.awaited(request)
    if user is None:
        if request.user.is_authenticated:
            return redirect("control")
        messages.info(request, FIRST_STEP_FIRST)
        return redirect("login")
    form = CodeForm(request.POST or None)
    form.fields["code"].widget.attrs["autofocus"] = True
    if request.method == "POST" and form.is_valid():
        verdict = second_factor.check(request, user, form.cleaned_data["code"])
        if verdict.ok:
            return let_in(request, user, verdict.left)
        if lock := lockout.lock_of(request, user.get_username()):
            entering.stop(request)
            messages.error(request, lockout.refusal(lock, timezone.now()))
            return redirect("login")
        form.add_error("code", verdict.why)
    context = {"form": form, "name": user.get_username(), "minutes": entering.LONGEST // 60}
    return render(request, "account/code.html", context, status=status_of(request, None))


def let_in(request: HttpRequest, user: User, left: int | None) -> HttpResponse:
    """Begins the session after both steps. left: recovery codes that remain, None: none was used."""
    wanted, how = entering.noted(request, "wanted"), entering.noted(request, "how")
    by = " and a code" if left is None else f" and a recovery code, of which {left} remain"
    entering.begin(request, user, f"{how or ' by password'}{by}")
    if left is not None:
        messages.warning(
            request, f"That recovery code is used up; {left} remain. New ones you make at Second factor."
        )
    return redirect(wanted or "control")


def status_of(request: HttpRequest, lock: Lock | None) -> int:
    """The HTTP status of a page with a form that lets somebody in, or refuses to."""
    if request.method != "POST":
        return 200
    return 403 if lock is None else 429


def destination(request: HttpRequest) -> str:
    """Where the login was asked for, if that is a page of this site."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url("control")


@needs(VIEWER, always=True)
@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Ends the session."""
    audit.record(request, audit.Action.LOGOUT, "logged out")
    sessions.end_own(request)
    logout(request)
    messages.success(request, "You are logged out.")
    return redirect("login")


@needs(VIEWER, always=True)
@sensitive_post_parameters("old", "new", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """CHANGE PASSWORD; every other session of the account ends."""
    if host := oidc.elsewhere(request.user.get_username()):
        messages.info(request, f"Your password is kept by {host}: change it there.")
        return redirect("session-list")
    form = PasswordForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            audit.record(request, audit.Action.PASSWORD, "changed the password", target=form.user)
            models.Account.objects.filter(name=form.user).update(must_change=False)
            form.save()
        user = PasswordFileBackend().get_user(request.user.pk or 0)
        if user is not None:
            update_session_auth_hash(request, user)
            sessions.keep_with_new_password(request, user)
        messages.success(request, "Your password is changed. Your other sessions have ended.")
        return redirect("control")
    return render(request, "account/password.html", {"form": form})
