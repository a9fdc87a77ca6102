"""Completion of the `piranha` command for bash and zsh, from what argparse knows; it starts nothing."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from deploy.deb.tree import Command, commands

FILE_NAMES = ("FILE", "PATH", "FOLDER")  # metavars behind which files are offered

BASH = """\
# Completion of piranha(1) for bash; made from its own command line.
_piranha() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]-}}
    local verb=${{COMP_WORDS[2]-}} values= options= verbs=
    COMPREPLY=()
    if [ "$COMP_CWORD" -le 1 ]; then
        COMPREPLY=($(compgen -W {names} -- "$word"))
        return
    fi
    case $command in
{cases}
        *) return ;;
    esac
    if [ -n "$verbs" ] && [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W "$verbs" -- "$word"))
        return
    fi
    if [ "$values" = '<file>' ]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$word"))
    elif [ "$values" = '<any>' ]; then
        COMPREPLY=()
    elif [ -n "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -W "$options" -- "$word") $(compgen -f -- "$word"))
    fi
}}
complete -F _piranha piranha
"""

ZSH = """\
#compdef piranha
# Completion of piranha(1) for zsh; made from its own command line.
_piranha() {{
    local context state line
    local -a names
    names=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe -t commands 'command of piranha' names
        return
    fi
    local name=$words[2]
    shift words
    (( CURRENT-- ))
    case $name in
{cases}
    esac
}}
_piranha "$@"
"""


def bash() -> str:
    """/usr/share/bash-completion/completions/piranha."""
    found = commands()
    names = shlex.quote(" ".join(one.words[0] for one in found))
    return BASH.format(names=names, cases="\n".join(line for one in found for line in bash_case(one)))


def bash_case(command: Command, indent: str = " " * 8) -> Iterator[str]:
    """What can follow a command."""
    yield f"{indent}{command.words[-1]})"
    inner = indent + "    "
    options = " ".join(word for one in command.options for word in one.option_strings)
    yield f"{inner}options={shlex.quote(options)}"
    if command.verbs:
        yield f"{inner}verbs={shlex.quote(' '.join(one.words[-1] for one in command.verbs))}"
        yield f"{inner}case $verb in"
        for one in command.verbs:
            yield from bash_case(one, inner + "    ")
        yield f"{inner}esac"
    valued = [one for one in command.options if one.nargs != 0]
    if valued:
        yield f"{inner}case $before in"
        for one in valued:
            yield f"{inner}    {'|'.join(one.option_strings)}) values={shlex.quote(bash_values(one))} ;;"
        yield f"{inner}esac"
    yield f"{inner};;"


def bash_values(one: argparse.Action) -> str:
    """The words that may follow an option."""
    if one.choices is not None:
        return " ".join(map(str, one.choices))
    return "<file>" if is_file(one) else "<any>"


def zsh() -> str:
    """/usr/share/zsh/vendor-completions/_piranha."""
    found = commands()
    names = "\n".join(f"        {zsh_described(one)}" for one in found)
    return ZSH.format(names=names, cases="\n".join(line for one in found for line in zsh_case(one)))


def zsh_described(command: Command) -> str:
    """'name:what it is for'."""
    return shlex.quote(f"{command.words[-1]}:{command.help.rstrip('.')}")


def zsh_case(command: Command, indent: str = " " * 8) -> Iterator[str]:
    """What can follow a command."""
    yield f"{indent}{command.words[-1]})"
    inner = indent + "    "
    if command.verbs:
        yield f"{inner}local -a verbs"
        yield f"{inner}verbs=({' '.join(zsh_described(one) for one in command.verbs)})"
        yield f"{inner}if (( CURRENT == 2 )); then _describe -t verbs 'verb' verbs; return; fi"
        yield f"{inner}local verb=$words[2]"
        yield f"{inner}shift words; (( CURRENT-- ))"
        yield f"{inner}case $verb in"
        for one in command.verbs:
            yield from zsh_case(one, inner + "    ")
        yield f"{inner}esac"
    else:
        yield f"{inner}_arguments {' '.join(zsh_specs(command))}"
    yield f"{inner};;"


def zsh_specs(command: Command) -> Iterator[str]:
    """Specifications for _arguments."""
    for one in command.options:
        text = (one.help or "").replace("%%", "%").split("(default")[0].strip()
        text = text.replace("[", "(").replace("]", ")").replace(":", " -")
        value = f":{zsh_name(one)}:{zsh_values(one)}" if one.nargs != 0 else ""
        for word in one.option_strings:
            yield shlex.quote(f"{word}[{text}]{value}")
    for one in command.places:
        many = one.nargs in ("*", "+", "...", "A...")
        yield shlex.quote(f"{'*' if many else ''}:{zsh_name(one)}:{zsh_values(one)}")


def zsh_name(one: argparse.Action) -> str:
    """What an argument is called."""
    name = one.metavar if isinstance(one.metavar, str) else one.dest
    return name.replace(":", " ").replace("[", "").replace("]", "")


def zsh_values(one: argparse.Action) -> str:
    """What completes it."""
    if one.choices is not None:
        return f"({' '.join(map(str, one.choices))})"
    return "_files" if is_file(one) else ""


def is_file(one: argparse.Action) -> bool:
    """Whether files are offered for it."""
    return one.metavar in FILE_NAMES or one.type is Path
