"""Logging in and out, and changing one's password."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from lvs import models
from piranha_web import audit
from piranha_web.access import sessions
from piranha_web.access.backend import PasswordFileBackend
from piranha_web.access.roles import VIEWER, needs
from piranha_web.forms.account import LoginForm, PasswordForm


@needs(VIEWER, always=True)
@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The one page for everybody."""
    form = LoginForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid() and form.user is not None:
        sessions.end_own(request)
        login(request, form.user)
        sessions.begin(request, form.user)
        audit.logged_in(request)
        return redirect(destination(request))
    if request.method == "POST":
        audit.login_refused(request, request.POST.get("username", ""), is_judged=form.is_judged)
    status = 200 if request.method != "POST" else 403
    return render(
        request, "account/login.html", {"form": form, "next": request.GET.get("next", "")}, status=status
    )


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
    form = PasswordForm(request.POST or None, user=request.user.get_username())
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
