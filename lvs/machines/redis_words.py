"""What Redis' errors mean to an administrator, where Redis itself does not say what to do. Pure."""

from __future__ import annotations

# How Redis refuses a write at its maxmemory (redis.conf, "maxmemory-policy noeviction"). Celery puts the same
# words into an error of its own.
OUT_OF_MEMORY = "used memory > 'maxmemory'"
FULL = (
    "Redis has no memory left, so it takes no orders for routers and no reports of theirs; the routers go on "
    "as they are. Give it more: maxmemory in its configuration, at once redis-cli CONFIG SET maxmemory 1gb. "
    "If one router fills it (redis-cli --bigkeys), revoke that one: piranha enrol ROUTER --revoke"
)


def is_full(error: object) -> bool:
    """Whether that is Redis' refusal for lack of memory."""
    return OUT_OF_MEMORY in str(error)


def in_words(error: object) -> str:
    """The error as it is to be shown."""
    return FULL if is_full(error) else str(error)
