"""Reads lvs.cf text: `read(text)` gives the configuration and everything that is wrong with the text.

Takes what Piranha's own parser took, and beyond it what is harmless and clear in old files (with a warning);
refuses what it would have to guess. It looks nothing up: a host name is an error that asks for the address.
Whether the values make sense together is for lvs.config.rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lvs.config.blocks import OpenBlock, make_config, make_real_server, make_virtual_server
from lvs.config.hints import foreign_grammar, unknown_directive
from lvs.config.keywords import GUI_ONLY, KEYWORDS, Block
from lvs.config.lines import BlockLines, Lines, Numbers
from lvs.config.memo import Turn, Turns
from lvs.config.model import LvsConfig, Problem, Severity, VirtualServer
from lvs.config.text import BLANKS, Words, bare, pieces, shown, split_words

# The usual lines: directive = value, both single words; BLOCK NAME {; }. All others take the longer way.
_USUAL = re.compile(
    r"[ \t]*(?:([a-z_][a-z_0-9]*)[ \t]+=[ \t]+([^\s\"'#\0]+)"
    r"|(virtual|failover|server) ([^\s\"'#{}=\0]+) \{|\})[ \t]*"
)
_DIRECTIVE = re.compile(r"([^\s=\"'{}]+)([ \t]*)=([ \t]*)(.*)", re.DOTALL)
_HEADER = re.compile(r"(virtual|failover|server)([ \t\v\f]*[{\"']|[ \t\v\f]+[^= \t\v\f]|$)")
_BLOCKS = ("virtual", "failover", "server")
_MOST_HINTS = 100  # each takes a comparison with every directive's name


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says.

    lines: (place, field) -> line, field None: the block's own. complete: all was read; else it has defaults.
    """

    config: LvsConfig
    problems: tuple[Problem, ...] = ()
    lines: Lines = field(default_factory=Lines)
    complete: bool = True
    open_end: bool = False  # the file ends inside a block: it may have been cut off

    @property
    def ok(self) -> bool:
        """No error among the problems: warnings may be."""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)


def read(text: str) -> Reading:
    """Read the whole text; never raises, whatever it is."""
    mixed = "\r" in text and text.count("\r\n") != text.count("\n")
    has_bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    turn = _blocks.begin()
    reader = _Reader(turn)
    if has_bom:
        reader.warn(1, "the file begins with a byte order mark, which Piranha refused: it was left out")
    if mixed:
        reader.warn(
            1, "the file mixes Windows and Unix line ends, which Piranha refused: save it with one kind"
        )
    text = text.rstrip("\n")
    number = 1
    for is_block, piece in pieces(text):
        number = reader.take_block(number, piece) if is_block else reader.take_lines(number, piece)
    _blocks.end(turn)
    reading = reader.finish(number - 1)
    foreign = None if reading.complete else foreign_grammar(text)  # whose lines are all errors here
    if foreign:
        return Reading(LvsConfig(), (Problem(line=foreign[0], message=foreign[1]),), complete=False)
    return reading


def decode(raw: bytes) -> tuple[str, tuple[Problem, ...]]:
    """A file's bytes as text: UTF-8, or, in old files with a warning, Latin-1."""
    try:
        return raw.decode(), ()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = "the file is not UTF-8 here and was taken as Latin-1: save it as UTF-8"
        return raw.decode("latin-1"), (Problem(message=message, severity=Severity.WARNING, line=line),)


@dataclass(frozen=True, slots=True)
class _Read:
    """A block that was read without a problem, at whatever line it stood."""

    kind: Block
    virtual_server: VirtualServer
    lines: BlockLines
    length: int  # in lines


# A file that is read again has mostly the blocks that it had before.
_blocks: Turns[_Read] = Turns()


