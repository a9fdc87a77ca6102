"""Blocks of lvs.cf while they are being read: first their lines, then, once a block has ended, its values.

Values are made at a block's end because some depend on others of the same block, whatever their order: a
port's name on the protocol, a mask on the address' family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lvs.config.keywords import GLOBAL, KEYWORDS, Block, Keyword
from lvs.config.model import (
    Comments,
    FloatingAddress,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    Problem,
    Protocol,
    RealServer,
    Redundancy,
    Severity,
    VirtualServer,
)
from lvs.config.text import BadValue, shown
from lvs.config.values import Context

Report = Callable[[Problem], None]
Values = dict[str, dict[str, Any]]  # owner of the keyword table -> attribute -> value

_RANKS: Mapping[Block, Mapping[str, int]] = {
    block: {block.value: -1, "": len(table)} | {name: rank for rank, name in enumerate(table)}
    for block, table in KEYWORDS.items()
}


@dataclass(slots=True)
class OpenBlock:
    """A block whose end has not been reached; entries: directive -> (line, words).

    names: of the blocks inside, with the last number that made one of them unique.
    """

    kind: Block
    place: tuple[str, ...] = ()
    line: int = 0
    entries: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    comments: dict[str, list[str]] = field(default_factory=dict)
    real_servers: list[RealServer] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def keep_comments(self, directive: str, lines: list[str]) -> None:
        """Note the comment lines above a directive; blank lines stay between them, one at a time."""
        kept = self.comments.setdefault(directive, [])
        for text in lines:
            if text or (kept and kept[-1]):
                kept.append(text)

    def settle_head(self) -> None:
        """Under a file's head, a blank line in the first directive's comments ends it, as when read again."""
        head, first = self.comments.get(Block.GLOBAL.value), self.comments.get(GLOBAL[0].name)
        while first and not first[-1]:
            first.pop()
        if head and first and "" in first:
            end = len(first) - first[::-1].index("")
            self.keep_comments(Block.GLOBAL.value, ["", *first[:end]])
            del first[:end]

    def sorted_comments(self) -> Comments:
        """The comments in the writer's order."""
        if not self.comments:
            return ()
        ranks = _RANKS[self.kind]
        return tuple(
            (directive, tuple(lines[:-1] if not lines[-1] else lines))
            for directive, lines in sorted(self.comments.items(), key=lambda item: ranks[item[0]])
            if any(lines)
        )


def word_problem(keyword: Keyword, words: list[str]) -> str:
    """What is wrong with the number of words after a directive's equals sign."""
    wanted = keyword.kind.words or 1
    if len(words) < wanted:
        if wanted == 2 and words:
            return f"{keyword.name}: the device is missing: write, say, {keyword.name} = {words[0]} eth0:1"
        return f"{keyword.name}: the value is missing: write {keyword.name} = VALUE, or remove the line"
    extra = " ".join(words[wanted:])
    return (
        f"{keyword.name}: unexpected {shown(extra)} after the value: remove it "
        "(a comment needs # before it, a value with blanks needs quotes)"
    )


def read_values(block: OpenBlock, context: Context, report: Report) -> tuple[Values, Context]:
    """The values of a block's entries by owner, and the context that they make; what is wrong is reported."""
    values: Values = {}
    table = KEYWORDS[block.kind]
    entries = block.entries
    if block.kind in (Block.VIRTUAL, Block.FAILOVER):
        first: dict[str, tuple[int, list[str]]] = {
            name: entries[name] for name in ("protocol", "address") if name in entries
        }
        for name, entry in first.items():
            _read_value(block, table[name], entry, context, values, report)
        context = _context_of(values.get("virtual", {}), entries, context)
        entries = {name: entry for name, entry in entries.items() if name not in first}
    for name, entry in entries.items():
        _read_value(block, table[name], entry, context, values, report)
    return values, context


def _context_of(own: dict[str, Any], entries: Mapping[str, Any], context: Context) -> Context:
    address: FloatingAddress | None = own.get("address")
    family = address.address.version if address else None if "address" in entries else 4
    return Context(own.get("protocol", Protocol.TCP), family, context.notes)


def _read_value(
    block: OpenBlock,
    keyword: Keyword,
    entry: tuple[int, list[str]],
    context: Context,
    values: Values,
    report: Report,
) -> None:
    line, words = entry
    wanted = keyword.kind.words
    if not words or (wanted is not None and len(words) != wanted):
        report(_problem(block, keyword, line, word_problem(keyword, words), Severity.ERROR))
        return
    try:
        value = keyword.kind.parse(words, context)
    except BadValue as error:
        report(_problem(block, keyword, line, f"{keyword.name}: {error}", Severity.ERROR))
        return
    for note in context.notes:
        report(_problem(block, keyword, line, f"{keyword.name}: {note}", Severity.WARNING))
    context.notes.clear()
    if keyword.ignored:
        note = f"{keyword.name} is kept in the file but has no effect: it {keyword.ignored}"
        report(_problem(block, keyword, line, note, Severity.WARNING))
    if value is not None:
        values.setdefault(keyword.owner, {})[keyword.attribute] = value


def _problem(block: OpenBlock, keyword: Keyword, line: int, message: str, severity: Severity) -> Problem:
    return Problem(message=message, severity=severity, line=line, place=block.place, field=keyword.attribute)


def make_real_server(block: OpenBlock, report: Report) -> RealServer:
    """The real server of a block that has ended."""
    values, _ = read_values(block, Context(), report)
    return RealServer(name=block.place[-1], comments=block.sorted_comments(), **values.get("server", {}))


def make_virtual_server(block: OpenBlock, report: Report) -> VirtualServer:
    """The virtual server, or failover service, of a block that has ended."""
    values, _ = read_values(block, Context(), report)
    return VirtualServer(
        name=block.place[-1],
        check=HealthCheck(**values.get("check", {})),
        real_servers=tuple(block.real_servers),
        comments=block.sorted_comments(),
        **values.get("virtual", {}),
    )


def make_config(
    block: OpenBlock,
    virtual_servers: list[VirtualServer],
    failover_services: list[VirtualServer],
    report: Report,
) -> LvsConfig:
    """The whole configuration, once the file has ended."""
    values, _ = read_values(block, Context(Protocol.UDP, 4), report)
    return LvsConfig(
        global_settings=GlobalSettings(**values.get("global_settings", {})),
        redundancy=Redundancy(**values.get("redundancy", {})),
        virtual_servers=tuple(virtual_servers),
        failover_services=tuple(failover_services),
        comments=block.sorted_comments(),
    )
