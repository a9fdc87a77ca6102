"""What the guide has people type: the commands of the console blocks, to be carried out as they stand.

Pages are named as in the project: README.md, docs/backup.md. A console block (```console) has commands and
remarks (`# …`) in it and nothing else; what they print stands in a block of another language below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"#{1,6} +(.+?)\s*$")
FENCE = re.compile(r"(\s*)(`{3,})\s*(.*?)\s*$")
# A word that the reader puts something of their own in the place of; not $PASSWORD, not NAME=value.
OWN = re.compile(r"(?<![\w$./-])[A-Z][A-Z_]{2,}(?![\w=])")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its fence, from 1. heading: that it stands below. language: "" for none."""

    page: str
    heading: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """Of a console block: continued lines are one, remarks are left away."""
        joined = "\n".join(self.lines).replace("\\\n", " ")
        return tuple(line for text in joined.splitlines() if (line := without_remark(text)))

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.heading})"


def without_remark(line: str) -> str:
    """A command without what explains it: `#` begins a remark where no quotation is open."""
    for found in re.finditer(r"(?:^|(?<=\s))#", line):
        before = line[: found.start()]
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before.strip()
    return line.strip()


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """All fenced blocks of a page, in their order."""
    return tuple(_blocks(page, (PROJECT / page).read_text(encoding="utf-8")))


def _blocks(page: str, text: str) -> Iterator[Block]:
    heading, begun, where = "", None, 0
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if begun is None:
            if found := HEADING.match(line):
                heading = found[1].replace("`", "")
            elif fence:
                begun, where, lines = fence, number, []
        elif fence and not fence[3] and len(fence[2]) >= len(begun[2]):
            yield Block(page, heading, where, begun[3].partition(" ")[0], tuple(lines))
            begun = None
        else:
            lines.append(line.removeprefix(begun[1]))
    assert begun is None, f"{page}:{where}: a block that does not end"


def consoles(page: str, heading: str | None = None) -> list[Block]:
    """The console blocks, of the whole page or below that heading (AssertionError: there is none)."""
    found = [block for block in blocks(page) if block.language == "console"]
    if heading is not None:
        found = [block for block in found if block.heading == heading]
    assert found, f"{page} has no commands below {heading!r}"
    return found


def commands(page: str, heading: str | None = None) -> list[str]:
    """The commands, of the whole page or below that heading, in their order; for `fill` and a shell."""
    return [command for block in consoles(page, heading) for command in block.commands]


def contents(page: str, heading: str, language: str = "text", number: int = 0) -> str:
    """A block of another language below a heading, by its number: a file's contents, or what is printed."""
    found = [block for block in blocks(page) if (block.heading, block.language) == (heading, language)]
    assert len(found) > number, f"{page} has no block {number} of {language} below {heading!r}"
    return "\n".join(found[number].lines) + "\n"


def fill(command: str, values: Mapping[str, str] | None = None) -> str:
    """The command with the reader's own words in it: values has what to write for TOKEN, r2, 192.0.2.0/24 …

    AssertionError: a word in capitals stands in it that nobody gave a value.
    """
    for word, value in (values or {}).items():
        whole = rf"(?<![\w.$-]){re.escape(word)}(?![\w-]|\.\w)"
        command = value.join(re.split(whole, command))
    left = set(OWN.findall(command)) - set((values or {}).values())
    assert not left, f"what is {', '.join(sorted(left))} in: {command}"
    return command


def pages() -> list[str]:
    """Every page that may have commands in it."""
    docs = sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", *docs]
