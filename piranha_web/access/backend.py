"""Logging in with an account of the password file.

Django keeps a row for each account, without a password: only who somebody is, not whether it is them.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from piranha_web.access import passwords

log = logging.getLogger("piranha.access")


class PasswordFileBackend(BaseBackend):
    """Accounts and passwords are the file's alone."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **credentials: Any,
    ) -> User | None:
        if not username or password is None:
            return None
        if not passwords.check_password(username, password, settings.PIRANHA_PASSWORD_FILE):
            return None
        strengthened(username, password)
        user, _created = User.objects.get_or_create(username=username, defaults={"password": "!"})
        return bound(user)

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.filter(pk=user_id).first()
        return bound(user) if user else None


def strengthened(name: str, password: str) -> None:
    """Replaces an old program's hash, if it can be: a file that cannot be written keeps nobody out."""
    try:
        if passwords.strengthen(name, password, settings.PIRANHA_PASSWORD_FILE):
            log.info("the old hash of %r is replaced by a strong one", name)
    except OSError as error:
        log.warning("the old hash of %r stays, the password file cannot be written: %s", name, error)


def bound(user: User) -> User | None:
    """The user with a stand-in for a password, made of the account's hash in the file; None without account.

    Django ends a session when its user's password changes. In this way a session ends also when the password
    was changed, or the account removed, in the file.
    """
    found = passwords.hash_of(user.get_username(), settings.PIRANHA_PASSWORD_FILE)
    if found is None:
        return None
    user.password = "!" + hashlib.sha256(found.encode()).hexdigest()
    return user