class _Reader:
    """The blocks that are open, and what has been found so far; turn: the blocks that were read before."""

    def __init__(self, turn: Turn[_Read]) -> None:
        self.turn = turn
        self.problems: list[Problem] = []
        self.lines = Lines()
        self.numbers: Numbers = self.lines.top  # of the outermost block that is open
        self.top = OpenBlock(Block.GLOBAL)
        self.virtual: OpenBlock | None = None
        self.server: OpenBlock | None = None
        self.current = self.top
        self.names: dict[Block, dict[str, int]] = {Block.VIRTUAL: {}, Block.FAILOVER: {}}
        self.made: dict[Block, list[VirtualServer]] = {Block.VIRTUAL: [], Block.FAILOVER: []}
        self.comments: list[str] = []
        self.skipped_depth = 0  # inside a block that is not read, and the blocks in it
        self.brace_expected = False
        self.hints = 0
        self.saw_anything = False
        self.head_passed = False

    def error(self, line: int, message: str, field_name: str | None = None) -> None:
        self.problems.append(Problem(message=message, line=line, place=self.current.place, field=field_name))

    def warn(self, line: int, message: str, field_name: str | None = None) -> None:
        place, severity = self.current.place, Severity.WARNING
        found = Problem(message=message, severity=severity, line=line, place=place, field=field_name)
        self.problems.append(found)

    def take_lines(self, number: int, piece: str) -> int:
        """Some lines, the first one's number given; the number of the line behind them."""
        for line in piece.split("\n"):
            self.take(number, line)
            number += 1
        return number

    def take_block(self, number: int, piece: str) -> int:
        """Lines that look like a whole block: if they were read without a problem before, not again."""
        inside = self.current is not self.top or self.skipped_depth or self.brace_expected
        if inside or (not self.head_passed and any(self.comments)):  # some of them may be the file's head
            return self.take_lines(number, piece)
        source = (tuple(self.comments) if any(self.comments) else (), piece)
        known = self.turn.recall(source)
        if known is not None and known.virtual_server.name not in self.names[known.kind]:
            self.pending_comments()
            self.saw_anything = True
            self.names[known.kind][known.virtual_server.name] = 1
            self.made[known.kind].append(known.virtual_server)
            self.lines.add(known.lines, number)
            return number + known.length
        problems, blocks = len(self.problems), self.lines.blocks
        behind = self.take_lines(number, piece)
        if self.current is self.top and len(self.problems) == problems and self.lines.blocks == blocks + 1:
            lines, kind = self.lines.newest(), Block(self.lines.newest().place[0])
            self.turn.keep(source, _Read(kind, self.made[kind][-1], lines, behind - number))
        return behind

    def take(self, number: int, line: str) -> None:
        """One line, without its end."""
        match = None if self.skipped_depth else _USUAL.fullmatch(line)
        if match:
            self.usual(number, match)
            return
        line = line.strip(BLANKS)
        if not line:
            self.comments.append("")
            return
        self.saw_anything = True
        brace_expected, self.brace_expected = self.brace_expected, False
        if line[0] == "#":
            self.brace_expected = brace_expected
            if "\0" in line:
                self.error(number, "the line contains a NUL byte: remove it")
            elif not self.skipped_depth:
                self.comments.append(line)
        elif brace_expected and line == "{":
            pass  # reported at the block's own line
        elif self.skipped_depth:
            self.skipped_depth += line.endswith("{") - line.startswith("}")
        elif "\0" in line:
            self.error(number, "the line contains a NUL byte: remove it")
        else:
            self.unusual(number, line)

    def usual(self, number: int, match: re.Match[str]) -> None:
        """A line of _USUAL's form; the longer way would come to the same."""
        name, value, kind, block_name = match.groups()
        self.saw_anything, self.brace_expected = True, False
        if name:
            self.directive(number, name, [value])
        elif kind:
            self.open(number, Block(kind), block_name)
        else:
            self.close(number, "")

    def unusual(self, number: int, line: str) -> None:
        """A line that is neither blank nor a comment nor of the usual form."""
        if line[0] == "}":
            self.close(number, line[1:].strip(BLANKS))
        elif _HEADER.match(line):
            self.block(number, split_words(line))
        elif match := _DIRECTIVE.fullmatch(line):
            self.spaced_directive(number, match)
        else:
            self.not_understood(number, line)

    def spaced_directive(self, number: int, match: re.Match[str]) -> None:
        name, before, after, rest = match.groups()
        words = split_words(rest)
        if words.open_quote:
            self.error(number, f"{name}: a quote is not closed: end the value with the same quote")
            return
        if not (before and after) and rest:
            self.warn(number, f"{name}: blanks are missing around the equals sign: write {name} = VALUE")
        if words.comment and words.words:
            self.warn(
                number, "a comment stands behind the value, which Piranha refused: put it on its own line"
            )
            self.comments.append(words.comment)
        self.directive(number, name, words.words)

    def directive(self, number: int, name: str, words: list[str]) -> None:
        block = self.current
        keyword = KEYWORDS[block.kind].get(name)
        if keyword is None:
            self.unknown(number, name)
            return
        if name in block.entries:
            earlier = block.entries[name][0]
            self.warn(
                number,
                f"{name} stands in line {earlier} already: this one counts, remove one",
                keyword.attribute,
            )
        block.entries[name] = (number, words)
        self.numbers[block.place, keyword.attribute] = number
        if self.comments:
            block.keep_comments(name, self.pending_comments())
        self.head_passed = True

    def pending_comments(self) -> list[str]:
        """The comment lines above this line; a file's head that a blank line sets off stays the head."""
        lines, self.comments = self.comments, []
        if not self.head_passed and lines and lines[0] and "" in lines:
            end = len(lines) - 1 - lines[::-1].index("")
            self.top.keep_comments(Block.GLOBAL.value, lines[:end])
            lines = lines[end:]
        self.head_passed = True
        return lines

    def unknown(self, number: int, name: str) -> None:
        if name in GUI_ONLY[self.current.kind]:
            self.warn(
                number,
                f"{name} was written by Piranha's GUI and refused by its daemon: left out, remove the line",
            )
            return
        self.hints += 1
        self.error(number, unknown_directive(name, self.current.kind, self.hints <= _MOST_HINTS))

    def not_understood(self, number: int, line: str) -> None:
        word = re.split(f"[{BLANKS}]", line, maxsplit=1)[0]
        if line.endswith("{"):
            self.error(number, f"{shown(word)} is not a block of lvs.cf: use virtual, failover or server")
            self.skipped_depth = 1
        elif word in KEYWORDS[self.current.kind]:
            self.error(number, f"{word}: the equals sign is missing: write {word} = VALUE")
        else:
            self.unknown(number, word)

    def block(self, number: int, words: Words) -> None:
        """A line that opens a block."""
        kind, *rest = words.words or [""]
        if words.open_quote:
            self.error(number, f"{kind}: a quote is not closed: write {kind} NAME {{ with the name in quotes")
        elif kind not in _BLOCKS:  # the brace or the name is glued to the word
            kind = next(name for name in _BLOCKS if kind.startswith(name))
            self.error(number, f"{kind} needs blanks: write {kind} NAME {{")
        name = "" if rest in ([], ["{"]) else rest[0]  # a name that is a brace stands in quotes
        if words.comment:
            self.warn(
                number, "a comment stands behind the brace, which Piranha refused: put it on its own line"
            )
            self.comments.append(words.comment)
        if not words.open_quote:
            name = self.check_header(number, kind, name, rest)
        if rest[-1:] == ["}"]:
            return
        self.open(number, Block(kind), name)

    def check_header(self, number: int, kind: str, name: str, rest: list[str]) -> str:
        """Report what is wrong with the words behind virtual, failover or server; gives the name."""
        if rest[-1:] == ["}"]:
            self.error(
                number, f"{kind}: the block stands on one line: put every directive and the }} on its own"
            )
        elif not name:
            self.error(number, f"{kind}: the name is missing: write {kind} NAME {{")
        elif rest == [name] and name.endswith("{"):
            self.error(
                number, f"{kind}: a blank is missing before the brace: write {kind} {bare(name[:-1])} {{"
            )
            name = name[:-1]
        elif rest == [name]:
            self.error(number, f"{kind}: the brace is missing on this line: write {kind} {bare(name)} {{")
            self.brace_expected = True
        elif rest[1] != "{":
            self.error(number, f'{kind}: a name with blanks stands in quotes: write {kind} "NAME" {{')
        elif rest[2:]:
            self.error(number, f"{kind}: unexpected {shown(' '.join(rest[2:]))} after the brace: remove it")
        return name

    def open(self, number: int, kind: Block, name: str) -> None:
        if kind is Block.SERVER and self.virtual is None:
            self.error(
                number, "server stands outside of a virtual server: put it between virtual NAME { and its }"
            )
            self.skipped_depth = 1
            return
        if self.server or (self.virtual and kind is not Block.SERVER):
            open_block = self.current if kind is Block.SERVER else self.virtual
            self.error(
                number,
                f"{kind} begins, but the block of line {open_block.line if open_block else 0} is not "
                "closed: put a } before this line",
            )
            self.end(Block.SERVER if kind is Block.SERVER else Block.VIRTUAL)
        taken = self.virtual.names if kind is Block.SERVER and self.virtual else self.names[kind]
        name = self.unique(number, kind, name, taken)
        place = (*(self.virtual.place if kind is Block.SERVER and self.virtual else ()), kind.value, name)
        block = OpenBlock(kind, place, number)
        block.keep_comments(kind.value, self.pending_comments())
        if kind is Block.SERVER:
            self.server = block
        else:
            self.virtual = block
            self.numbers = self.lines.begin(place, number)
        self.numbers[place, None] = number
        self.current = block

    def unique(self, number: int, kind: Block, name: str, taken: dict[str, int]) -> str:
        """The name, with a number if an earlier block has it: everything after the reader goes by names."""
        given, count = name, taken.get(name, 0)
        while name in taken:
            count += 1
            name = f"{given}-{count}"
        if name != given:
            taken[given] = count
            self.warn(number, f"{kind} {shown(given)} stands above already: this one was named {shown(name)}")
        taken[name] = 1
        return name

    def close(self, number: int, rest: str) -> None:
        """A closing brace, and what follows it on the line."""
        if rest.startswith("#"):
            self.comments.append(rest)
        elif rest:
            self.warn(number, f"{shown(rest)} after the closing brace was ignored: remove it")
        if self.current is self.top:
            self.error(number, "this closing brace closes nothing: remove it")
            return
        self.current.keep_comments("", self.pending_comments())
        self.end(self.current.kind)

    def end(self, kind: Block) -> None:
        """Make the values of the innermost block, or of the virtual server and the real server open in it."""
        if self.server and self.virtual:
            self.note_inactive(self.server)
            self.virtual.real_servers.append(make_real_server(self.server, self.problems.append))
            self.server, self.current = None, self.virtual
        if kind is not Block.SERVER and self.virtual:
            self.note_inactive(self.virtual)
            self.made[self.virtual.kind].append(make_virtual_server(self.virtual, self.problems.append))
            self.virtual, self.current, self.numbers = None, self.top, self.lines.top

    def note_inactive(self, block: OpenBlock) -> None:
        if "active" not in block.entries:
            name = shown(block.place[-1])
            self.warn(
                block.line,
                f"{block.kind} {name} is off: to say so, or switch it on, add active = 0 or 1",
                "active",
            )

    def finish(self, last_line: int) -> Reading:
        """The file has ended."""
        open_end = bool(self.skipped_depth) or self.current is not self.top
        if open_end:
            opened = f" of line {self.current.line}" if self.current is not self.top else ""
            self.warn(last_line, f"the file ends inside the block{opened}: add the missing }}")
            self.end(Block.VIRTUAL)
        self.top.keep_comments("", self.comments)
        self.top.settle_head()
        config = make_config(
            self.top, self.made[Block.VIRTUAL], self.made[Block.FAILOVER], self.problems.append
        )
        if not self.saw_anything:
            self.error(1, "the configuration is empty: write at least primary and one virtual server")
        problems = sorted(self.problems, key=lambda problem: problem.line or 0)
        complete = all(problem.severity is not Severity.ERROR for problem in problems)
        return Reading(config, tuple(problems), self.lines, complete, open_end)
