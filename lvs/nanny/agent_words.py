"""The text protocol of HAProxy's agent-check: what a weight agent's line says. Pure.

The agent says one line of words, with blanks, tabs or commas between them, in any order and of any case
(HAProxy configuration manual, 5.2 "agent-check"; its parser is in src/check.c):

- `75%`: the share of the configured weight; above 100 % the ceiling bounds it.
- `up`, `ready`: serves. `drain`, `maint`: takes nothing new. `down`, `fail`, `failed`, `stopped`: does not
  serve. Of several the worst counts. HAProxy keeps up/down apart from ready/drain/maint; here a line says
  one thing, and `maint` is somebody's will, not a failure, so that pool protection leaves it alone.
- `maxconn:N` is left aside: IPVS has its own thresholds, upper and lower, in lvs.cf.
- `#` begins a comment, which is only repeated.

What a line does not say stays as it was said before (`merged`).
"""

from __future__ import annotations

import re
from dataclasses import replace

from lvs.nanny.loads import Load, Word
from lvs.nanny.quoting import printable, quote

BOUND = 512  # bytes of a line
MOST_PERCENT = 25_600  # HAProxy's own bound; the ceiling is far below

_WORDS = {
    "up": Word.UP,
    "ready": Word.UP,
    "drain": Word.DRAIN,
    "maint": Word.DRAIN,
    "down": Word.DOWN,
    "fail": Word.DOWN,
    "failed": Word.DOWN,
    "stopped": Word.DOWN,
}
_WORST_FIRST = (Word.DOWN, Word.DRAIN, Word.UP)
_BETWEEN = re.compile(r"[ \t,]+")
_PERCENT = re.compile(r"([0-9]{1,9})%")
_MAXCONN = re.compile(r"maxconn:[0-9]+")


def merged(before: Load | None, line: Load) -> Load:
    """The load after a line: what it does not say is as it was before."""
    if before is None:
        return line
    factor = before.factor if line.factor is None else line.factor
    return replace(line, factor=factor, word=line.word or before.word)


def said(line: bytes) -> Load:
    """What the line (without its end) says; ValueError with a reason in a few words when it says nothing."""
    words, _, _ = line.decode("ascii", "backslashreplace").partition("#")
    percent: int | None = None
    found: set[Word] = set()
    for word in filter(None, _BETWEEN.split(words.lower())):
        if share := _PERCENT.fullmatch(word):
            percent = min(int(share[1]), MOST_PERCENT)
        elif word in _WORDS:
            found.add(_WORDS[word])
        elif not _MAXCONN.fullmatch(word):
            raise ValueError(f"{quote(word.encode())} is no word of an agent")
    if percent is None and not found:
        raise ValueError("neither a percentage nor a state")
    return Load(
        factor=None if percent is None else percent / 100,
        word=next((word for word in _WORST_FIRST if word in found), None),
        reason=printable(line.strip()),
    )
