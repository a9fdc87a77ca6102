"""The manual pages: piranha(1), one for each of its commands, and piranha-pulse(8), from what argparse knows.

What argparse does not know (files, signals, what comes next) stands in `manual.py`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from deploy.deb.manual import DAEMONS, EXIT, FILES, FIRST, MORE, SEE
from deploy.deb.tree import Command, commands

SUBCOMMANDS = argparse._SubParsersAction


def pages(version: str, made_at: int) -> dict[str, str]:
    """The text of each page by its file's name. made_at: seconds since the epoch."""
    day = datetime.fromtimestamp(made_at, UTC).strftime("%Y-%m-%d")
    found = commands()
    made = {"piranha.1": whole(found, version, day)}
    for one in found:
        section = section_of(one)
        made[f"piranha-{one.words[0]}.{section}"] = page(one, version, day)
    return made


def section_of(command: Command) -> int:
    """8: what the system runs; 1: what people do."""
    return 8 if command.words[0] in DAEMONS else 1


def whole(found: list[Command], version: str, day: str) -> str:
    """piranha(1)."""
    lines = [
        heading("PIRANHA", 1, version, day),
        ".SH NAME\npiranha \\- set up, check and run Linux Virtual Server clusters",
        ".SH SYNOPSIS\n.B piranha\n.I COMMAND\n.RI [ OPTION ...]",
        ".SH DESCRIPTION",
        *paragraphs(FIRST),
        ".SH COMMANDS",
    ]
    for one in found:
        lines.append(f".TP\n.BR piranha\\-{dashes(one.words[0])} ({section_of(one)})\n{plain(one.help)}")
    lines += [".SH EXIT STATUS", *paragraphs(EXIT), *files("piranha"), *see(SEE["piranha"])]
    return "\n".join(lines) + "\n"


def page(command: Command, version: str, day: str) -> str:
    """The page of one command, its verbs included."""
    name = f"piranha-{command.words[0]}"
    lines = [
        heading(name.upper(), section_of(command), version, day),
        f".SH NAME\n{dashes(name)} \\- {plain(short(command.help))}",
        ".SH SYNOPSIS",
    ]
    required = any(one.required for one in command.parser._actions if isinstance(one, SUBCOMMANDS))
    for one in (*(() if required else (command,)), *command.verbs):
        lines += [*synopsis(one), ".br"]
    lines += [".SH DESCRIPTION", *paragraphs(command.parser.description or command.help)]
    if command.verbs:
        lines.append(".SH VERBS")
        for one in command.verbs:
            lines += [f".SS {dashes(' '.join(one.words[1:]))}", *paragraphs(one.help), *arguments(one)]
    if command.options[1:] or command.places or not command.verbs:
        lines += [".SH OPTIONS", *arguments(command)]
    for title, text in MORE.get(command.words[0], {}).items():
        lines += [f".SH {title}", *paragraphs(text)]
    lines += [*files(command.words[0]), *see(SEE.get(command.words[0], ("piranha(1)",)))]
    return "\n".join(lines) + "\n"


def heading(name: str, section: int, version: str, day: str) -> str:
    """The line that man(7) begins with."""
    return f'.TH {dashes(name)} {section} {day} "Piranha Web {version}" "Linux Virtual Server"'


def synopsis(command: Command) -> Iterator[str]:
    """How the command is written: bold what is typed so, the rest by argparse's own words."""
    yield f".B piranha {dashes(' '.join(command.words))}"
    words = command.parser.format_usage().removeprefix("usage: ").split()
    skipped = len(command.parser.prog.split())
    yield plain(" ".join(words[skipped:]).replace("[-h] ", "").replace("[-h]", "")) or "\\&"


def arguments(command: Command) -> Iterator[str]:
    """A paragraph for each argument and option."""
    for one in (*command.places, *command.options):
        metavar = one.metavar or (one.dest.upper() if takes_value(one) else "")
        name = metavar if isinstance(metavar, str) else " ".join(metavar)
        if one.choices is not None and not one.metavar:
            name = "|".join(map(str, one.choices))
        if not one.option_strings:
            yield f".TP\n.I {plain(name or one.dest)}"
        else:
            typed = ", ".join(f"\\fB{dashes(word)}\\fR" for word in one.option_strings)
            yield f".TP\n{typed}" + (f" \\fI{plain(name)}\\fR" if takes_value(one) else "")
        yield plain(expanded(command.parser, one)) or "\\&"


def takes_value(one: argparse.Action) -> bool:
    """Whether something follows the option."""
    return one.nargs != 0 and not isinstance(one, argparse._HelpAction)


def expanded(parser: argparse.ArgumentParser, one: argparse.Action) -> str:
    """Its help with defaults put in."""
    return parser._get_formatter()._expand_help(one) if one.help else ""


def short(text: str) -> str:
    """A help line as the line of NAME: its first sentence, small, without brackets and full stop."""
    text = re.sub(r"\s*\([^()]*\)", "", text).split(". ")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def files(name: str) -> Iterator[str]:
    """The section FILES, where there is something to say."""
    if name in FILES:
        yield ".SH FILES"
        for path, text in FILES[name].items():
            yield f".TP\n.I {plain(path)}\n{plain(text)}"


def see(names: tuple[str, ...]) -> Iterator[str]:
    """The section SEE ALSO."""
    yield ".SH SEE ALSO"
    marked = (re.fullmatch(r"(.+)\((\d)\)", name) for name in names)
    yield ",\n".join(f".BR {dashes(found[1])} ({found[2]})" for found in marked if found)


def paragraphs(text: str) -> Iterator[str]:
    """Text with an empty line between paragraphs."""
    for number, one in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        yield plain(" ".join(one.split()))


def plain(text: str) -> str:
    """Text that roff takes as nothing but text."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def dashes(text: str) -> str:
    """A name whose dashes can be copied from the page."""
    return text.replace("-", "\\-")
