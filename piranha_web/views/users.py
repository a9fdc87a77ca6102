"""ACCOUNTS: who may use the pages, and what each may do; for administrators of everything."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lvs import models
from piranha_web import audit
from piranha_web.access import accounts, lockout, oidc, sessions
from piranha_web.access.failures import in_words, wait_in_words
from piranha_web.access.roles import ADMINISTRATOR, needs, rights_of
from piranha_web.forms.users import AccountForm, FactorRuleForm, GivenPassword, RolesForm

MOST_LOCKS = 100  # on the page; those that end last
administrators = needs(ADMINISTRATOR, everywhere=True)


@administrators
@require_safe
def user_list(request: HttpRequest) -> HttpResponse:
    """Every account with its roles, and who is locked out."""
    now = timezone.now()
    context = {
        "accounts": accounts.entries(),
        "locks": [
            {"one": one, "network": in_words(one.network), "wait": wait_in_words(one.until, now)}
            for one in lockout.current()[:MOST_LOCKS]
        ],
        "rule": FactorRuleForm(initial={"least_role": rights_of(request).factor_from}),
    }
    return render(request, "account/users.html", context)


@administrators
@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def user_add(request: HttpRequest) -> HttpResponse:
    """A new account; a password that was made for it is shown on this answer and never again."""
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name, role = form.cleaned_data["name"], form.cleaned_data["role"]
        password = form.cleaned_data["password"] or accounts.random_password()

        def add() -> None:
            accounts.add(name, password, role)
            note(request, f"added the account {name} as {role.label}", name)

        if is_done(request, add):
            return told(request, name, "" if form.cleaned_data["password"] else password)
    return render(request, "account/user_add.html", {"form": form})


@administrators
@require_safe
def user(request: HttpRequest) -> HttpResponse:
    """One account: what it may do, and the verbs for it."""
    return page(request, named(request.GET), None, None)


@administrators
@require_POST
def user_roles(request: HttpRequest) -> HttpResponse:
    """Gives an account its roles."""
    name = named(request.POST)
    form = RolesForm(request.POST, account=row_of(name))
    if not form.is_valid():
        return page(request, name, form, None)
    role, more = form.cleaned_data["role"], form.cluster_roles()

    def give() -> None:
        accounts.give_roles(name, role, more, by=request.user.get_username())
        words = [f"{role.label} of all clusters"]
        words += [f"{one.label} of {cluster.name}" for cluster, one in more.items() if one is not None]
        note(request, f"made {name} {', '.join(words)}", name)

    if is_done(request, give):
        messages.success(request, f"Saved the roles of {name}. They count from the next page on.")
    return redirect(address_of(name))


@administrators
@sensitive_post_parameters("password", "again")
@require_POST
def user_password(request: HttpRequest) -> HttpResponse:
    """Gives an account another password; its sessions end."""
    name = named(request.POST)
    if name == request.user.get_username():
        messages.info(request, "Your own password you change here, with the one that you have now.")
        return redirect("change-password")
    form = GivenPassword(request.POST)
    if not form.is_valid():
        return page(request, name, None, form)
    password = form.cleaned_data["password"] or accounts.random_password()

    def give() -> None:
        accounts.give_password(name, password)
        note(request, f"gave {name} another password", name)

    if is_done(request, give):
        return told(request, name, "" if form.cleaned_data["password"] else password)
    return redirect(address_of(name))


@administrators
@require_POST
def user_block(request: HttpRequest) -> HttpResponse:
    """Keeps somebody out whom an issuer vouches for, or lets them in again."""
    name, is_blocked = named(request.POST), request.POST.get("verb") == "block"

    def change() -> None:
        oidc.block(name, is_blocked, by=request.user.get_username())
        note(request, f"{'blocked' if is_blocked else 'unblocked'} {name}", name)

    if is_done(request, change):
        after = "is blocked; its sessions have ended" if is_blocked else "may log in again"
        messages.success(request, f"{name} {after}.")
    return redirect(address_of(name))


@administrators
@require_http_methods(["GET", "HEAD", "POST"])
def user_remove(request: HttpRequest) -> HttpResponse:
    """Removes an account, after a page that says what that means."""
    name = named(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST":
        return render(request, "account/user_remove.html", {"account": accounts.entry_of(name)})

    def remove() -> None:
        accounts.remove(name, by=request.user.get_username())
        note(request, f"removed the account {name}", name)

    if is_done(request, remove):
        messages.success(request, f"Removed {name}; its sessions have ended.")
        return redirect("user-list")
    return redirect(address_of(name))


def is_done(request: HttpRequest, change: Callable[[], None]) -> bool:
    """Makes a change and its entry in the audit log together; says why not, if not."""
    try:
        with transaction.atomic():
            change()
    except (accounts.AccountRefused, ValueError) as error:
        messages.error(request, str(error))
        return False
    except OSError as error:
        why = error.strerror or str(error)
        messages.error(request, f"Nothing was changed: the password file cannot be written ({why}).")
        return False
    return True


def note(request: HttpRequest, text: str, name: str) -> None:
    """The entry in the audit log."""
    audit.record(request, audit.Action.ACCOUNT, text, target=name)


def named(given: dict[str, str]) -> str:
    """The account that a request is about."""
    name = given.get("name", "")
    if not accounts.exists(name):
        raise Http404("There is no such account.")
    return name


def row_of(name: str) -> models.Account | None:
    """What the database knows of it."""
    return models.Account.objects.filter(name=name).first()


def address_of(name: str) -> str:
    """The page of an account."""
    return f"{reverse('user')}?{urlencode({'name': name})}"


def page(
    request: HttpRequest, name: str, roles: RolesForm | None, password: GivenPassword | None
) -> HttpResponse:
    """The page of one account, with a form that was sent and has faults."""
    context = {
        "account": accounts.entry_of(name),
        "roles": roles or RolesForm(None, account=row_of(name)),
        "password": password or GivenPassword(),
        "is_own": name == request.user.get_username(),
        "row": row_of(name),
        "sessions": list(sessions.of_account(name)),
        "own_session": sessions.own(request),
    }
    return render(request, "account/user.html", context)


def told(request: HttpRequest, name: str, password: str) -> HttpResponse:
    """The account is ready; password: made for it, to be passed on, and kept nowhere."""
    return render(request, "account/user_told.html", {"name": name, "password": password})
