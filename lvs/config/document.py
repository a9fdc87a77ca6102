"""lvs.cf as JSON: `to_document(config)` and its inverse, `from_document(document)`.

Keys are the directives' names. Values are typed: flags true or false, numbers numbers, addresses and words
text, an IPv4 netmask dotted text and an IPv6 one its length, lists lists of text, what is not set null. An
address with a device has two keys: `address` and `device`, `nat_router` and `nat_router_device`. `virtual`
and `failover` are lists of blocks with their `name`, and `server` is such a list in them. `comments`, where
there are any, has the comment lines above each directive ("" for the block's end). Every default is filled
in; a key that is missing when a document is read has its default.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from typing import Any

from lvs.config.blocks import Values
from lvs.config.hints import unknown_directive
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Block, Keyword
from lvs.config.memo import Turn, Turns
from lvs.config.model import (
    Comments,
    GlobalSettings,
    HealthCheck,
    LvsConfig,
    Problem,
    Protocol,
    RealServer,
    Redundancy,
    VirtualServer,
)
from lvs.config.text import BLANKS, BadValue
from lvs.config.values import Context, want
from lvs.config.writer import context_of
from lvs.errors import ParseError

Document = dict[str, Any]

_TABLES = {Block.GLOBAL: GLOBAL, Block.VIRTUAL: VIRTUAL, Block.FAILOVER: VIRTUAL, Block.SERVER: SERVER}
_MOST_BLOCKS = 100_000  # of one kind in one place: a bound for what comes from the network

# A document that comes again has mostly the blocks that it had before; by _source of each.
_blocks: Turns[VirtualServer] = Turns()


def to_document(config: LvsConfig) -> Document:
    """The whole configuration as JSON has it."""
    document = _to_values(GLOBAL, config, Context())
    document["virtual"] = [_virtual_document(block) for block in config.virtual_servers]
    document["failover"] = [_virtual_document(block) for block in config.failover_services]
    return document | _comments_document(config.comments)


def _virtual_document(block: VirtualServer) -> Document:
    document: Document = {"name": block.name} | _to_values(VIRTUAL, block, context_of(block))
    document["server"] = [
        {"name": server.name} | _to_values(SERVER, server, Context()) | _comments_document(server.comments)
        for server in block.real_servers
    ]
    return document | _comments_document(block.comments)


def _to_values(table: tuple[Keyword, ...], block: Any, context: Context) -> Document:
    document: Document = {}
    for keyword in table:
        value = getattr(getattr(block, keyword.part) if keyword.part else block, keyword.attribute)
        if keyword.device:
            document[keyword.name] = None if value is None else str(value.address)
            document[keyword.device] = None if value is None else value.device
        else:
            document[keyword.name] = None if value is None else keyword.kind.to_json(value, context)
    return document


def _comments_document(comments: Comments) -> Document:
    return {"comments": {directive: list(lines) for directive, lines in comments}} if comments else {}


def from_document(document: object) -> LvsConfig:
    """The configuration of a JSON document; raises ParseError with everything that is malformed."""
    problems: list[Problem] = []
    turn = _blocks.begin()
    config = _Import(problems, turn).config(document)
    _blocks.end(turn)
    if problems:
        raise ParseError(problems)
    return config


def _source(kind: Block, block: Any) -> tuple[Block, bytes] | None:
    """A block as a key that is the same for the same JSON only (1, 1.0 and true are equal in Python).

    None when there are other values in it than JSON's.
    """
    try:
        return kind, marshal.dumps(block, 0)  # version 0: without the marks of what is kept elsewhere too
    except ValueError:
        return None


class _Import:
    """Reads a document's blocks; what is malformed is reported and left at its default.

    turn: the blocks that were read before.
    """

    def __init__(self, problems: list[Problem], turn: Turn[VirtualServer]) -> None:
        self.problems = problems
        self.turn = turn

    def config(self, document: object) -> LvsConfig:
        block = self.object_of(document, ())
        values = self.values(Block.GLOBAL, block, (), ("virtual", "failover", "comments"))
        return LvsConfig(
            global_settings=GlobalSettings(**values.get("global_settings", {})),
            redundancy=Redundancy(**values.get("redundancy", {})),
            virtual_servers=self.virtual_servers(Block.VIRTUAL, block),
            failover_services=self.virtual_servers(Block.FAILOVER, block),
            comments=self.comments(Block.GLOBAL, block, ()),
        )

    def virtual_servers(self, kind: Block, parent: Document) -> tuple[VirtualServer, ...]:
        listed = enumerate(self.listed(kind, parent, ()), 1)
        return tuple(self.known(kind, number, value) for number, value in listed)

    def known(self, kind: Block, number: int, value: object) -> VirtualServer:
        """The virtual server of a block: last time's, if the block is the same and had no problem."""
        source = _source(kind, value)
        made = self.turn.recall(source) if source else None
        if made is None:
            problems = len(self.problems)
            made = self.virtual_server(kind, *self.block(kind, number, value, ()))
            if source and len(self.problems) == problems:
                self.turn.keep(source, made)
        return made

    def virtual_server(self, kind: Block, block: Document, place: tuple[str, ...]) -> VirtualServer:
        values = self.values(kind, block, place, ("name", "server", "comments"))
        servers = []
        for number, each in enumerate(self.listed(Block.SERVER, block, place), 1):
            server, server_place = self.block(Block.SERVER, number, each, place)
            own = self.values(Block.SERVER, server, server_place, ("name", "comments"))
            comments = self.comments(Block.SERVER, server, server_place)
            servers.append(RealServer(name=server_place[-1], comments=comments, **own.get("server", {})))
        return VirtualServer(
            name=place[-1],
            check=HealthCheck(**values.get("check", {})),
            real_servers=tuple(servers),
            comments=self.comments(kind, block, place),
            **values.get("virtual", {}),
        )

    def problem(self, message: str, place: tuple[str, ...], field: str | None = None) -> None:
        self.problems.append(
            Problem(message=f"{' '.join(place)}: {message}" if place else message, place=place, field=field)
        )

    def object_of(self, value: object, place: tuple[str, ...]) -> Document:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        self.problem("an object with directives as keys is expected: write { ... }", place)
        return {}

    def listed(self, kind: Block, parent: Document, place: tuple[str, ...]) -> list[object]:
        """What is in a list of blocks."""
        listed = parent.get(kind.value, [])
        if not isinstance(listed, list) or len(listed) > _MOST_BLOCKS:
            self.problem(f"{kind}: a list of at most {_MOST_BLOCKS} blocks is expected: write [ ... ]", place)
            return []
        return listed

    def block(
        self, kind: Block, number: int, value: object, place: tuple[str, ...]
    ) -> tuple[Document, tuple[str, ...]]:
        """The object of a block, with its place."""
        block = self.object_of(value, (*place, kind.value, f"number {number}"))
        name = block.get("name")
        if not isinstance(name, str):
            self.problem(f"{kind} number {number} has no name: give it a text as name", place)
            name = ""
        return block, (*place, kind.value, name)

    def values(self, kind: Block, block: Document, place: tuple[str, ...], others: tuple[str, ...]) -> Values:
        table = _TABLES[kind]
        known = {keyword.name for keyword in table} | {keyword.device for keyword in table} | set(others)
        for number, key in enumerate(sorted(block.keys() - known)):
            self.problem(unknown_directive(key, kind, nearest=number < 10), place)
        values: Values = {}
        context = self.context(kind, block)
        for keyword in table:
            given = block.get(keyword.name)
            if given is None and not (keyword.device and block.get(keyword.device) is not None):
                if keyword.name in block and keyword.default is not None:
                    self.problem(
                        f"{keyword.name} cannot be null: leave it out for its default",
                        place,
                        keyword.attribute,
                    )
                continue
            try:
                value = self.value(keyword, given, block, context)
            except BadValue as error:
                self.problem(f"{keyword.name}: {error}", place, keyword.attribute)
                continue
            if value is not None:
                values.setdefault(keyword.owner, {})[keyword.attribute] = value
        return values

    @staticmethod
    def value(keyword: Keyword, given: object, block: Mapping[str, Any], context: Context) -> Any:
        if not keyword.device:
            return keyword.kind.from_json(given, context)
        device = block.get(keyword.device)
        if given is None or device is None:
            raise BadValue(
                f"an address and a device belong together: give {keyword.name} and {keyword.device}"
            )
        address = want(given, str, "an address")
        return keyword.kind.parse([address, want(device, str, "a device")], context)

    def context(self, kind: Block, block: Document) -> Context:
        """What values depend on; the values it is made of are reported where they are read themselves."""
        if kind not in (Block.VIRTUAL, Block.FAILOVER):
            return Context()
        address, protocol = block.get("address"), block.get("protocol")
        family = 6 if isinstance(address, str) and ":" in address else 4
        known = next((option for option in Protocol if option == protocol), Protocol.TCP)
        return Context(known, family)

    def comments(self, kind: Block, block: Document, place: tuple[str, ...]) -> Comments:
        given = block.get("comments")
        if given is None:
            return ()
        names = {kind.value: 0} | {keyword.name: 0 for keyword in _TABLES[kind]} | {"": 0}
        comments = self.object_of(given, (*place, "comments"))
        for directive, lines in comments.items():
            if directive not in names or not _are_comment_lines(lines):
                self.problem(
                    "comments: a list of lines that begin with # is expected for each directive",
                    place,
                    "comments",
                )
                return ()
        return tuple((name, tuple(comments[name])) for name in names if name in comments)


def _are_comment_lines(lines: object) -> bool:
    """Lines as `lvs.config.reader` keeps them: it drops the blanks at both ends."""
    return isinstance(lines, list) and all(
        isinstance(line, str)
        and (not line or line[0] == "#")
        and line == line.strip(BLANKS)
        and not set("\n\r\0") & set(line)
        for line in lines
    )
