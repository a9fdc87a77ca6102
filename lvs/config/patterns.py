"""The regular expressions of `use_regex`: what they may be, and how they are searched for.

POSIX extended expressions (regcomp(3)) as RE2 takes them: it knows the bracket classes, and it searches in a
time that grows with the answer and with the size of the pattern alone. A backtracking engine can be held up
for minutes by a pattern such as (a+)+$ and a hostile answer, and all checks of a router with it. The size is
bounded for the same reason: (.?){1000} takes RE2 four seconds for 64 KiB.
"""

from __future__ import annotations

import functools

import re2

MOST_STEPS = 1250  # of a compiled pattern; one letter of any language (\pL) has 1200


@functools.lru_cache(maxsize=1024)
def searcher(pattern: bytes) -> re2._Regexp[bytes]:
    """The compiled pattern; ValueError with RE2's reason when it is none."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True  # as POSIX has it without REG_NEWLINE
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(
            reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        ) from error
    if compiled.programsize > MOST_STEPS:
        raise ValueError("it is too large to be searched for quickly: use smaller numbers in {}")
    return compiled


def is_found(pattern: bytes, answer: bytes) -> bool:
    """Whether the pattern matches anywhere in the answer."""
    return searcher(pattern).search(answer) is not None
