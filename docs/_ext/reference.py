"""The reference, made from what the program itself goes by: its parsers, tables, docstrings and addresses."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HELP_OPTION = argparse._HelpAction


def commands() -> str:
    """Each command of `piranha` with its arguments."""
    from lvs.pulse.__main__ import parser as pulse_parser
    from piranha_web.cli import parser

    return "\n".join(_of_parser(parser(), 2, {"pulse": pulse_parser()}))


def _of_parser(
    one: argparse.ArgumentParser, level: int, instead: Mapping[str, argparse.ArgumentParser]
) -> Iterator[str]:
    """The parser's subcommands in the order of the alphabet, each with all below it."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in sorted(action.choices.items()):
                yield from _of_command(instead.get(name, sub), level)
                yield from _of_parser(sub, level + 1, instead)


def _of_command(one: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """A command: what it does, how it is written, its arguments."""
    one.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)  # type: ignore[assignment]
    yield f"{'#' * level} `{one.prog}`\n"
    yield f"{_escaped(one.description or '')}\n"
    yield f"```text\n{one.format_usage().removeprefix('usage: ').rstrip()}\n```\n"
    rows = [_row(action) for action in one._actions if not isinstance(action, HELP_OPTION)]
    rows = [row for row in rows if row]
    if rows:
        yield "| argument | |\n| --- | --- |"
        yield from rows
        yield ""


def _row(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return ""
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices and not action.metavar:
        value = ", ".join(map(str, action.choices))
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    shown = " ".join(filter(None, [names, f"`{value}`" if value else ""]))
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    default = action.default
    if (
        default not in (None, False, "", [], argparse.SUPPRESS)
        and "default" not in text
        and action.nargs != 0
    ):
        text = f"{text} (default: `{_plain(default)}`)".strip()
    return f"| {shown} | {_cell(text)} |"


def _plain(value: Any) -> str:
    """A default without a path of the machine that the guide is made on."""
    return str(value).removeprefix(f"{ROOT}/")


def directives() -> str:
    """lvs.cf, every directive: of the keyword table."""
    from piranha_web.guide.fields import PANELS, blocks, rows
    from piranha_web.guide.pages import BY_NAME

    lines = []
    effects = {(panel, row.directive): row.effect for panel in PANELS for row in rows(panel)}
    for block in blocks():
        lines += [f"## {block.title}", ""]
        for one in block.directives:
            new = " *New: Piranha did not know it.*" if one.is_new else ""
            kept = f" *Kept in the file, without effect: {one.ignored}.*" if one.ignored else ""
            lines += [f"({block.anchor}-{one.name})=", f"### `{one.name}`", ""]
            lines += [f"{_escaped(one.meaning)}{new}{kept}", ""]
            lines += [f"- Value: {_escaped(one.says)}", f"- Default: {_value(one.default)}"]
            if one.panel:
                lines.append(f"- Panel: {BY_NAME[one.panel].title}")
            if (one.panel, one.name) in effects:
                lines.append(f"- At Apply: {_escaped(effects[one.panel, one.name])}")
            lines.append("")
    return "\n".join(lines)


def _value(text: str) -> str:
    """A default as the file has it."""
    return "none" if text == "–" else f"`{ {'on': '1', 'off': '0'}.get(text, text) }`"


# Modules whose docstring has a table of what the environment may say, and what that is for.
OF_ENVIRONMENT = (
    ("piranha_web.settings", "The site, its commands and the manager's worker"),
    ("piranha_web.gunicorn_conf", "The web server"),
)


def settings() -> str:
    """Every variable of the environment that those modules' tables have."""
    lines = []
    for name, title in OF_ENVIRONMENT:
        path = ROOT / f"{name.replace('.', '/')}.py"
        table = table_of(path.read_text(encoding="utf-8"))
        lines += [f"## {title}", "", "| variable | meaning | default |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {meaning} | {default} |" for name, meaning, default in table]
        lines.append("")
    return "\n".join(lines)


def table_of(source: str) -> list[tuple[str, str, str]]:
    """Variable, meaning and default of each row of the table in a module's docstring."""
    return re.findall(r"^\| ([A-Z][A-Z_]+) \| (.*?) \| (.*?) \|$", source.split('"""')[1], re.MULTILINE)


def errors() -> str:
    """The tree of errors: its classes with what each means."""
    import ast

    module = ast.parse((ROOT / "lvs" / "errors.py").read_text(encoding="utf-8"))
    lines = ["| kind | is a | means |", "| --- | --- | --- |"]
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            base = ", ".join(f"`{ast.unparse(one)}`" for one in node.bases if ast.unparse(one) != "Exception")
            lines.append(f"| `{node.name}` | {base} | {_cell(ast.get_docstring(node) or '')} |")
    return "\n".join(lines) + "\n"


def addresses() -> str:
    """Every address of the site, who may see and who may change, and what it is for."""
    from piranha_web import urls

    lines = ["| address | who | what it is |", "| --- | --- | --- |"]
    for pattern in urls.urlpatterns:
        view = pattern.callback
        needs = getattr(view, "needs", None)
        see, change = (needs.read.label, needs.write.label) if needs else ("administrator", "administrator")
        text = (inspect.getdoc(view) or "").split("\n\n")[0].replace("\n", " ")
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        who = see if see == change else f"{see}; to change: {change}"
        lines.append(f"| `/{path}` | {who} | {_cell(text)} |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text as Markdown that shows just that: command lines talk of *, _ and <."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


MAKERS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "directives": directives,
    "settings": settings,
    "errors": errors,
    "addresses": addresses,
}
