"""How text stands in lvs.cf: words, quotes, and the sentences about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BARE = re.compile(r"[\w./:@%+,~^*?!&()\[\]<>|;$\\-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
BLANKS = " \t\v\f"
_TOKEN = re.compile(r"""[ \t\v\f]*(?:"([^"]*)"|'([^']*)'|([^ \t\v\f"'][^ \t\v\f]*)|(["']))""")
# Where a block begins that ends with the next line which is nothing but }, as the writer sets them.
_BEGINNING = re.compile(r"^(?:virtual|failover) [^\n#\0]*\{$", re.MULTILINE)
_SHOWN = 40  # characters of a file's own text that a message repeats


class BadValue(ValueError):
    """Text that is no value of its kind; the message says what to write instead."""


def shown(text: str) -> str:
    """Text of a file as a message repeats it: quoted, cut, without control characters."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return '"' + "".join(char if char.isprintable() else "?" for char in cut) + '"'


def quoted(text: str) -> str:
    """The text in quotes: double ones unless it contains one (inside quotes lvs.cf has no escapes)."""
    return f"'{text}'" if '"' in text else f'"{text}"'


def bare(text: str) -> str:
    """The text as one word of lvs.cf: in quotes only if it needs them."""
    return text if _BARE.fullmatch(text) else quoted(text)


def text_faults(text: str, limit: int) -> Iterator[str]:
    """Why lvs.cf could not carry this text between quotes; limit counts UTF-8 bytes."""
    if not text:
        yield "is empty: write something, or leave it out"
    if _UNSAFE.search(text):
        yield r"contains a line break or control character: write \n, \r or \t in its place"
    if '"' in text and "'" in text:
        yield "contains both kinds of quotes, which lvs.cf cannot write: use only one kind"
    size = len(text.encode(errors="replace"))
    if size > limit:
        yield f"is {size} bytes long: shorten it to {limit}"


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """A file cut before and behind what looks like a whole block (True), line ends at the cuts left out."""
    start = 0
    while (head := _BEGINNING.search(text, start)) is not None:
        end = text.find("\n}\n", head.end())
        if end < 0:
            end = len(text) - 2
            if end < head.end() or not text.endswith("\n}"):
                break
        if head.start() > start:
            yield False, text[start : head.start() - 1]
        yield True, text[head.start() : end + 2]
        start = end + 3
    if start <= len(text):
        yield False, text[start:]


@dataclass(frozen=True, slots=True)
class Words:
    """A line taken apart. comment: what follows a # between words. open_quote: a quote has no partner."""

    words: list[str]
    comment: str = ""
    open_quote: bool = False


def split_words(line: str) -> Words:
    """Words at blanks; quotes only at a word's start, where they keep blanks and # and have no escapes."""
    words: list[str] = []
    for match in _TOKEN.finditer(line):
        double, single, plain, open_quote = match.groups()
        if open_quote:
            return Words(words, open_quote=True)
        if plain and plain[0] == "#":
            return Words(words, comment=line[match.start(3) :])
        words.append(plain if plain is not None else single if double is None else double)
    return Words(words)
