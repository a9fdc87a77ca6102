"""How long a session lasts, and which ones an account has.

Django's own session keeps what somebody chose; the row in `models.Login` says that it still counts. It ends
when it was not used for PIRANHA_SESSION_IDLE, at the latest PIRANHA_SESSION_LONGEST after it began, when
somebody ends it, and (piranha_web.access.backend) when the password changes or the account goes. All that is
judged here, on the server, at every request; a browser's clock and cookies have no say in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone

from lvs import models
from piranha_web.access.addresses import client_address
from piranha_web.access.roles import UNDECLARED, Needs

log = logging.getLogger("piranha.access")

KEY = "login"  # of the row's id in Django's session
STEP = timedelta(seconds=30)  # between two notes of its use: not every page costs a write
MOST_BROWSER = 200


def begin(request: HttpRequest, user: User) -> models.Login:
    """A session of that user begins; what is over is cleared away."""
    now = timezone.now()
    end_own(request)
    models.Login.objects.exclude(pk__in=lasting(now).values("pk")).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    browser = "".join(one for one in request.META.get("HTTP_USER_AGENT", "") if one.isprintable())
    row = models.Login.objects.create(
        account=user.get_username(),
        password_mark=user.get_session_auth_hash(),
        address=client_address(request),
        browser=browser[:MOST_BROWSER],
        began_at=now,
        used_at=now,
    )
    request.session[KEY] = str(row.pk)
    return row


def lasting(now: datetime) -> QuerySet[models.Login]:
    """The sessions that are not over."""
    return models.Login.objects.filter(
        used_at__gt=now - settings.PIRANHA_SESSION_IDLE, began_at__gt=now - settings.PIRANHA_SESSION_LONGEST
    )


def user_of(request: HttpRequest) -> User:
    """Whoever is logged in."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Log in first.")
    return request.user


def of(request: HttpRequest) -> QuerySet[models.Login]:
    """The sessions of whoever asks, the one used last first."""
    user = user_of(request)
    return lasting(timezone.now()).filter(
        account=user.get_username(), password_mark=user.get_session_auth_hash()
    )


def of_account(name: str) -> QuerySet[models.Login]:
    """The sessions of an account, the one used last first."""
    return lasting(timezone.now()).filter(account=name)


def own(request: HttpRequest) -> models.Login | None:
    """The row of this session."""
    return found(own_id(request))


def own_id(request: HttpRequest) -> str:
    """Its id; "": it has none yet."""
    return str(request.session.get(KEY, ""))


def found(text: str) -> models.Login | None:
    """The row of that id; None: there is none, or it is no id."""
    try:
        return models.Login.objects.filter(pk=text).first() if text else None
    except ValidationError:
        return None


def end_own(request: HttpRequest) -> None:
    """Ends this session's row; the browser's session is for the caller to end."""
    if row := own(request):
        row.delete()


def end(request: HttpRequest, text: str) -> bool:
    """Ends one session of whoever asks; False: it was none (any more)."""
    return end_of(user_of(request).get_username(), text)


def end_of(name: str, text: str) -> bool:
    """Ends one session of an account; False: it was none (any more)."""
    row = found(text)
    if row is None or row.account != name:
        return False
    row.delete()
    return True


def end_all_of(name: str, request: HttpRequest) -> int:
    """Ends every session of an account but the one that asks; how many."""
    count, _of_each = models.Login.objects.filter(account=name).exclude(pk=own_id(request)).delete()
    return count


def end_others(request: HttpRequest) -> int:
    """Ends all sessions of whoever asks but this one; how many."""
    others = of(request).exclude(pk=own_id(request))
    count = others.count()
    # Those of an older password count no more, and go with them.
    name = user_of(request).get_username()
    models.Login.objects.filter(account=name).exclude(pk=own_id(request)).delete()
    return count


def keep_with_new_password(request: HttpRequest, user: User) -> None:
    """After a change of the password: this session goes on with it, the others have ended."""
    end_others(request)
    if row := own(request):
        row.password_mark = user.get_session_auth_hash()
        row.save(update_fields=["password_mark"])


def over(row: models.Login | None, account: str, now: datetime) -> str:
    """Why a session does not count any more, in a sentence; "": it does."""
    if row is None or row.account != account:
        return "This session was ended. Log in again."
    idle, longest = settings.PIRANHA_SESSION_IDLE, settings.PIRANHA_SESSION_LONGEST
    if now - row.began_at >= longest:
        return f"A session lasts {hours(longest)} at most. Log in again."
    if now - row.used_at >= idle:
        return f"You were logged out after {hours(idle)} without use. Log in again."
    return ""


def hours(length: timedelta) -> str:
    """A length in whole hours or minutes."""
    minutes = round(length.total_seconds() / 60)
    if minutes % 60:
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    return f"{minutes // 60} hour{'s' if minutes != 60 else ''}"


class SessionMiddleware:
    """Ends what is over before anything is answered, and notes use. It stands behind MessageMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and user.is_authenticated:
            # A session of Django's without a row's id is older than these rows.
            row = own(request) if KEY in request.session else begin(request, user)
            request.piranha_login = row  # type: ignore[attr-defined]
            if why := over(row, user.get_username(), timezone.now()):
                log.info("%r: %s", user.get_username(), why)
                end_own(request)
                logout(request)
                messages.info(request, why)
        response = self.get_response(request)
        if response.status_code == 302 and request.headers.get("HX-Request"):
            return whole_page(response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> None:
        """Notes that the session is used; a page that asks by itself for news does not use it."""
        declared: Needs = getattr(view, "needs", UNDECLARED)
        if declared.polls or not request.user.is_authenticated:
            return
        row: models.Login | None = getattr(request, "piranha_login", None)
        now = timezone.now()
        if row is None or now - row.used_at < STEP:
            return
        try:
            models.Login.objects.filter(pk=row.pk).update(used_at=now)
        except OperationalError as error:
            log.warning("that %r is in use could not be noted: %s", request.user.get_username(), error)


def whole_page(response: HttpResponse) -> HttpResponse:
    """Has htmx load the whole page again, in place of a login form in the middle of it."""
    if not response.headers["Location"].startswith(resolve_url(settings.LOGIN_URL)):
        return response
    return HttpResponse(status=401, headers={"HX-Refresh": "true"})
