"""A router on the manager's own machine: what `piranha enrol` and `piranha join` do between two."""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from lvs import dispatch, models
from lvs.errors import NotPossible, RouterError
from lvs.machines import broker, invitation, redis_users, serials, signing, worker_file
from lvs.machines.worker_file import WorkerFile
from piranha_web.enrolling import authority_for

HERE = "this machine"


def enrol(router: models.Router, path: Path, *, by: str, now: datetime) -> None:
    """Gives the router its user of Redis, and its worker the file that says so. NotPossible, RedisError."""
    refuse_other(path, router.name)
    url = broker.url_in(os.environ)
    client = dispatch.broker()
    client.ping()
    digest = invitation.digest(secrets.token_bytes(invitation.SECRET_BYTES))
    row = models.Enrolment.begin(router, digest, by=by, now=now, ends_at=now + timedelta(minutes=1))
    row.use(HERE, now)
    password = redis_users.grant(client, router.name, note=router.admit)
    file = WorkerFile(
        router=router.name,
        broker_url=redis_users.url_for(url, router.name, password),
        manager_keys=tuple(signing.public_texts(settings.VAR)),
        ca=authority_for(url),
    )
    worker_file.write(path, file, serials.next_serial(settings.VAR))
    row.complete()


def refuse_other(path: Path, router: str) -> None:
    """NotPossible where this machine is another router by its worker's file."""
    try:
        before = worker_file.read(path).router
    except RouterError:
        return  # there is none, or it is of no use to anybody
    if before != router:
        raise NotPossible(
            f"this machine is the router {before} by {path}. If it is to be {router} from now on, put that "
            "file aside first"
        )
