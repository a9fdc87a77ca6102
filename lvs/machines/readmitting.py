"""Redis' users for the routers, from the database: a Redis that lost them gets them back.

Redis keeps the hash of each router's password in its aclfile; the database has it too (`models.Router`). Of
the two, Redis counts where it knows a router: it is what that router gets in by. Where it does not know one
that the database has, it was set up anew, or was put back from an older copy: the router gets its user again,
and its worker, which goes on trying, is let in without anybody's doing. One that was revoked or removed stays
out, by whatever password an older aclfile lets it in: who enrols one writes the row first, then Redis.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import redis

from lvs import models
from lvs.machines import redis_users

log = logging.getLogger("piranha.site")


@dataclass(frozen=True, slots=True)
class Readmitted:
    """What was different. put: routers whose user Redis had lost; removed: revoked ones, and such as are
    no routers any more, that it still let in; learnt: those whose hash the database did not have."""

    put: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    learnt: tuple[str, ...] = ()


def readmit(client: redis.Redis, *, from_database: bool = False) -> Readmitted:
    """Puts Redis' users right. redis.RedisError: Redis is away, or this is not its administrator.

    from_database: also where Redis knows another password of a router than the database.
    """
    known = redis_users.hashes(client)
    put, removed, learnt = [], [], []
    for router in models.Router.objects.order_by("name"):
        found = known.get(router.name)
        differs = found != router.redis_hash
        if found and (router.is_shut_out or found == router.revoked_hash):
            redis_users.revoke(client, router.name)
            removed.append(router.name)
            if router.redis_hash:  # enrolled anew since: in by that password alone
                redis_users.put(client, router.name, router.redis_hash)
                put.append(router.name)
        elif router.redis_hash and differs and (found is None or from_database):
            redis_users.put(client, router.name, router.redis_hash)
            put.append(router.name)
        elif found and differs:
            router.admit(found)
            learnt.append(router.name)
    for name in sorted(known.keys() - set(models.Router.objects.values_list("name", flat=True))):
        redis_users.revoke(client, name)
        removed.append(name)
    if put:
        log.warning("Redis had lost the users of %s: they have them again", ", ".join(put))
    if removed:
        log.warning("Redis still let %s in, which are revoked or removed: not any more", ", ".join(removed))
    return Readmitted(tuple(put), tuple(removed), tuple(learnt))
