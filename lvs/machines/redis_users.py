"""A user of Redis for each router, which reaches only what is its own (redis.io, "ACL").

Who has taken over a router has its worker's file, and so its Redis password. With it he gets at that router's
queue, reports and answers: not at another router's, nor at the manager's, nor at Redis itself. The manager
is the user `default`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import redis

from lvs.errors import NotPossible
from lvs.machines.worker_file import NAME, queue_of

# piranha:KIND:NAME and what is below it. Not piranha:*:NAME: a star also stands for colons.
KINDS = ("report", "brief", "traffic", "looked", "refused", "wanted", "answer")

COMMANDS = (
    # of the connection
    "auth", "hello", "ping", "quit", "reset", "client|id", "client|setname", "time",
    "multi", "exec", "discard", "watch", "unwatch",
    # of the queue: it takes from there and puts nothing in
    "brpop", "rpop", "llen",
    # of what the worker writes down and reads
    "exists", "del", "unlink", "expire", "pexpire", "ttl", "pttl",
    "get", "set", "mget", "setrange", "getrange", "strlen", "append",
    "hget", "hset", "hmget", "hgetall", "hdel", "hincrby", "hkeys", "hlen", "hexists",
    "zadd", "zrange", "zrangebyscore", "zrem", "zremrangebyscore", "zcard", "zscore",
)  # fmt: skip
SINCE_7_2 = "client|setinfo"  # redis-py tells its name with each connection; refused, it would fill ACL LOG


def user_of(router: str) -> str:
    """The name of a router's user in Redis."""
    return f"router.{router}"


def grant(client: redis.Redis, router: str, *, note: Callable[[str], object] | None = None) -> str:
    """Makes the router's user in Redis anew; its password, of which Redis keeps a hash.

    note is given the hash before Redis is: whoever compares the two in between (`lvs.machines.readmitting`)
    must not take the new user for one that nobody made. Who is connected by an older password is cut off. It
    is kept over a restart of Redis where that has an aclfile. NotPossible: that is no name of a router;
    redis.RedisError: Redis is away.
    """
    if not NAME.fullmatch(router):
        raise NotPossible(
            f"{router!r} can be no router's name: letters, digits, dots, dashes and underlines."
        )
    password = secrets.token_urlsafe(32)
    # Whoever is connected by the older one goes.
    _acl(client, "DELUSER", user_of(router))
    if note:
        note(hash_of(password))
    put(client, router, hash_of(password))
    return password


def put(client: redis.Redis, router: str, hashed: str) -> None:
    """Gives Redis a router's user by the hash of its password. redis.RedisError: Redis is away."""
    rule = (
        "reset", "on", f"#{hashed}", f"~{queue_of(router)}", *_keys(router), "-@all",
        *(f"+{command}" for command in COMMANDS),
        # Of Redis' databases only the one that is looked at: what lies in another one nobody finds again.
        f"+select|{client.connection_pool.connection_kwargs.get('db') or 0}",
    )  # fmt: skip
    # In one command, so that there is no moment at which it may do too much, or may not do what it needs.
    try:
        _acl(client, "SETUSER", user_of(router), *rule, f"+{SINCE_7_2}")
    except redis.ResponseError:  # an older Redis refuses the whole rule for a command that it does not know
        _acl(client, "SETUSER", user_of(router), *rule)
    _save(client)


def hash_of(password: str) -> str:
    """What Redis keeps of a password: its SHA-256."""
    return hashlib.sha256(password.encode()).hexdigest()


def hashes(client: redis.Redis) -> dict[str, str]:
    """The hash of each router's password that Redis knows, by the router's name. redis.RedisError."""
    found = {}
    for line in _acl(client, "LIST"):
        words = (line.decode() if isinstance(line, bytes) else str(line)).split()
        hashed = [word[1:] for word in words if word.startswith("#")]
        if words[1].startswith(user_of("")) and "on" in words and len(hashed) == 1:
            found[words[1].removeprefix(user_of(""))] = hashed[0]
    return found


def revoke(client: redis.Redis, router: str) -> bool:
    """Takes the router's user away and cuts it off; whether it had one. redis.RedisError: Redis is away

    What it wrote goes too: one that was taken over may have filled Redis, and then nobody can write there.
    """
    gone = bool(_acl(client, "DELUSER", user_of(router)))
    for kind in KINDS if NAME.fullmatch(router) else ():
        key = f"piranha:{kind}:{router}"
        client.unlink(key, *client.scan_iter(f"{key}:*", count=1000))
    if gone:
        _save(client)
    return gone


def has_user(client: redis.Redis, router: str) -> bool:
    """Whether the router has a user. redis.RedisError: Redis is away."""
    return _acl(client, "GETUSER", user_of(router)) is not None


def url_for(broker_url: str, router: str, password: str) -> str:
    """The manager's broker URL with a router's user in place of the manager's."""
    parts = urlsplit(broker_url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user_of(router))}:{quote(password, safe='')}@{where}"))


def _keys(router: str) -> Iterator[str]:
    for kind in KINDS:
        yield f"~piranha:{kind}:{router}"
        yield f"~piranha:{kind}:{router}:*"


def _acl(client: redis.Redis, *words: str) -> Any:
    return client.execute_command("ACL", *words)  # type: ignore[no-untyped-call]


def _save(client: redis.Redis) -> None:
    """Writes the users into Redis' aclfile; one that has none keeps them until it is restarted."""
    found = client.config_get("aclfile")
    if found.get("aclfile"):
        _acl(client, "SAVE")
