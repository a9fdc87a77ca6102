"""Signing in by OpenID Connect: away to the issuer, and back with what it says."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_safe

from piranha_web import audit
from piranha_web.access import entering, oidc
from piranha_web.access.oidc_file import Issuer, OidcFileFault, is_on, issuer
from piranha_web.access.roles import VIEWER, needs

log = logging.getLogger("piranha.access")
MOST_NEXT = 500  # signs of the page that was asked for: it travels in a cookie
OUT_OF_ORDER = "Signing in by this way is out of order on this site; the log of the web server says why."


@needs(VIEWER, always=True)
@login_not_required
@require_safe
def oidc_begin(request: HttpRequest) -> HttpResponse:
    """Sends the browser to the issuer."""
    if not is_on():
        raise Http404("Sign-in by an issuer is off.")
    wanted = safe(request, request.GET.get("next", ""))
    try:
        config, flow = means()
        address, begun = flow.begin(config, request, wanted)
    except oidc.NoSignIn as error:
        return failed(request, error, wanted)
    response = redirect(address)
    response.set_cookie(
        oidc.COOKIE,
        begun.sealed(),
        max_age=flow.LIFETIME,
        path=reverse("oidc-begin"),
        secure=settings.SESSION_COOKIE_SECURE or request.is_secure(),
        httponly=True,
        samesite="Lax",  # the issuer's page leads back here
    )
    return response


@needs(VIEWER, always=True)
@login_not_required
@require_safe
def oidc_return(request: HttpRequest) -> HttpResponse:
    """Whom the issuer sends back is logged in, if it vouches for them as it should."""
    if not is_on():
        raise Http404("Sign-in by an issuer is off.")
    wanted = ""
    try:
        config, flow = means()
        begun = flow.opened(request.COOKIES.get(oidc.COOKIE, ""))
        wanted = safe(request, begun.next) if begun else ""
        person = flow.person_of(config, request, begun)
        user = oidc.account_of(config, person, address=audit.address_of(request))
    except oidc.NoSignIn as error:
        response = failed(request, error, wanted)
    else:
        response = let_in(request, user, config, wanted)
    response.delete_cookie(oidc.COOKIE, path=reverse("oidc-begin"), samesite="Lax")
    return response


def means() -> tuple[Issuer, ModuleType]:
    """The file's words, and `oidc_flow`, which takes a library that only they need who have such a file."""
    try:
        config = issuer()
        if config is not None:
            return config, importlib.import_module("piranha_web.access.oidc_flow")
    except OidcFileFault as error:
        log.error("sign-in by OpenID Connect: %s", error)
    except ImportError as error:
        log.error("sign-in by OpenID Connect takes a library (pip install 'piranha-web[oidc]'): %s", error)
    raise oidc.NoSignIn(OUT_OF_ORDER)


def let_in(request: HttpRequest, user: User, config: Issuer, wanted: str) -> HttpResponse:
    """Begins the session; whoever has set up a second factor on this site is asked for a code as well."""
    user.backend = oidc.BACKEND
    is_in = entering.enter(request, user, wanted, f" by {config.host}")
    return redirect(wanted or "control" if is_in else "login-code")


def failed(request: HttpRequest, error: oidc.NoSignIn, wanted: str) -> HttpResponse:
    """Back to the login, with the reason; nobody is logged in by it."""
    if why := getattr(error, "why", ""):
        log.warning("sign-in by OpenID Connect: %s", why)
    audit.refused(request, audit.Action.LOGIN, f"failed to log in by OpenID Connect: {error}")
    messages.error(request, str(error))
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    return redirect(resolve_url(settings.LOGIN_URL) + query)


def safe(request: HttpRequest, wanted: str) -> str:
    """An address of this site; "" for any other."""
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours and len(wanted) <= MOST_NEXT else ""
