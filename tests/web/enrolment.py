"""A site at which routers can be enrolled: it shows a certificate of its own, and Redis has an address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.test import Client

from lvs import models
from lvs.machines.invitation import Invitation, read
from piranha_web import enrolling
from piranha_web.enrolling import BROKER_VARIABLE
from piranha_web.tls import authority
from piranha_web.tls.serving import REMEMBERED, Serving


@contextmanager
def able(url: str = "rediss://192.0.2.1:6380/0") -> Iterator[Serving]:
    """While inside, tokens can be made."""
    now = datetime.now(UTC)
    serving = Serving.from_environment({"PIRANHA_VAR": str(settings.VAR), "PIRANHA_BIND": "192.0.2.1"})
    serving.ensure(now)
    serving.remember()
    authority.ensure(settings.VAR, now)
    os.environ[BROKER_VARIABLE] = url
    try:
        yield serving
    finally:
        del os.environ[BROKER_VARIABLE]
        (settings.VAR / REMEMBERED).unlink()


def invited(router: models.Router, **more: Any) -> Invitation:
    """A token for that router, as its machine reads it."""
    with able():
        return read(enrolling.invite(router, by="bob", **({"now": datetime.now(UTC)} | more)).token)


def knock(one: Invitation, client: Client | None = None, **more: Any) -> Any:
    """What the site answers to the router with that token."""
    words = {"router": one.router, "secret": one.secret.hex()} | more
    with able():
        return (client or Client()).post("/enrol", json.dumps(words), "application/json", secure=True)
