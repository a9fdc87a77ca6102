"""The way in: who has shown who they are gets a session, or, with a second factor, a page that asks for it.

Between the two steps nobody is logged in: the session holds a note of who is awaited, and nothing else, so
every page leads to the login as for anybody. The note ends after STEP_LASTS, and with the password that it
was made with. The session's id changes at both steps.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth import load_backend, login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from piranha_web import audit
from piranha_web.access import second_factor, sessions

KEY = "second-step"
STEP_LASTS = timedelta(minutes=5)
LONGEST = int(STEP_LASTS.total_seconds())


def enter(request: HttpRequest, user: User, wanted: str = "", how: str = "") -> bool:
    """Somebody has shown that they are that user, by a password or otherwise (user.backend: by which).

    True: they are in. False: a code is asked for first, at the page `login-code`. wanted: the page to go to
    then; how: for the audit log, as ` by sso.example.com`.
    """
    if second_factor.device_of(user.get_username()) is not None:
        wait_for_code(request, user, wanted, how)
        return False
    begin(request, user, how)
    return True


def begin(request: HttpRequest, user: User, how: str = "") -> None:
    """The session. how: what the audit log says besides."""
    sessions.end_own(request)
    request.session.pop(KEY, None)
    request.session.set_expiry(None)
    login(request, user, backend=user.backend)
    sessions.begin(request, user)
    name = user.get_username()
    audit.record(
        request, audit.Action.LOGIN, f"logged in{how}", target=name, browser=audit.browser_of(request)
    )


def wait_for_code(request: HttpRequest, user: User, wanted: str, how: str) -> None:
    """Notes who is awaited, in a session that has nothing else."""
    sessions.end_own(request)
    logout(request)
    rotate_token(request)
    request.session[KEY] = {
        "user": user.pk,
        "mark": user.get_session_auth_hash(),
        "backend": user.backend,
        "began": timezone.now().timestamp(),
        "wanted": wanted,
        "how": how,
    }
    request.session.set_expiry(LONGEST)


def awaited(request: HttpRequest) -> User | None:
    """Whose code is awaited; None: nobody's, or no longer."""
    note = request.session.get(KEY)
    if note is None:
        return None
    age = timezone.now().timestamp() - note["began"]
    user = load_backend(note["backend"]).get_user(note["user"]) if 0 <= age < LONGEST else None
    if not isinstance(user, User) or not constant_time_compare(note["mark"], user.get_session_auth_hash()):
        stop(request)
        return None
    user.backend = note["backend"]
    return user


def noted(request: HttpRequest, what: str) -> str:
    """What the first step left for the second: `wanted` or `how`."""
    return str(request.session.get(KEY, {}).get(what, ""))


def stop(request: HttpRequest) -> None:
    """Nobody is awaited any more."""
    request.session.flush()
