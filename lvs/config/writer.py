"""Writes lvs.cf: `write(config)` is canonical, so that equal configurations are equal texts.

Order and indentation are those of Piranha's own GUI. A configuration that uses only Piranha's words is
written so that Piranha's parser reads it: one blank on either side of the equals sign, strings in double
quotes (single ones around a text that has double ones), directives that Piranha did not know only when they
are set. A comment stays above its directive; if that one is not set any more, it moves to the next.
"""

from __future__ import annotations

from typing import Any

from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL, Block, Keyword
from lvs.config.memo import Memo
from lvs.config.model import Comments, LvsConfig, RealServer, VirtualServer
from lvs.config.text import bare
from lvs.config.values import Context

_INDENT = {Block.GLOBAL: "", Block.VIRTUAL: " " * 5, Block.FAILOVER: " " * 5, Block.SERVER: " " * 9}


def write(config: LvsConfig) -> str:
    """The text of a whole lvs.cf, with a newline at its end."""
    lines: list[str] = []
    _write_head(lines, config.comments)
    _write_directives(lines, Block.GLOBAL, GLOBAL, config, Context(), config.comments)
    for block in config.failover_services:
        lines.append(_virtual_server_text(block, Block.FAILOVER))
    for block in config.virtual_servers:
        lines.append(_virtual_server_text(block, Block.VIRTUAL))
    _write_comments(lines, config.comments, "", "")
    lines.append("")  # for the newline at the end
    return "\n".join(lines)


def _write_head(lines: list[str], comments: Comments) -> None:
    """The comments at the file's head, set off by a blank line.

    Without a head, comments of the first directive that have a blank line among them would be taken for
    one when they are read again; a blank line above them says that they are not.
    """
    _write_comments(lines, comments, Block.GLOBAL.value, "")
    if lines or any(name == GLOBAL[0].name and "" in above for name, above in comments):
        lines.append("")


def context_of(virtual_server: VirtualServer) -> Context:
    """What the values of a virtual server depend on."""
    address = virtual_server.address
    return Context(virtual_server.protocol, address.address.version if address else 4)


def _write_virtual_server(virtual_server: VirtualServer, kind: Block) -> str:
    lines = [""]
    _write_comments(lines, virtual_server.comments, kind.value, "")
    lines.append(f"{kind} {bare(virtual_server.name)} {{")
    context = context_of(virtual_server)
    _write_directives(lines, kind, VIRTUAL, virtual_server, context, virtual_server.comments)
    for real_server in virtual_server.real_servers:
        _write_real_server(lines, real_server)
    _write_comments(lines, virtual_server.comments, "", _INDENT[kind])
    lines.append("}")
    return "\n".join(lines)


_virtual_server_text = Memo(_write_virtual_server)


def _write_real_server(lines: list[str], real_server: RealServer) -> None:
    outer, inner = _INDENT[Block.VIRTUAL], _INDENT[Block.SERVER]
    _write_comments(lines, real_server.comments, Block.SERVER.value, outer)
    lines.append(f"{outer}server {bare(real_server.name)} {{")
    _write_directives(lines, Block.SERVER, SERVER, real_server, Context(), real_server.comments)
    _write_comments(lines, real_server.comments, "", inner)
    lines.append(f"{outer}}}")


def _write_directives(
    lines: list[str],
    kind: Block,
    table: tuple[Keyword, ...],
    block: Any,
    context: Context,
    comments: Comments,
) -> None:
    indent = _INDENT[kind]
    above = dict(comments)
    for keyword in table:
        part = keyword.part
        value = getattr(getattr(block, part) if part else block, keyword.attribute)
        name = keyword.name
        if name in above:
            lines.extend(_comment_lines(above[name], indent))
        elif value == keyword.default and kind not in keyword.written:
            continue
        if value is not None and value != ():
            lines.append(f"{indent}{name} = {keyword.kind.format(value, context)}")


def _write_comments(lines: list[str], comments: Comments, directive: str, indent: str) -> None:
    for name, above in comments:
        if name == directive:
            lines.extend(_comment_lines(above, indent))


def _comment_lines(above: tuple[str, ...], indent: str) -> list[str]:
    return [indent + line if line else "" for line in above]
