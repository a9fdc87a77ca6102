"""What it costs to check a password against a hash that another program wrote.

A hash says itself how much work it takes, from milliseconds to years. One login with a file that somebody
else made must not keep the web server busy or take its memory: what takes more than about a
second is not believed. Its owner gets another password by `piranha passwd`.
"""

from __future__ import annotations

import re

MOST_BCRYPT = 13  # each step doubles the work; htpasswd writes 5, and 17 at most
MOST_ROUNDS = 1_000_000  # of SHA-256 and SHA-512; crypt(3) takes 999,999,999
MOST_MEMORY = 256 * 1024  # KiB of argon2
MOST_WORK = 1024 * 1024  # KiB of argon2 times its passes

_BCRYPT = re.compile(r"\$2[aby]?\$(\d\d)\$")
_ROUNDS = re.compile(r"\$[56]\$rounds=(\d{1,10})\$")
_ARGON2 = re.compile(r"\$argon2id?\$(?:v=\d+\$)?m=(\d{1,10}),t=(\d{1,10}),p=\d{1,10}")


def is_affordable(found: str) -> bool:
    """Whether checking a password against this hash takes a bearable time and memory."""
    if bcrypt := _BCRYPT.match(found):
        return int(bcrypt[1]) <= MOST_BCRYPT
    if rounds := _ROUNDS.match(found):
        return int(rounds[1]) <= MOST_ROUNDS
    if argon2 := _ARGON2.match(found):
        memory, passes = int(argon2[1]), int(argon2[2])
        return memory <= MOST_MEMORY and memory * passes <= MOST_WORK
    # Kinds without a number in it cost what they cost; with one that is written otherwise they cost anything.
    return not found.startswith(("$2", "$argon2")) and "$rounds=" not in found
