"""`piranha redis`: the routers' users of Redis, put right at once. Needs Django set up."""

from __future__ import annotations

import sys

import redis

from lvs import dispatch, models
from lvs.machines import readmitting, redis_users
from piranha_web.console.database import ELSEWHERE, database_trouble


def redis_command(*, from_database: bool) -> int:
    """Puts them right and says what was different; the exit code: 0 done, 1 not."""
    if trouble := database_trouble():
        sys.stderr.write(f"The database cannot be used here: {trouble}. {ELSEWHERE}\n")
        return 1
    client = dispatch.broker()
    try:
        found = readmitting.readmit(client, from_database=from_database)
        known = redis_users.hashes(client)
    except redis.RedisError as error:
        sys.stderr.write(
            f"Redis cannot be asked for its users ({error}). If the web server has it elsewhere, run this "
            "again with its PIRANHA_BROKER_URL_FILE; if Redis has no user of the manager's any more: "
            "docs/redis.md.\n"
        )
        return 1
    for names, words in (
        (found.put, "has its user again"),
        (found.removed, "was revoked or removed, and is not let in any more"),
        (found.learnt, "has a user that the database did not know: it does now"),
    ):
        sys.stdout.writelines(f"{name} {words}\n" for name in names)
    lost = models.Router.objects.exclude(name__in=known).order_by("name").values_list("name", flat=True)
    sys.stdout.writelines(f"{name} has no user: piranha enrol {name}\n" for name in lost)
    sys.stdout.write(f"{len(known)} {'router' if len(known) == 1 else 'routers'} may use Redis.\n")
    return 0
